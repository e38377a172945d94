/**
 * How far a relay is from somebody, as an estimate that says how it came to be and how wrong it may be. Here: the
 * prior, from the map alone, and the relay-to-relay round trips that both sides of a prediction lean on.
 */
import type { Place, RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "../geo.ts";

/** Measured beats predicted beats mapped. */
export type EstimateSource = "measured" | "predicted" | "mapped";

export interface Estimate {
  readonly ms: number;
  /** 90 % of the truth lies in between. */
  readonly lowMs: number;
  readonly highMs: number;
  readonly source: EstimateSource;
  /** What it rests on, if that is another relay. */
  readonly via?: RelayId | undefined;
}

/** Real paths against the great circle at 1 ms per 100 km both ways: median 2.02, 5 % 1.44, 95 % 4.76. */
export const FIBRE_MS_PER_100_KM = 2;
const FIBRE_LOW_MS_PER_100_KM = 1.44;
const FIBRE_HIGH_MS_PER_100_KM = 4.76;
/** Last mile and the first routers on both sides. The same for all relays: it makes the sum honest. */
export const ACCESS_MS = 4;
/** Mobile and satellite links add this much before the first router. */
const ACCESS_HIGH_MS = 60;
/** What databases call city level is often off by this much, whatever radius they state. */
const CITY_RADIUS_KM = 50;
/** A country's middle says little about where in it somebody is. */
const COUNTRY_RADIUS_KM = 1500;

/** How far off the map may be for this origin. */
export function uncertaintyKm(origin: GeoLocation): number {
  const least = origin.precision === "country" ? COUNTRY_RADIUS_KM : CITY_RADIUS_KM;
  return Math.max(least, origin.radiusKm ?? 0);
}

/** The round trip that a great circle lets one expect, give or take `radiusKm` on the map. */
export function mappedEstimate(km: number, radiusKm: number): Estimate {
  return {
    ms: (km / 100) * FIBRE_MS_PER_100_KM + ACCESS_MS,
    lowMs: (Math.max(0, km - radiusKm) / 100) * FIBRE_LOW_MS_PER_100_KM,
    highMs: ((km + radiusKm) / 100) * FIBRE_HIGH_MS_PER_100_KM + ACCESS_HIGH_MS,
    source: "mapped",
  };
}

/** Relays stand in data centres: no last mile, and places that are known. */
export function mappedBetweenRelays(a: Place, b: Place): Estimate {
  const km = distanceKm(a, b);
  return {
    ms: (km / 100) * FIBRE_MS_PER_100_KM + 0.5,
    lowMs: (km / 100) * FIBRE_LOW_MS_PER_100_KM,
    highMs: (km / 100) * FIBRE_HIGH_MS_PER_100_KM + 2,
    source: "mapped",
  };
}

/** Measurements between relays vary by about this share from hour to hour. */
const MEASURED_SPREAD = 0.05;

export function measuredEstimate(ms: number): Estimate {
  return {
    ms,
    lowMs: ms * (1 - MEASURED_SPREAD),
    highMs: ms * (1 + MEASURED_SPREAD) + 1,
    source: "measured",
  };
}

/**
 * One round trip as both its ends measured it. The longer word counts: no relay draws traffic by telling too little. And
 * none hides others by telling too much, since the truth may be as short as the shorter word.
 */
export function measuredByBoth(ms: number, otherMs: number): Estimate {
  const longer = measuredEstimate(Math.max(ms, otherMs));
  return { ...longer, lowMs: measuredEstimate(Math.min(ms, otherMs)).lowMs };
}

/** An agent this near to a relay measures the others from there, give or take as much. */
export const BESIDE_MS = 3;

/** Between two relays, as an agent beside the one measured the other. */
export function besideEstimate(ms: number): Estimate {
  const { lowMs, highMs } = measuredEstimate(ms);
  return { ms, lowMs: Math.max(0, lowMs - BESIDE_MS), highMs: highMs + BESIDE_MS, source: "predicted" };
}
