/**
 * Relays in the order of the round trip one would expect to them, from the map alone: first contact, before
 * anything is measured. Every number in the sum is a term with its reason, so that a person can check it.
 */
import type { Place, RankedRelay, RelayId, RelayState } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "./geo.ts";

/** Real paths against the great circle at 1 ms per 100 km both ways: median 2.02, 5 % 1.44, 95 % 4.76. */
export const FIBRE_MS_PER_100_KM = 2;
/** Last mile and the first routers on both sides. The same for all relays: it makes the sum honest. */
export const ACCESS_MS = 4;

export interface RankableRelay {
  readonly id: RelayId;
  readonly region: string;
  readonly at?: Place | undefined;
  readonly state: RelayState;
}

export interface Term {
  readonly name: "fibre" | "access";
  readonly ms: number;
  readonly reason: string;
}

export interface Ranked {
  readonly relay: RankableRelay;
  readonly distanceKm?: number | undefined;
  readonly expectedRttMs?: number | undefined;
  readonly terms: readonly Term[];
  readonly reason: string;
}

/** Healthy relays before draining ones before dead ones; then by expected RTT; those without a place last. */
export function rankRelays(
  origin: GeoLocation | undefined,
  relays: readonly RankableRelay[],
): readonly Ranked[] {
  return relays
    .map((relay) => rank(origin, relay))
    .sort(
      (a, b) =>
        STATE_ORDER[a.relay.state] - STATE_ORDER[b.relay.state] ||
        (a.expectedRttMs ?? Number.MAX_VALUE) - (b.expectedRttMs ?? Number.MAX_VALUE) ||
        (a.relay.id < b.relay.id ? -1 : 1),
    );
}

/** What agents get of it: relays that are down are no use to them. */
export function rankingForAgents(ranked: readonly Ranked[]): RankedRelay[] {
  return ranked
    .filter(({ relay }) => relay.state !== "down")
    .map(({ relay, expectedRttMs, reason }) =>
      expectedRttMs === undefined ? { relay: relay.id, reason } : { relay: relay.id, expectedRttMs, reason },
    );
}

const STATE_ORDER = { healthy: 0, draining: 1, down: 2 } as const satisfies Record<RelayState, number>;

function rank(origin: GeoLocation | undefined, relay: RankableRelay): Ranked {
  const aside = relay.state === "healthy" ? "" : `; ${relay.state}, so after all healthy relays`;
  if (origin === undefined || relay.at === undefined) {
    const missing = origin === undefined ? "this address" : "the relay";
    return { relay, terms: [], reason: `${relay.region}: nobody knows where ${missing} is${aside}` };
  }
  const km = distanceKm(origin.at, relay.at);
  const fibreMs = round((km / 100) * FIBRE_MS_PER_100_KM);
  const expectedRttMs = round(fibreMs + ACCESS_MS);
  const terms: Term[] = [
    { name: "fibre", ms: fibreMs, reason: `${Math.round(km)} km at ${FIBRE_MS_PER_100_KM} ms per 100 km` },
    { name: "access", ms: ACCESS_MS, reason: "last mile and first routers" },
  ];
  const vague = origin.precision === "country" ? " (only the country is known)" : "";
  const sum = terms.map((term) => `${term.ms} ms (${term.reason})`).join(" + ");
  return {
    relay,
    distanceKm: Math.round(km),
    expectedRttMs,
    terms,
    reason: `${relay.region} from ${origin.label}${vague}: ${sum} = ${expectedRttMs} ms${aside}`,
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
