/**
 * Which relays an agent should try, given their ranking. So far by the map alone; measured round trips, load,
 * pairs and hysteresis will be weighed here too.
 */
import type { RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "./geo.ts";
import type { Ranked } from "./ranking.ts";

/** The map's nearest is the truly nearest for 61 to 78 % of cities; among the nearest 3 to 4 it nearly always is. */
export const NEAREST_RELAYS = 4;
/** How many are tried when nobody knows where the agent is, or only in which country. */
export const WIDE_RELAYS_MAX = 8;

/** Whether the map can be trusted so little that regions all over the world should be probed. */
export function probesWidely(origin: GeoLocation | undefined): boolean {
  return origin === undefined || origin.precision === "country";
}

/**
 * The relays to hand out tickets for: the nearest healthy ones and one further off from another region, in case
 * the map is wrong; or relays spread over the world where the map knows too little.
 */
export function selectRelays(origin: GeoLocation | undefined, ranking: readonly Ranked[]): RelayId[] {
  const healthy = ranking.filter(({ relay }) => relay.state === "healthy");
  const usable = healthy.length > 0 ? healthy : ranking.filter(({ relay }) => relay.state === "draining");
  const chosen = usable.slice(0, origin === undefined ? 1 : NEAREST_RELAYS);
  if (probesWidely(origin)) spread(chosen, usable, WIDE_RELAYS_MAX);
  else addOneFromElsewhere(chosen, usable);
  return chosen.map(({ relay }) => relay.id);
}

function addOneFromElsewhere(chosen: Ranked[], usable: readonly Ranked[]): void {
  const regions = new Set(chosen.map(({ relay }) => relay.region));
  const others = usable.slice(chosen.length);
  const elsewhere = others.find(({ relay }) => !regions.has(relay.region)) ?? others[0];
  if (elsewhere !== undefined) chosen.push(elsewhere);
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
