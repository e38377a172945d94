/** Where the demo's hosts stand, and how long light and routers take between two places. */
import { distanceKm } from "@burrow/coordinator";
import type { Place } from "@burrow/protocol";

export interface Site {
  /** Unique in the demo. */
  readonly name: string;
  readonly at: Place;
}

export const FRANKFURT: Site = { name: "frankfurt", at: { lat: 50.11, lon: 8.68 } };
export const VIRGINIA: Site = { name: "virginia", at: { lat: 39.04, lon: -77.49 } };
export const SINGAPORE: Site = { name: "singapore", at: { lat: 1.35, lon: 103.82 } };
export const SYDNEY: Site = { name: "sydney", at: { lat: -33.87, lon: 151.21 } };
export const BERLIN: Site = { name: "berlin", at: { lat: 52.52, lon: 13.4 } };
export const BOSTON: Site = { name: "boston", at: { lat: 42.36, lon: -71.06 } };

/** Light in fibre needs 1 ms for 100 km there and back (two thirds of c). */
const KM_PER_RTT_MS = 100;
/** Cables do not follow great circles and routers take their time: measured round trips are this much longer. */
const DETOUR = 1.6;
/** Even next door a packet passes an access network. */
const LEAST_RTT_MS = 2;

/** The round trip between two places, as the demo emulates it. */
export function emulatedRttMs(a: Place, b: Place): number {
  return Math.max(LEAST_RTT_MS, (distanceKm(a, b) / KM_PER_RTT_MS) * DETOUR);
}
