/**
 * Which relays an agent is given tickets for: the nearest few and one further off at first; then, by what it measured,
 * those that may yet turn out to be nearer. The parts are in selection/, each with its own reasons.
 */
import type { RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "./geo.ts";
import type { Ranked } from "./ranking.ts";
import { CLASS_MS } from "./selection/cost.ts";

export { choosePairPath, type PairPath, relaysForPair } from "./selection/pairs.ts";
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
 * The relays to hand out tickets for at first: the nearest healthy ones, each of another region, and one further off
 * in case the map is wrong; or relays spread over the world where the map knows too little.
 */
export function selectRelays(origin: GeoLocation | undefined, ranking: readonly Ranked[]): RelayId[] {
  const healthy = ranking.filter(({ costMs }) => costMs < CLASS_MS.draining);
  const usable = healthy.length > 0 ? healthy : ranking.filter(({ costMs }) => costMs < CLASS_MS.down);
  const perRegion = firstOfEachRegion(usable);
  const chosen = perRegion.slice(0, origin === undefined ? 1 : NEAREST_RELAYS);
  if (probesWidely(origin)) spread(chosen, perRegion, WIDE_RELAYS_MAX);
  else chosen.push(...perRegion.slice(NEAREST_RELAYS, NEAREST_RELAYS + 1));
  const wanted = probesWidely(origin) ? WIDE_RELAYS_MAX : NEAREST_RELAYS + 1;
  // Few regions, many relays: better two of a region than one relay alone.
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
  const bestClassMs = Math.floor(best.costMs / CLASS_MS.full);
  const seen = new Set(measured.map(({ relay }) => relay.region));
  const hopeful = ranking.filter(({ relay, estimate, costMs }) => {
    if (estimate === undefined || estimate.source === "measured" || seen.has(relay.region)) return false;
    if (Math.floor(costMs / CLASS_MS.full) > bestClassMs) return false;
    const gainMs = bestMs - estimate.lowMs;
    return gainMs >= GAIN_LEAST_MS && gainMs >= CHANCE_LEAST * (estimate.highMs - estimate.lowMs);
  });
  return firstOfEachRegion(hopeful)
    .slice(0, Math.max(0, room))
    .map(({ relay }) => relay.id);
}

function firstOfEachRegion(ranking: readonly Ranked[]): Ranked[] {
  const regions = new Set<string>();
  return ranking.filter(({ relay }) => {
    const isFirst = !regions.has(relay.region);
    regions.add(relay.region);
    return isFirst;
  });
}

/** Adds, one by one, the relay farthest from all chosen so far: few points that cover the map. */
function spread(chosen: Ranked[], usable: readonly Ranked[], max: number): void {
  const rest = new Set(usable.slice(chosen.length));
  while (chosen.length < max && rest.size > 0) {
    let best: Ranked | undefined;
    let bestKm = -1;
    for (const candidate of rest) {
      const km = Math.min(...chosen.map((other) => gapKm(candidate, other)));
      if (km > bestKm) [best, bestKm] = [candidate, km];
    }
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
