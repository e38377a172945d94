/** `burrow netcheck`: what the network around this machine lets through. */
import type { Command } from "commander";
import type { NetcheckView } from "../client/shapes.ts";
import { mappingFacts } from "../print/mapping.ts";
import { facts, table } from "../print/table.ts";
import { milliseconds } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { addLocalFlags, answer, type LocalFlags } from "./common.ts";

export function addNetcheck(program: Command, terminal: Terminal): void {
  addLocalFlags(
    program.command("netcheck").description("what kind of NAT this is, own addresses, relay latencies"),
  ).action((flags: LocalFlags) =>
    answer<NetcheckView>(terminal, flags, "/v1/netcheck", (check) =>
      showNetcheck(check, terminal.outStyle, Date.now()),
    ),
  );
}

/** What a mapping means for the user, in their words (RFC 4787 §4.1). */
const MAPPING_MEANS: Readonly<Record<string, string>> = {
  "endpoint-independent": "one public address for all: direct paths are likely",
  "address-dependent": "another public port for each destination: direct paths are hard",
  none: "no NAT: this machine has its public address itself",
  unknown: "not known until two relays have answered",
};

function portsText(ports: NetcheckView["natPorts"]): string | undefined {
  if (ports === undefined) return undefined;
  if (ports.order === "sequential") return `ports in order, ${ports.step} apart: the next can be guessed`;
  return ports.order === "preserving" ? "ports are kept where they are free" : "ports at random";
}

function hairpinText(turns: boolean | undefined): string | undefined {
  if (turns === undefined) return undefined;
  return turns
    ? "turns packets for its own outside around (hairpin)"
    : "turns no packets for its own outside around (no hairpin)";
}

export function showNetcheck(check: NetcheckView, style: Style, now: number): string {
  const means = MAPPING_MEANS[check.natMapping];
  let text = facts(
    [
      ["NAT", check.natMapping],
      ["", means],
      ["", portsText(check.natPorts)],
      ["", hairpinText(check.hairpin)],
      ...mappingFacts(check.portMapping, now),
    ],
    style,
  );
  if (check.candidates.length > 0) {
    const rows = check.candidates.map(({ kind, endpoint }) => [kind, endpoint]);
    text += `\n${table([{ title: "KIND" }, { title: "OWN ADDRESS", shrinkTo: 20 }], rows, style)}`;
  }
  if (check.relays.length > 0) {
    const rows = check.relays.map((relay) => [
      relay.region,
      relay.id,
      milliseconds(relay.rttMs),
      relay.observed ?? "-",
    ]);
    const columns = [
      { title: "RELAY", shrinkTo: 10 },
      { title: "ID" },
      { title: "RTT", align: "right" },
      { title: "SEES US AS", shrinkTo: 20 },
    ] as const;
    text += `\n${table(columns, rows, style)}`;
  }
  return text;
}
