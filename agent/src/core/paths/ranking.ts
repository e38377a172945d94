/** Which of the proven paths is best, and why. The order of the rules is the ranking. */
import { familyOf, splitEndpoint } from "@burrow/protocol";
import ipaddr from "ipaddr.js";
import type { Path } from "./path.ts";

/** A direct path is left for a relay only if it is clearly worse: half as slow again, and by this much. */
const CLEARLY_WORSE_FACTOR = 1.5;
const CLEARLY_WORSE_MS = 20;
/** Between paths of one kind the one in use stays unless another gains this much and this part. */
const SWITCH_GAIN_MS = 5;
const SWITCH_GAIN_FACTOR = 0.8;
/** Of relays one that the coordinator has reckoned out for this pair needs less to win: its word and our measure agree. */
const PAIR_GAIN_MS = 2;
const PAIR_GAIN_FACTOR = 0.95;
/** Worth of not leaving the building, and of IPv6 (no NAT to keep open): ms taken off the round trip. */
const PRIVATE_BONUS_MS = 3;
const IPV6_BONUS_MS = 1;
const LOCAL_RANGES: ReadonlySet<string> = new Set(["private", "uniqueLocal", "linkLocal", "loopback"]);

/** What a lost packet costs an application: TCP's first retransmission timeout (RFC 6298 §2). */
const LOST_PACKET_MS = 1_000;
/** Among paths of a kind, one that whole packets fit through is worth this much of a longer way. */
const NARROW_MALUS_MS = 20;
/** One that does not even carry IPv6's smallest MTU is used when there is nothing else of its kind. */
const CRAMPED_MALUS_MS = 5_000;
/** A relay that we are about to leave, or never chose, is used when there is nothing else. */
const SPARE_MALUS_MS = 10_000;

export type ChoiceReason =
  | "only-path"
  | "best-relay"
  | "direct-beats-relay"
  | "direct-clearly-worse"
  | "direct-too-narrow"
  | "lower-rtt"
  /** The relay before is neither home nor standby any more: it drains, or the home has moved. */
  | "relay-left"
  | "stays"
  | "nothing-proven";

export interface Choice {
  readonly path: Path | undefined;
  readonly reason: ChoiceReason;
}

/**
 * The path to use among `paths`, given the one in use now. Only proven paths are ever chosen.
 *
 * @param relayMayWin whether a relay may be preferred to a direct path that is clearly worse: load raises round trips
 *   for a moment, so the caller says so only after it has lasted (`isDirectClearlyWorse`)
 */
export function choosePath(paths: Iterable<Path>, current: Path | undefined, relayMayWin: boolean): Choice {
  const { direct, relay, relays, hasCurrent } = bestOfEachKind(paths, current);
  const [best, reason] = pick(direct, relay, relays, relayMayWin);
  if (best === undefined) return { path: undefined, reason: "nothing-proven" };
  if (best === current) return { path: best, reason: "stays" };
  const sameKind = current?.isProven === true && current.target.kind === best.target.kind;
  // Among relays beside a direct path, what one wants to know is still why it is a relay.
  const isRelayed = best.target.kind === "relay" && direct !== undefined;
  if (!sameKind || isRelayed) return { path: best, reason };
  return { path: best, reason: hasCurrent || best.target.kind === "direct" ? "lower-rtt" : "relay-left" };
}

/** Why a proven path is chosen, as users read it: what is wrong with the one before, if anything is. */
export function reasonFor(chosen: Path, current: Path | undefined, reason: ChoiceReason): string {
  if (current !== undefined && !current.isProven && reason !== "stays") {
    if (current.isSuspect || current.state === "lost") return `${current.target.kind}-silent`;
    return chosen.target.kind === "direct" ? "direct-found" : reason;
  }
  return reason === "direct-beats-relay" ? "direct-found" : reason;
}

/**
 * Is the best relay path at this moment much better than the best direct one? Undefined without one of each. A direct
 * path that loses about as much as the relay does is not worse for it: by the relay a packet runs that risk twice.
 */
