/**
 * The way for two agents: one relay that both reach, or the trunk between their homes, whichever has the least round
 * trip. The map knows neither; both sides' vectors and the relays' own do. Only the homes' trunk is to be had: relays
 * know where an agent is at home, and hand over to no other relay.
 */
import type { RelayId } from "@burrow/protocol";
import type { Ranked } from "../ranking.ts";
import { CLASS_MS } from "./cost.ts";
import type { Estimate, EstimateSource } from "./estimate.ts";
import type { RelayRtts } from "./relay-rtts.ts";

export interface PairPath {
  /** One relay, or two with a trunk in between: first the one of the first agent. */
  readonly relays: readonly [RelayId] | readonly [RelayId, RelayId];
  readonly rttMs: number;
  /** The least certain of its parts. */
  readonly source: EstimateSource;
  readonly reason: string;
}

/** So many relays are measured by both sides of a new pair: the likeliest, and those that might be the best. */
const PAIR_LIKELY = 4;
const PAIR_HOPEFUL = 3;
/** A relay hands over to the next one in this time, there and back. */
const HOP_MS = 0.3;
/** An uncertain leg counts as this share of its range longer: among many guesses the least is a lucky one. */
const DOUBT = 0.25;

/**
 * @param a what is known of the first agent's relays, by `rankFor`; `b` the same for the second
 * @param homes the only trunk that there is, is between these
 * @returns undefined when there is no relay that both can use
 */
export function choosePairPath(
  a: readonly Ranked[],
  b: readonly Ranked[],
  rtts: RelayRtts,
  homes: Homes,
): PairPath | undefined {
  return pairPaths(a, b, rtts, homes)[0];
}

/** The same with all that may compete: first the one to choose, then single relays that are worth measuring as well. */
export function pairPaths(
  a: readonly Ranked[],
  b: readonly Ranked[],
  rtts: RelayRtts,
  homes: Homes,
): PairPath[] {
  const [legsA, legsB] = [legsOf(a), legsOf(b)];
  const sums = [...singles(legsA, legsB)];
  const trunk = trunkOf(legsA, legsB, rtts, homes);
  if (trunk !== undefined) sums.push(trunk);
  sums.sort((x, y) => x.doubtfulMs - y.doubtfulMs);
  const [best, ...others] = sums;
  if (best === undefined) return [];
  const rivals = others.filter((other) => leastOf(other) < best.doubtfulMs).slice(0, RIVALS_MAX);
  return [best, ...rivals].map(pathOf);
}

/** Where the two are at home; undefined while that is nowhere. */
export type Homes = readonly [RelayId | undefined, RelayId | undefined];

/** So many others may turn out to be better than the chosen one when both measure the whole way. */
const RIVALS_MAX = 2;

function trunkOf(
  legsA: ReadonlyMap<RelayId, Leg>,
  legsB: ReadonlyMap<RelayId, Leg>,
  rtts: RelayRtts,
  [homeA, homeB]: Homes,
): Sum | undefined {
  const first = homeA === undefined ? undefined : legsA.get(homeA);
  const second = homeB === undefined ? undefined : legsB.get(homeB);
  if (first === undefined || second === undefined || homeA === homeB) return undefined;
  const between = rtts.between(first.ranked.relay, second.ranked.relay);
  return between === undefined ? undefined : sum([first, second], between);
}

/**
 * Relays that both should measure before the choice: each agent knows those around itself, and the best one for a pair
 * may lie where one of them never looked. The most promising first; those that both have measured are left out.
 */
export function relaysForPair(a: readonly Ranked[], b: readonly Ranked[]): RelayId[] {
  const sums = [...singles(legsOf(a), legsOf(b))];
  const likely = sums.toSorted((x, y) => x.doubtfulMs - y.doubtfulMs).slice(0, PAIR_LIKELY);
  const hopeful = sums.toSorted((x, y) => leastOf(x) - leastOf(y)).slice(0, PAIR_HOPEFUL);
  return [...new Set([...likely, ...hopeful])]
    .filter(({ legs }) => legs.some(({ estimate }) => estimate.source !== "measured"))
    .map(({ legs }) => legs[0].ranked.relay.id);
}

function leastOf({ legs, between }: Sum): number {
  return legs[0].estimate.lowMs + legs[1].estimate.lowMs + (between?.lowMs ?? 0);
}

function* singles(legsA: ReadonlyMap<RelayId, Leg>, legsB: ReadonlyMap<RelayId, Leg>): Generator<Sum> {
  for (const [id, first] of legsA) {
    const second = legsB.get(id);
    if (second !== undefined) yield sum([first, second], undefined);
  }
}

interface Leg {
  readonly ranked: Ranked;
  readonly estimate: Estimate;
  readonly doubtfulMs: number;
}

interface Sum {
  readonly legs: readonly [Leg, Leg];
  readonly between: Estimate | undefined;
  readonly doubtfulMs: number;
}

function doubtful({ ms, lowMs, highMs, source }: Estimate): number {
  switch (source) {
    case "measured":
      return ms;
    case "predicted":
      return ms + DOUBT * (highMs - lowMs);
    case "mapped":
      // Cables take detours that no map knows: worth it only if it is even at its worst.
      return highMs;
  }
}

function legsOf(ranking: readonly Ranked[]): Map<RelayId, Leg> {
  const legs = new Map<RelayId, Leg>();
  for (const ranked of ranking) {
    const { relay, estimate, costMs } = ranked;
    if (estimate === undefined || costMs >= CLASS_MS.draining) continue;
    // Half of what stands against a relay: the other half comes with the other agent.
    const doubtfulMs = doubtful(estimate) + (ranked.penaltyMs - ranked.crowdMs) / 2;
    legs.set(relay.id, { ranked, estimate, doubtfulMs });
  }
  return legs;
}

function sum(legs: readonly [Leg, Leg], between: Estimate | undefined): Sum {
  const betweenMs = between === undefined ? 0 : doubtful(between) + HOP_MS;
  return { legs, between, doubtfulMs: legs[0].doubtfulMs + legs[1].doubtfulMs + betweenMs };
}

function pathOf({ legs, between }: Sum): PairPath {
  const [first, second] = legs;
  const parts = [first.estimate, ...(between === undefined ? [] : [between]), second.estimate];
  const rttMs = parts.reduce((total, { ms }) => total + ms, between === undefined ? 0 : HOP_MS);
  const sources = parts.map(({ source }) => source);
  const source = CERTAINTY.find((one) => sources.includes(one)) ?? "measured";
  const [a, b] = [first.ranked.relay, second.ranked.relay];
  const by = between === undefined ? `by ${a.region}` : `by the trunk from ${a.region} to ${b.region}`;
  const sumText = parts.map(({ ms, source: from }) => `${ms.toFixed(1)} ms ${from}`).join(" + ");
  return {
    relays: between === undefined ? [a.id] : [a.id, b.id],
    rttMs,
    source,
    reason: `${by}: ${sumText} = ${rttMs.toFixed(1)} ms`,
  };
}

/** Least certain first. */
const CERTAINTY = ["mapped", "predicted", "measured"] as const satisfies readonly EstimateSource[];
