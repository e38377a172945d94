/** `burrow why PEER`: which path, since when, why this one, and what else was tried. */
import type { Command } from "commander";
import type { AttemptView, RelayedBecause, WhyView } from "../client/shapes.ts";
import { mappingText } from "../print/mapping.ts";
import { pathPaint, pathText } from "../print/path.ts";
import { type Cell, table, wrap } from "../print/table.ts";
import { age, lasting, milliseconds, timeOfDay } from "../print/units.ts";
import { COLUMNS, PLAIN, type Style, type Terminal } from "../terminal.ts";
import { peerName } from "../values.ts";
import { addLocalFlags, answer, type LocalFlags } from "./common.ts";
import { isAway } from "./peers.ts";

export function addWhy(program: Command, terminal: Terminal): void {
  addLocalFlags(
    program
      .command("why")
      .argument("<PEER>", "its name, id or address", peerName)
      .description("why a peer is reached the way it is, with everything that was tried"),
  ).action((peer: string, flags: LocalFlags) =>
    answer<WhyView>(terminal, flags, `/v1/why/${encodeURIComponent(peer)}`, (why, now) =>
      showWhy(why, terminal.outStyle, now),
    ),
  );
}

/** Each side chooses for itself, so both may differ for a while. */
const DIRECTION = `This agent sends by the path above; \`burrow ping\` shows the one by which the
answer came, which the peer chose.`;

const RELAYED: Readonly<Record<RelayedBecause, string>> = {
  idle: "nobody has said anything for a minute; a direct path is looked for when somebody does",
  "udp-blocked": "this network blocks UDP, so packets go to the relay by WebSocket",
  "both-nats-hard":
    "both NATs give each destination another port; one from a router (--port-mapping, --endpoint) helps",
  "peer-without-candidates": "the peer has not told any address of its own yet",
  "direct-clearly-worse": "a direct path works, but has been much slower than the relay",
  "direct-too-narrow": "a direct path works, but packets of 1280 bytes do not fit through it",
  probing: "a direct path is being looked for right now",
  "candidates-silent":
    "none of the peer's addresses answers: a firewall or a NAT on the way drops the probes",
};

const STUCK = "probes are answered, but no WireGuard handshake completes: is the clock of either side wrong?";

const ATTEMPT_COLUMNS = [
  { title: "TRIED", shrinkTo: 16 },
  { title: "STATE" },
  { title: "PROBES", align: "right" },
  { title: "ANSWERS", align: "right" },
  { title: "RTT", align: "right" },
  { title: "MTU", align: "right" },
  { title: "LAST HEARD", align: "right" },
] as const;

export function showWhy(why: WhyView, style: Style, now: number): string {
  const { name, path } = why.peer;
  const since = path.sinceMs === undefined ? "" : `, ${lasting(now - path.sinceMs)}`;
  const rtt = path.rttMs === undefined ? "" : `, ${milliseconds(path.rttMs)}`;
  const seen = why.peer.lastSeenMs === undefined ? "" : `, last seen ${age(now - why.peer.lastSeenMs)} ago`;
  const isGone = isAway(why.peer, now);
  let text = isGone
    ? `${style.bold(name)}: ${style.dim(`offline${seen}`)}\n`
    : `${style.bold(name)}: ${pathPaint(path, style)(pathText(path))}${rtt}${since}\n`;
  if (path.reason !== "") text += indented(path.reason, "  because: ");
  if (path.relayedBecause !== undefined && !isGone)
    text += indented(RELAYED[path.relayedBecause], "  relayed: ");
  if (why.pairReason !== undefined) text += indented(why.pairReason, "  relays:  ");
  const { handshakeStuckSinceMs: stuckMs } = why.peer;
  if (stuckMs !== undefined) text += indented(`${STUCK} (${lasting(now - stuckMs)})`, "  tunnel:  ");
  if (why.portMapping.state === "mapped") {
    text += indented(mappingText(why.portMapping, now), "  own port: ");
  }
  if (why.reasons.length > 0) {
    text += `\n${style.dim("How it came to this:")}\n`;
    for (const { atMs, event, detail } of why.reasons) {
      text += indented(`${event}${detail === "" ? "" : `: ${detail}`}`, `  ${timeOfDay(atMs)}  `);
    }
  }
  if (why.attempts.length > 0) {
    const rows = (isShort: boolean) =>
      why.attempts.map((attempt) => attemptRow(attempt, isShort, style, now));
    const natural = table(ATTEMPT_COLUMNS, rows(false), PLAIN, Number.POSITIVE_INFINITY);
    // Rather an address without its kind than one that is cut in the middle.
    const isTooWide = natural.split("\n").some((line) => line.length > COLUMNS);
    text += `\n${table(ATTEMPT_COLUMNS, rows(isTooWide), style)}`;
    text += `\n${style.dim(DIRECTION)}\n`;
  }
  return text;
}

function attemptRow(attempt: AttemptView, isShort: boolean, style: Style, now: number): Cell[] {
  return [
    {
      text: attemptText(attempt, isShort),
      paint: attempt.inUse ? style.bold : (text: string) => text,
    },
    attempt.state,
    String(attempt.sent),
    { text: String(attempt.acked), paint: attempt.acked > 0 ? style.green : style.red },
    milliseconds(attempt.rttMs),
    attempt.mtuBytes === undefined ? "" : String(attempt.mtuBytes),
    attempt.lastHeardMs === undefined ? "never" : age(now - attempt.lastHeardMs),
  ];
}

/** `host 192.168.1.5:41641`, `relay eu-central`; `isShort`: the address alone. */
function attemptText(attempt: AttemptView, isShort: boolean): string {
  if (attempt.kind === "relay") return pathText(attempt);
  const { origin, endpoint = "" } = attempt;
  return isShort ? endpoint : `${origin} ${endpoint}`.trimEnd();
}

function indented(text: string, label: string): string {
  const [first = "", ...rest] = wrap(text, COLUMNS - label.length);
  return [`${label}${first}`, ...rest.map((line) => " ".repeat(label.length) + line)]
    .map((l) => `${l}\n`)
    .join("");
}
