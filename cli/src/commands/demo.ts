/** `burrow demo`: a whole mesh in one process, on loopback, with emulated distances. */
import type { Command } from "commander";
import { jsonFlag } from "../flags.ts";
import type { Terminal } from "../terminal.ts";

export function addDemo(program: Command, terminal: Terminal): void {
  program
    .command("demo")
    .description("see it work in ten seconds: no root, no network, nothing left behind")
    .addOption(jsonFlag())
    .action(async (flags: { readonly json?: boolean }) => {
      const { demo } = await import("../demo/main.ts");
      await demo(terminal, flags.json === true);
    });
}
