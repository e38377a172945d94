/** `burrow relays`: every relay this agent knows, as it measures them. */
import type { Endpoint } from "@burrow/protocol";
import type { Command } from "commander";
import type { RelayView } from "../client/shapes.ts";
import { reachOf } from "../print/reach.ts";
import { table, wrap } from "../print/table.ts";
import { milliseconds } from "../print/units.ts";
import { type Style, type Terminal, COLUMNS as WIDTH } from "../terminal.ts";
import { addLocalFlags, addWatchFlag, answer, type LocalFlags } from "./common.ts";

export function addRelays(program: Command, terminal: Terminal): void {
  addWatchFlag(
    addLocalFlags(
      program.command("relays").description("all relays: measured, expected, and which one is home"),
    ),
  ).action((flags: LocalFlags) =>
    answer<RelayView[]>(terminal, flags, "/v1/relays", (relays) => showRelays(relays, terminal.outStyle)),
  );
}

const COLUMNS = [
  { title: "REGION", shrinkTo: 12 },
  { title: "ID" },
  { title: "STATE" },
  { title: "ROLE" },
  { title: "RTT", align: "right" },
  { title: "SAMPLES", align: "right" },
  { title: "EXPECTED", align: "right" },
] as const;

/** In place of the samples, where operators or a crowd have something to say. */
const PENALTY = { title: "ADDED", align: "right" } as const;
const SHOWN_PENALTY_MS = 1;
/** From here on it is no distance but a reason to come last: full, not the network's own, to be avoided. */
const LAST_RESORT_MS = 5_000;

/** An agent's own older daemon does not tell. */
function penaltyText(penaltyMs = 0): string {
  if (penaltyMs >= LAST_RESORT_MS) return "last";
  if (Math.abs(penaltyMs) < SHOWN_PENALTY_MS) return "";
  return `${penaltyMs > 0 ? "+" : "-"}${milliseconds(Math.abs(penaltyMs))}`;
}

export function showRelays(relays: readonly RelayView[], style: Style): string {
  if (relays.length === 0) {
    return "No relays yet. An operator starts one with `burrow relay`.\n";
  }
  const nearest = (relay: RelayView) => relay.rttMs ?? relay.expectedRttMs ?? Number.POSITIVE_INFINITY;
  const sorted = [...relays].sort((a, b) => Number(b.home) - Number(a.home) || nearest(a) - nearest(b));
  const isWeighted = relays.some(({ penaltyMs = 0 }) => Math.abs(penaltyMs) >= SHOWN_PENALTY_MS);
  const rows = sorted.map((relay) => [
    relay.region,
    relay.id,
    { text: relay.state, paint: relayStatePaint(relay.state, style) },
    relay.home ? { text: "home", paint: style.bold } : relay.standby ? "standby" : relay.bound ? "bound" : "",
    milliseconds(relay.rttMs),
    isWeighted ? penaltyText(relay.penaltyMs) : String(relay.samples),
    milliseconds(relay.expectedRttMs),
  ]);
  const home = sorted.find((relay) => relay.home);
  const why = home?.reason === undefined ? "" : `\n${because(home.reason, style)}\n`;
  const columns = COLUMNS.map((column) => (isWeighted && column.title === "SAMPLES" ? PENALTY : column));
  return table(columns, rows, style) + why + silentNote(sorted, style);
}

function because(reason: string, style: Style): string {
  const label = "home because:";
  const indent = " ".repeat(label.length + 1);
  return `${style.dim(label)} ${wrap(reason, WIDTH - indent.length).join(`\n${indent}`)}`;
}

/** Where those that do not answer were tried, and what is likely wrong. */
function silentNote(relays: readonly RelayView[], style: Style): string {
  const silent = relays.filter(
    ({ bound, rttMs, state }) => !bound && rttMs === undefined && state !== "down",
  );
  if (silent.length === 0) return "";
  const lines = silent.map(({ region, endpoint }) => {
    const reach =
      endpoint === undefined || endpoint.startsWith("wss:") ? "public" : reachOf([endpoint as Endpoint]);
    const why = reach === "public" ? "" : `, a ${reach} address: start it with --advertise IP:PORT`;
    return `  ${region} at ${endpoint ?? "no address"}${why}\n`;
  });
  return `\n${style.dim("no answer yet from:")}\n${lines.join("")}`;
}

export function relayStatePaint(state: string, style: Style) {
  return state === "healthy" ? style.green : state === "draining" ? style.yellow : style.red;
}
