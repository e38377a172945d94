/**
 * What measurements make of the map. A measured relay is as far as it was measured. Of the others, each measured one
 * says something by the triangle: whoever is 5 ms from Frankfurt is about as far from Mumbai as Frankfurt is. And
 * where measurements and map cannot both be true, the map is wrong.
 */
import type { RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "../geo.ts";
import { type Estimate, mappedEstimate, uncertaintyKm } from "./estimate.ts";
import type { PlacedRelay, RelayRtts } from "./relay-rtts.ts";

/** By relay, in ms. */
export type Measured = ReadonlyMap<RelayId, number>;

/** Nothing is faster than light in fibre along the great circle: 1 ms per 100 km, both ways. */
const LIGHT_MS_PER_100_KM = 1;
/** 2 to 5 % of triangles are violated, and everything is noisy: a lower bound by the triangle gets this much slack. */
const TRIANGLE_SLACK = 0.75;
const TRIANGLE_SLACK_ABOVE = 1.1;
/**
 * Where between the triangles' bounds the truth lies, on average over tests/data/latency: nearer to the detour by the
 * measured relay. That is twice as good a guess there as the map's (mean error 14 to 16 ms against 23 to 28).
 */
const BETWEEN_BOUNDS = 0.8;

/**
 * Whether the measurements rule out that the agent is where the map says: something answered faster than light
 * allows, or the relays that should be nearest are beyond all that the map leaves room for.
 */
export function contradictsMap(
  origin: GeoLocation,
  relays: Iterable<PlacedRelay>,
  measured: Measured,
): boolean {
  const radiusKm = uncertaintyKm(origin);
  let nearest: Estimate | undefined;
  let nearestRttMs = 0;
  for (const relay of relays) {
    const rttMs = measured.get(relay.id);
    if (rttMs === undefined || relay.at === undefined) continue;
    const km = distanceKm(origin.at, relay.at);
    if (rttMs < ((km - radiusKm) / 100) * LIGHT_MS_PER_100_KM) return true;
    const mapped = mappedEstimate(km, radiusKm);
    if (nearest === undefined || mapped.ms < nearest.ms) [nearest, nearestRttMs] = [mapped, rttMs];
  }
  return nearest !== undefined && nearestRttMs > nearest.highMs;
}

/** The relay's distance by the triangles over all measured ones; by the map where they say nothing. */
export function predicted(
  relay: PlacedRelay,
  mapped: Estimate | undefined,
  anchors: readonly Anchor[],
): Estimate | undefined {
  let leastMs = 0;
  let mostMs = Number.POSITIVE_INFINITY;
  let slackLowMs = 0;
  let via: RelayId | undefined;
  for (const { id, rttMs, to } of anchors) {
    const between = to(relay);
    if (between === undefined) continue;
    leastMs = Math.max(leastMs, between.ms - rttMs, rttMs - between.ms);
    slackLowMs = Math.max(slackLowMs, between.lowMs - rttMs, rttMs - between.highMs);
    const detourMs = rttMs + between.ms;
    if (detourMs < mostMs) [mostMs, via] = [detourMs, id];
  }
  if (via === undefined) return mapped;
  leastMs = Math.min(leastMs, mostMs);
  return {
    ms: leastMs + BETWEEN_BOUNDS * (mostMs - leastMs),
    lowMs: TRIANGLE_SLACK * Math.min(slackLowMs, mostMs),
    highMs: TRIANGLE_SLACK_ABOVE * mostMs,
    source: "predicted",
    via,
  };
}

/** A relay that the agent has measured. */
export interface Anchor {
  readonly id: RelayId;
  readonly rttMs: number;
  /** How far others are from it. */
  readonly to: (relay: PlacedRelay) => Estimate | undefined;
}

export function anchorOf(relay: PlacedRelay, rttMs: number, rtts: RelayRtts): Anchor {
  return { id: relay.id, rttMs, to: rtts.from(relay) };
}
