/** Pairs: what the coordinator's choice of relay or trunk costs over the best there is, and what others' costs. */
import { rankFor, rankRelays } from "../../../coordinator/src/core/ranking.ts";
import {
  choosePairPath,
  type PairPath,
  relaysForPair,
} from "../../../coordinator/src/core/selection/pairs.ts";
import type { Populated } from "./homes.ts";
import { below, type Random, randomFrom } from "./random.ts";
import { round, type Summary, summarize } from "./statistics.ts";
import { MINUTE_MS, measure, type Resident } from "./world.ts";

export interface PairsJudged {
  readonly pairs: number;
  /** Over the best single relay or trunk there is. */
  readonly excessMs: Readonly<Record<string, Summary>>;
  /** How often the best, and the chosen one, is a trunk. */
  readonly trunkBest: number;
  readonly trunkChosen: number;
  /** How often a part of the chosen one was predicted. */
  readonly predictedShare: number;
  /** Predicted against true round trips: median and 95 % of the error. */
  readonly predictionErrorMs: Summary;
}

/** A relay hands over to the next one in this time, there and back; as the coordinator reckons. */
const HOP_MS = 0.3;

export function judgePairs(
  populated: readonly Populated[],
  minutes: readonly number[],
  perWorld: number,
  seed: number,
): PairsJudged {
  const random = randomFrom(seed, 5);
  const excess: Record<string, number[]> = {
    burrow: [],
    "burrow, before measuring": [],
    "home of the receiver": [],
    "trunk of homes": [],
    random: [],
  };
  const errors: number[] = [];
  let [pairs, trunkBest, trunkChosen, predictedCount] = [0, 0, 0, 0];
  for (const place of populated) {
    for (const minute of minutes) {
      for (let i = 0; i < perWorld; i++) {
        const judged = judgePair(place, minute, random, errors);
        if (judged === undefined) continue;
        pairs++;
        for (const [rule, ms] of Object.entries(judged.costs)) excess[rule]?.push(ms - judged.bestMs);
        if (judged.trunkBest) trunkBest++;
        if (judged.trunkChosen) trunkChosen++;
        if (judged.predicted) predictedCount++;
      }
    }
  }
  const share = (count: number) => round(count / Math.max(1, pairs), 3);
  return {
    pairs,
    excessMs: Object.fromEntries(Object.entries(excess).map(([rule, ms]) => [rule, summarize(ms)])),
    trunkBest: share(trunkBest),
    trunkChosen: share(trunkChosen),
    predictedShare: share(predictedCount),
    predictionErrorMs: summarize(errors),
  };
}

function judgePair({ world, fleet, residents }: Populated, minute: number, random: Random, errors: number[]) {
  const one = residents[below(random, residents.length)];
  const two = residents[below(random, residents.length)];
  if (one === undefined || two === undefined || one === two) return undefined;
  const living = world.relays.map((_, i) => i).filter((i) => world.alive[i]?.[minute] !== 0);
  const homeOne = one.outcome.homeByMinute[minute] ?? -1;
  const homeTwo = two.outcome.homeByMinute[minute] ?? -1;
  if (!living.includes(homeOne) || !living.includes(homeTwo)) return undefined;
  const legMs = (resident: Resident, relay: number) =>
    resident.trueMs[relay]?.[minute] ?? Number.POSITIVE_INFINITY;
  const cost = (first: number, second: number): number => {
    const between = world.matrix.rttMs[world.relays[first] ?? -1]?.[world.relays[second] ?? -1] ?? 0;
    const trunkMs = first === second ? 0 : between + HOP_MS;
    return legMs(one.resident, first) + trunkMs + legMs(two.resident, second);
  };
  let bestMs = Number.POSITIVE_INFINITY;
  let trunkBest = false;
  for (const first of living) {
    for (const second of living) {
      const ms = cost(first, second);
      if (ms < bestMs) [bestMs, trunkBest] = [ms, first !== second];
    }
  }
  const relays = fleet.relays.map((relay, i) =>
    living.includes(i) ? relay : { ...relay, state: "down" as const },
  );
  const view = ({ resident, outcome }: typeof one, more: readonly string[]) => {
    const measured = new Map(outcome.knowledge.get(minute));
    for (const [index, { id }] of relays.entries()) {
      if (!more.includes(id) || measured.has(id)) continue;
      const ms = leastOfThree(resident, index, minute, random);
      if (ms !== undefined) measured.set(id, ms);
    }
    return rankFor({}, rankRelays(resident.origin, relays), measured, fleet.rtts);
  };
  const first = view(one, []);
  const second = view(two, []);
  for (const { relay, estimate } of first) {
    const trueMs = legMs(one.resident, relays.indexOf(relay));
    if (estimate?.source === "predicted") errors.push(Math.abs(estimate.ms - trueMs));
  }
  const homes = [relays[homeOne]?.id, relays[homeTwo]?.id] as const;
  const unmeasured = choosePairPath(first, second, fleet.rtts, homes);
  // Both are given tickets for these when they are introduced, and measure them.
  const more = relaysForPair(first, second);
  const path = choosePairPath(view(one, more), view(two, more), fleet.rtts, homes);
  if (path === undefined || unmeasured === undefined) return undefined;
  const index = (id: string | undefined) => relays.findIndex((relay) => relay.id === id);
  const costOf = ({ relays: [a, b = a] }: PairPath) => cost(index(a), index(b));
  const any = living[below(random, living.length)] ?? -1;
  return {
    bestMs,
    trunkBest,
    trunkChosen: path.relays.length === 2,
    predicted: path.source !== "measured",
    costs: {
      burrow: costOf(path),
      "burrow, before measuring": costOf(unmeasured),
      "home of the receiver": cost(homeTwo, homeTwo),
      "trunk of homes": cost(homeOne, homeTwo),
      random: cost(any, any),
    },
  };
}

function leastOfThree(resident: Resident, relay: number, minute: number, random: Random): number | undefined {
  const samples = [0, 1, 2].map(() => measure(resident, relay, minute * MINUTE_MS, random));
  const answered = samples.filter((ms) => ms !== undefined);
  return answered.length === 0 ? undefined : Math.min(...answered);
}
