/** `burrow status`: this agent, its coordinator, its home. */
import type { Command } from "commander";
import type { StatusView } from "../client/shapes.ts";
import { relayText } from "../print/path.ts";
import { facts } from "../print/table.ts";
import { age } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { addLocalFlags, answer, type LocalFlags } from "./common.ts";

export function addStatus(program: Command, terminal: Terminal): void {
  addLocalFlags(
    program.command("status").description("this agent: addresses, home relay, coordinator"),
  ).action((flags: LocalFlags) =>
    answer<StatusView>(terminal, flags, "/v1/status", (status) =>
      showStatus(status, terminal.outStyle, Date.now()),
    ),
  );
}

export function showStatus(status: StatusView, style: Style, now: number): string {
  const { coordinator } = status;
  const since = coordinator.since === undefined ? "" : `, for ${age(now - coordinator.since)}`;
  const counts = Object.entries(status.counts).map(([name, n]) => `${n} ${name}`);
  return facts(
    [
      ["agent", { text: `${status.name} (${status.id}) in network ${status.network}`, paint: style.bold }],
      ["addresses", `${status.ipv4}, ${status.ipv6}`],
      ["coordinator", coordinator.url],
      [
        "",
        {
          text: `${coordinator.state}${since}`,
          paint: coordinator.state === "connected" ? style.green : style.yellow,
        },
      ],
      [
        "home",
        status.home === undefined ? { text: "none yet", paint: style.yellow } : relayText(status.home),
      ],
      ["", status.home?.reason],
      ["standby", status.standby === undefined ? undefined : relayText(status.standby)],
      ["device", status.device],
      ["NAT", status.natMapping],
      ["peers", counts.length === 0 ? undefined : counts.join(", ")],
    ],
    style,
  );
}
