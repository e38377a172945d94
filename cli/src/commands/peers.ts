/** `burrow peers`: everyone in the network, and how they are reached. */
import type { Command } from "commander";
import type { PeerView } from "../client/shapes.ts";
import { pathPaint, pathText } from "../print/path.ts";
import { table } from "../print/table.ts";
import { age, bytes, milliseconds } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { addLocalFlags, addWatchFlag, answer, type LocalFlags } from "./common.ts";

export function addPeers(program: Command, terminal: Terminal): void {
  addWatchFlag(
    addLocalFlags(
      program.command("peers").description("the other agents, and by which path each is reached"),
    ),
  ).action((flags: LocalFlags) =>
    answer<PeerView[]>(terminal, flags, "/v1/peers", (peers, now) =>
      showPeers(peers, terminal.outStyle, now),
    ),
  );
}

const COLUMNS = [
  { title: "NAME", shrinkTo: 8 },
  { title: "ADDRESS" },
  { title: "PATH", shrinkTo: 12 },
  { title: "RTT", align: "right" },
  { title: "FOR", align: "right" },
  { title: "RX", align: "right" },
  { title: "TX", align: "right" },
] as const;

export function showPeers(peers: readonly PeerView[], style: Style, now: number): string {
  if (peers.length === 0) {
    return "No peers yet. Start `burrow up` on another machine, with a token of the same network.\n";
  }
  const rows = [...peers]
    .sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name))
    .map((peer) => [
      peer.name,
      peer.ipv4,
      ...(isAway(peer, now)
        ? [{ text: "offline", paint: style.dim }, "-", sinceText(peer.lastSeenMs, now)]
        : [
            { text: pathText(peer.path), paint: pathPaint(peer.path, style) },
            milliseconds(peer.path.rttMs),
            sinceText(peer.path.sinceMs, now),
          ]),
      bytes(peer.rxBytes),
      bytes(peer.txBytes),
    ]);
  return table(COLUMNS, rows, style);
}

/** The coordinator may have lost sight of a peer that talks to us all the same. */
const HEARD_LATELY_MS = 30_000;

export function isAway({ online, lastHeardMs }: PeerView, now: number): boolean {
  return !online && now - (lastHeardMs ?? 0) > HEARD_LATELY_MS;
}

function sinceText(sinceMs: number | undefined, now: number): string {
  return age(sinceMs === undefined ? undefined : now - sinceMs);
}
