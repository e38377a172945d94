/** One pair of the grid: two agents that never talked, from the first packet to the path on which they end. */
import type { AgentDaemon, WhyView } from "../burrow.ts";
import { PingStream } from "../ping-stream.ts";
import { PATIENCE, type PairClass } from "./expectation.ts";

const LOOK_EVERY_MS = 40;
/** With no answer by then, the two are not connected. UDP that is blocked may take 3 s to be given up. */
const FIRST_BYTE_PATIENCE_MS = 5_000;
/** A direct path has to carry for so long before it is believed. */
const HOLD_MS = 400;

export interface PairResult {
  /** Who sends first, and to whom: a kind of NAT, or what else the pair is about. */
  from: string;
  to: string;
  class: PairClass;
  passed: boolean;
  failures: string[];
  /** From the first packet sent to the first answer. */
  firstByteMs: number | null;
  /** From the first packet sent until both sides send directly. */
  directMs: number | null;
  /** On which path the first sender ended. */
  path: string;
  rttMs: number | null;
  /** Why relayed, with what was tried. */
  reason: string | null;
  sent: number;
  lost: number;
}

export interface Pair {
  readonly from: string;
  readonly to: string;
  readonly class: PairClass;
  readonly a: AgentDaemon;
  readonly b: AgentDaemon;
  readonly check?: ((a: AgentDaemon, b: AgentDaemon) => Promise<readonly string[]>) | undefined;
}

export async function measurePair({ from, to, class: kind, a, b, check }: Pair): Promise<PairResult> {
  const stream = new PingStream(a.host, b.address);
  const startedMs = Date.now();
  let direct: { there: number; back: number } | undefined;
  let there = await a.whyPath(b);
  let back = await b.whyPath(a);
  for (;;) {
    const waitedMs = Date.now() - startedMs;
    const isSilent = stream.firstByteMs === undefined;
    if (direct !== undefined && !isSilent) break;
    if (waitedMs > (isSilent ? FIRST_BYTE_PATIENCE_MS : PATIENCE[kind].directMs)) break;
    await Bun.sleep(LOOK_EVERY_MS);
    [there, back] = await Promise.all([a.whyPath(b), b.whyPath(a)]);
    const [since, sinceBack] = [directSince(there), directSince(back)];
    if (since !== undefined && sinceBack !== undefined) direct ??= { there: since, back: sinceBack };
  }
  const holdMark = stream.mark();
  if (direct !== undefined) await Bun.sleep(HOLD_MS);
  [there, back] = await Promise.all([a.whyPath(b), b.whyPath(a)]);
  const held = stream.report(holdMark);
  const { sent, lost } = await stream.stop();
  const more = (await check?.(a, b)) ?? [];

  const firstSentMs = stream.firstSentMs ?? startedMs;
  const isDirect = there.peer.path.kind === "direct" && back.peer.path.kind === "direct";
  const failures: string[] = [...more];
  if (stream.firstByteMs === undefined) failures.push(`no answer within ${FIRST_BYTE_PATIENCE_MS} ms`);
  else if (kind !== "relayed" && !isDirect) failures.push("not direct");
  if (direct !== undefined && held.received === 0) failures.push("direct, but nothing came back");
  return {
    from,
    to,
    class: kind,
    passed: failures.length === 0,
    failures,
    firstByteMs: stream.firstByteMs ?? null,
    // Not below zero: agents may greet each other before anybody sends a packet.
    directMs:
      direct === undefined ? null : Math.max(direct.there - firstSentMs, direct.back - firstSentMs, 0),
    path: stream.firstByteMs === undefined ? "none" : describe(there),
    rttMs: held.received > 0 ? held.medianRttMs : null,
    reason: isDirect ? null : `${reasonOf(there)}; from the other side: ${reasonOf(back)}`,
    sent,
    lost,
  };
}

function directSince({ peer: { path } }: WhyView): number | undefined {
  return path.kind === "direct" ? path.sinceMs : undefined;
}

function describe({ peer: { path } }: WhyView): string {
  return path.kind === "direct" ? `direct ${path.endpoint}` : `${path.kind} ${path.region ?? ""}`.trim();
}

/** What `burrow why` says, in one line. */
function reasonOf({ peer: { path }, attempts, reasons }: WhyView): string {
  const direct = attempts.filter((attempt) => attempt.kind === "direct");
  const tried = direct.map(
    ({ origin, endpoint, state, sent, acked }) => `${origin} ${endpoint} ${state} (${acked} of ${sent})`,
  );
  const introduced = reasons.filter(({ event }) => event === "introduced").length;
  const what = tried.length === 0 ? "no candidate of the peer was tried" : `tried ${tried.join(", ")}`;
  return `${path.reason || "no reason given"}, introduced ${introduced} times, ${what}`;
}
