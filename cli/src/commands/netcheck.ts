/** `burrow netcheck`: what the network around this machine lets through. */
import type { Examination } from "@burrow/agent";
import type { Command } from "commander";
import { AgentApi } from "../client/agent-api.ts";
import type { AgentStatus, NetcheckView } from "../client/shapes.ts";
import { coordinatorFlag } from "../flags.ts";
import { showFindings } from "../print/findings.ts";
import { mappingFacts } from "../print/mapping.ts";
import { facts, table, wrap } from "../print/table.ts";
import { milliseconds } from "../print/units.ts";
import { findStateDir } from "../state-dir.ts";
import { COLUMNS, type Style, type Terminal } from "../terminal.ts";
import { addLocalFlags, type LocalFlags } from "./common.ts";

export function addNetcheck(program: Command, terminal: Terminal): void {
  const netcheck = program
    .command("netcheck")
    .description("what is in the way: UDP, portals, proxies, DNS, clock; NAT, relay latencies")
    .addOption(coordinatorFlag());
  addLocalFlags(netcheck).action(async (flags: NetcheckFlags) => {
    const examined = await examination(flags);
    const { view, ...rest } = examined;
    terminal.out(
      flags.json === true
        ? `${JSON.stringify({ ...rest, ...(view ?? NOTHING) }, null, 2)}\n`
        : showExamination(examined, terminal.outStyle, Date.now()),
    );
  });
}

export interface NetcheckFlags extends LocalFlags {
  readonly coordinator?: string;
}

/** What stands in the JSON where no relay could be asked. */
const NOTHING = {
  natMapping: "unknown",
  local: [],
  reflexive: [],
  candidates: [],
  udp: null,
  websocket: null,
  ipv4: null,
  ipv6: null,
  relays: [],
} as const;

/** Asks the agent that runs, or looks for itself. */
export async function examination(flags: NetcheckFlags): Promise<Examination> {
  const stateDir = flags.state ?? findStateDir("agent");
  const api = new AgentApi(stateDir);
  const [status, view] = await Promise.all([
    api.find<AgentStatus>("/v1/status"),
    api.find<NetcheckView>("/v1/netcheck"),
  ]);
  const running =
    status === undefined || view === undefined
      ? undefined
      : { coordinatorUrl: status.coordinator.url, view, channel: status.coordinator };
  const { examine } = await import("@burrow/agent");
  return await examine({ coordinatorUrl: flags.coordinator, stateDir, running });
}

export function showExamination(
  { verdict, summary, findings, view }: Examination,
  style: Style,
  now: number,
): string {
  const paint = verdict === "fine" ? style.green : verdict.startsWith("udp-") ? style.yellow : style.red;
  const head = wrap(summary, COLUMNS)
    .map((line) => `${style.bold(paint(line))}\n`)
    .join("");
  const text = `${head}\n${showFindings(findings, style)}`;
  return view === undefined ? text : `${text}\n${showNetcheck(view, style, now)}`;
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
  const isIpv6Only = check.natMapping === "unknown" && check.ipv6 && !check.ipv4;
  const means = isIpv6Only ? undefined : MAPPING_MEANS[check.natMapping];
  let text = facts(
    [
      ["NAT", isIpv6Only ? "none (IPv6 only)" : check.natMapping],
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
