/** `burrow relay list`: every relay as the coordinator knows it, with what operators do something about. */
import type { RelayView } from "@burrow/coordinator";
import type { Command } from "commander";
import { jsonFlag } from "../flags.ts";
import { table, wrap } from "../print/table.ts";
import { age } from "../print/units.ts";
import { type Style, type Terminal, COLUMNS as WIDTH } from "../terminal.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";
import { relayStatePaint } from "./relays.ts";

interface ListFlags extends OperatorFlags {
  readonly json?: boolean;
}

export function addRelayList(relay: Command, terminal: Terminal): void {
  addOperatorFlags(relay.command("list").description("all relays: state and why, agents, load"))
    .addOption(jsonFlag())
    .action(async (flags: ListFlags) => {
      const { api } = await operatorOf(flags);
      const relays = await api.relays();
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(relays, null, 2)}\n`
          : showRelayList(relays, terminal.outStyle, Date.now()),
      );
    });
}

const COLUMNS = [
  { title: "REGION", shrinkTo: 12 },
  { title: "ID" },
  { title: "STATE" },
  { title: "SINCE", align: "right" },
  { title: "AGENTS", align: "right" },
  { title: "LOAD", align: "right" },
] as const;

/** By region; below the table the reasons, which are sentences. */
export function showRelayList(relays: readonly RelayView[], style: Style, now: number): string {
  if (relays.length === 0) return "No relays yet. Make a token: `burrow token create --for relay`.\n";
  const sorted = [...relays].sort((a, b) => a.region.localeCompare(b.region) || a.id.localeCompare(b.id));
  const rows = sorted.map((relay) => [
    relay.region,
    relay.id,
    { text: relay.state, paint: relayStatePaint(relay.state, style) },
    age(now - relay.sinceMs),
    String(relay.agents),
    loadOf(relay),
  ]);
  const notes = sorted.flatMap((relay) => noteOn(relay, style));
  return table(COLUMNS, rows, style) + (notes.length === 0 ? "" : `\n${notes.join("")}`);
}

/** Sessions, of those that it has room for. */
function loadOf({ sessions, load }: RelayView): string {
  return load.sessionsMax === undefined ? String(sessions) : `${sessions}/${load.sessionsMax}`;
}

/** Why it is in its state, where that is not the usual one, and what operators have wished. */
function noteOn({ id, state, reason, reach, network, weightMs, avoid }: RelayView, style: Style): string[] {
  const told = [
    ...(state === "healthy" && reach.verdict === "works" ? [] : [reason]),
    ...(network === null ? [] : [`serves the network ${network} alone`]),
    ...(weightMs === 0
      ? []
      : [`counts as ${Math.abs(weightMs)} ms ${weightMs > 0 ? "further off" : "nearer"}`]),
    ...(avoid ? ["is avoided"] : []),
  ];
  if (told.length === 0) return [];
  const indent = " ".repeat(id.length + 2);
  return [`${style.dim(id)}  ${wrap(told.join("; "), WIDTH - indent.length).join(`\n${indent}`)}\n`];
}
