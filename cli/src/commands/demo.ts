/** `burrow demo`: a whole mesh in one process, on loopback, with emulated distances. */
import type { LogLevel } from "@logtape/logtape";
import type { Command } from "commander";
import { jsonFlag, logLevelFlag } from "../flags.ts";
import { configureLogging } from "../log.ts";
import type { Terminal } from "../terminal.ts";

export function addDemo(program: Command, terminal: Terminal): void {
  program
    .command("demo")
    .description("see it work in ten seconds: no root, no network, nothing left behind")
    .addOption(logLevelFlag("error"))
    .addOption(jsonFlag())
    .action(async (flags: { readonly json?: boolean; readonly logLevel: LogLevel }) => {
      configureLogging(terminal, flags.logLevel);
      const { demo } = await import("../demo/main.ts");
      await demo(terminal, flags.json === true);
    });
}