export function isDirectClearlyWorse(paths: Iterable<Path>, current: Path | undefined): boolean | undefined {
  const { direct, relay } = bestOfEachKind(paths, current);
  if (direct === undefined || relay === undefined) return undefined;
  const excusedMs = malusMs(direct) + (direct.loss.isMoreThan(relay.loss) ? 0 : lossMs(direct));
  const [directMs, relayMs] = [costMs(direct) - excusedMs, costMs(relay)];
  return directMs > CLEARLY_WORSE_FACTOR * relayMs && directMs > relayMs + CLEARLY_WORSE_MS;
}

function bestOfEachKind(paths: Iterable<Path>, current: Path | undefined) {
  let direct: Path | undefined;
  let relay: Path | undefined;
  let relays = 0;
  let hasCurrent = false;
  for (const path of paths) {
    hasCurrent ||= path === current;
    if (!path.isProven) continue;
    if (path.target.kind === "direct") direct = better(path, direct, current);
    else {
      relay = better(path, relay, current);
      relays++;
    }
  }
  return { direct, relay, relays, hasCurrent };
}

function pick(
  direct: Path | undefined,
  relay: Path | undefined,
  relays: number,
  relayMayWin: boolean,
): [Path | undefined, ChoiceReason] {
  if (direct === undefined) return [relay, relays > 1 ? "best-relay" : "only-path"];
  if (relay === undefined) return [direct, "only-path"];
  if (isCramped(direct) && !isCramped(relay)) return [relay, "direct-too-narrow"];
  return relayMayWin ? [relay, "direct-clearly-worse"] : [direct, "direct-beats-relay"];
}

function better(path: Path, best: Path | undefined, current: Path | undefined): Path {
  if (best === undefined) return path;
  const [challenger, holder] = best === current ? [path, best] : [best, path];
  if (holder !== current) return costMs(path) < costMs(best) ? path : best;
  const [gainMs, factor] = challenger.isForPair
    ? [PAIR_GAIN_MS, PAIR_GAIN_FACTOR]
    : [SWITCH_GAIN_MS, SWITCH_GAIN_FACTOR];
  const gains = costMs(challenger) + gainMs <= costMs(holder);
  return gains && costMs(challenger) <= factor * costMs(holder) ? challenger : holder;
}

/**
 * Round trip in ms, as far as it is known, with jitter, loss and a small MTU counted against a path, and small bonuses
 * for it.
 */
export function costMs(path: Path): number {
  const lengthMs = (path.rtt.smoothedMs ?? Number.POSITIVE_INFINITY) + path.rtt.jitterMs;
  const spareMs = path.isSpare ? SPARE_MALUS_MS : 0;
  return lengthMs + lossMs(path) + malusMs(path) - bonusMs(path) + spareMs;
}

function lossMs({ loss }: Path): number {
  return loss.share * LOST_PACKET_MS;
}

function malusMs({ mtu }: Path): number {
  switch (mtu.verdict) {
    case "unknown":
    case "whole":
      return 0;
    case "narrow":
      return NARROW_MALUS_MS;
    case "cramped":
      return CRAMPED_MALUS_MS;
  }
}

function isCramped({ mtu }: Path): boolean {
  return mtu.verdict === "cramped";
}

/** Addresses do not change, and reading them at every choice would be most of its cost. */
const bonuses = new WeakMap<Path, number>();

function bonusMs(path: Path): number {
  if (path.target.kind === "relay") return 0;
  let bonus = bonuses.get(path);
  if (bonus === undefined) {
    const range = ipaddr.parse(splitEndpoint(path.target.endpoint).address).range();
    bonus =
      (LOCAL_RANGES.has(range) ? PRIVATE_BONUS_MS : 0) +
      (familyOf(path.target.endpoint) === 6 ? IPV6_BONUS_MS : 0);
    bonuses.set(path, bonus);
  }
  return bonus;
}
