/**
 * Which relays an agent is given tickets for: the nearest few and one further off at first; then, by what it measured,
 * those that may yet turn out to be nearer. The parts are in selection/, each with its own reasons.
 */
import type { RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "./geo.ts";
import type { Ranked } from "./ranking.ts";
import { CLASS_MS } from "./selection/cost.ts";

export { choosePairPath, type PairPath, pairPaths, relaysForPair } from "./selection/pairs.ts";
export { type PlacedRelay, RelayRtts } from "./selection/relay-rtts.ts";
export { chooseStandby, Reservations } from "./selection/standby.ts";

/** The map's nearest is the truly nearest for 61 to 78 % of cities; among the nearest 3 to 4 it nearly always is. */
export const NEAREST_RELAYS = 4;
/** How many are tried when nobody knows where the agent is, or only in which country. */
export const WIDE_RELAYS_MAX = 8;
/** Further relays that are probed at a time, because they may be nearer than the nearest measured one … */
const MORE_RELAYS = 3;
/** … and how many an agent measures at most. */
export const MEASURED_MAX = 14;
/** Not worth a probe: less to be gained than this, … */
const GAIN_LEAST_MS = 1;
/** … or a chance of gaining anything, as a part of the range in which the truth may lie, of less than this. */
const CHANCE_LEAST = 0.1;

/** Whether the map can be trusted so little that regions all over the world should be probed. */
export function probesWidely(origin: GeoLocation | undefined): boolean {
  return origin === undefined || origin.precision === "country";
}

/**
 * The relays to hand out tickets for at first: the nearest healthy ones, each at another place, and one further off
 * in case the map is wrong; or relays spread over the world where the map knows too little.
 */
export function selectRelays(origin: GeoLocation | undefined, ranking: readonly Ranked[]): RelayId[] {
  const healthy = ranking.filter(({ costMs }) => costMs < CLASS_MS.draining);
  const usable = healthy.length > 0 ? healthy : ranking.filter(({ costMs }) => costMs < CLASS_MS.down);
  const perPlace = firstOfEachPlace(usable);
  const chosen = perPlace.slice(0, origin === undefined ? 1 : NEAREST_RELAYS);
  if (probesWidely(origin)) spread(chosen, perPlace, WIDE_RELAYS_MAX);
  else addOneFromElsewhere(chosen, perPlace);
  const wanted = probesWidely(origin) ? WIDE_RELAYS_MAX : NEAREST_RELAYS + 1;
  // Few places, many relays: better two of a place than one relay alone.
  for (const further of usable) {
    if (chosen.length >= wanted) break;
    if (!chosen.includes(further)) chosen.push(further);
  }
  return chosen.map(({ relay }) => relay.id);
}

/**
 * Relays that were not measured yet and may be nearer than the nearest measured one, the likeliest first.
 * @param ranking by `rankFor`, with what the agent measured
 */
export function selectMore(ranking: readonly Ranked[]): RelayId[] {
  const measured = ranking.filter(({ estimate }) => estimate?.source === "measured");
  const best = measured.find(({ costMs }) => costMs < CLASS_MS.full) ?? measured[0];
  if (best?.estimate === undefined) return [];
  const room = Math.min(MORE_RELAYS, MEASURED_MAX - measured.length);
  const bestMs = best.estimate.ms;
  const bestClass = classOf(best);
  const seen = new Set(measured.map(({ facts }) => facts.place));
  const hopeful = ranking.filter(({ facts, estimate, costMs }) => {
    if (estimate === undefined || estimate.source === "measured" || seen.has(facts.place)) return false;
    if (classOf({ costMs }) > bestClass) return false;
    const gainMs = bestMs - estimate.lowMs;
    return gainMs >= GAIN_LEAST_MS && gainMs >= CHANCE_LEAST * (estimate.highMs - estimate.lowMs);
  });
  return firstOfEachPlace(hopeful)
    .slice(0, Math.max(0, room))
    .map(({ relay }) => relay.id);
}

/** 0 for all that nothing but distance and weight stands for or against. */
function classOf({ costMs }: Pick<Ranked, "costMs">): number {
  return Math.max(0, Math.floor(costMs / CLASS_MS.full));
}

function addOneFromElsewhere(chosen: Ranked[], usable: readonly Ranked[]): void {
  const regions = new Set(chosen.map(({ relay }) => relay.region));
  const others = usable.slice(chosen.length);
  const elsewhere = others.find(({ relay }) => !regions.has(relay.region)) ?? others[0];
  if (elsewhere !== undefined) chosen.push(elsewhere);
}

/** One relay per place: its neighbours are as far, and whether they have more room is in the ranking already. */
function firstOfEachPlace(ranking: readonly Ranked[]): Ranked[] {
  const places = new Set<string>();
  return ranking.filter(({ facts }) => {
    const isFirst = !places.has(facts.place);
    places.add(facts.place);
    return isFirst;
  });
}

/** Adds, one by one, the relay farthest from all chosen so far: few points that cover the map. */
function spread(chosen: Ranked[], usable: readonly Ranked[], max: number): void {
  const rest = new Map(usable.slice(chosen.length).map((candidate) => [candidate, Number.POSITIVE_INFINITY]));
  for (let from = 0; chosen.length < max && rest.size > 0; ) {
    let best: Ranked | undefined;
    let bestKm = -1;
    for (const [candidate, knownKm] of rest) {
      let km = knownKm;
      for (const other of chosen.slice(from)) km = Math.min(km, gapKm(candidate, other));
      rest.set(candidate, km);
      if (km > bestKm) [best, bestKm] = [candidate, km];
    }
    from = chosen.length;
    if (best === undefined) return;
    chosen.push(best);
    rest.delete(best);
  }
}

/** Without places, another region still counts as far, and the same as near. */
function gapKm(a: Ranked, b: Ranked): number {
  if (a.relay.at !== undefined && b.relay.at !== undefined) return distanceKm(a.relay.at, b.relay.at);
  return a.relay.region === b.relay.region ? 0 : 1000;
}
