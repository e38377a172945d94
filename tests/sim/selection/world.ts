/**
 * The world that agents measure: round trips from a matrix, and on top of it last miles, jitter, loss, the day's
 * rhythm, route changes and deaths of relays; and what a GeoIP database believes. Everything from a seed.
 */
import type { GeoLocation } from "../../../coordinator/src/core/geo.ts";
import type { Matrix } from "./matrix.ts";
import { below, exponential, normal, type Random, randomFrom } from "./random.ts";

export const MINUTE_MS = 60_000;
export const DAY_MINUTES = 1440;

export interface Noise {
  readonly name: string;
  readonly lastMile: boolean;
  /** Each agent's provider is nearer to some relays than to others: standard deviation of ln. */
  readonly providerSpread: number;
  /** At the worst hour a path is this much longer. */
  readonly diurnalShare: number;
  readonly diurnalMs: number;
  /** Per agent, relay and day; extra ms (median), and hours it lasts (mean). */
  readonly routeChanges: { readonly perDay: number; readonly extraMs: number; readonly hours: number };
  /** Per relay and day; minutes it lasts (mean). */
  readonly deaths: { readonly perDay: number; readonly minutes: number };
  /** The rest is right to within 0 to 1000 km, evenly. */
  readonly geoip: {
    readonly errorKm: number;
    readonly missing: number;
    readonly country: number;
    readonly wrongContinent: number;
  };
}

export const QUIET: Noise = {
  name: "as it is",
  lastMile: false,
  providerSpread: 0,
  diurnalShare: 0,
  diurnalMs: 0,
  routeChanges: { perDay: 0, extraMs: 0, hours: 0 },
  deaths: { perDay: 0, minutes: 0 },
  geoip: { errorKm: 0, missing: 0, country: 0, wrongContinent: 0 },
};

export const NOISY: Noise = {
  name: "with noise",
  lastMile: true,
  providerSpread: 0.05,
  diurnalShare: 0.05,
  diurnalMs: 2,
  routeChanges: { perDay: 0.5, extraMs: 15, hours: 2 },
  deaths: { perDay: 0.25, minutes: 20 },
  geoip: { errorKm: 1000, missing: 0.1, country: 0.1, wrongContinent: 0.02 },
};

interface LastMile {
  readonly share: number;
  readonly ms: number;
  readonly jitterMs: number;
  readonly loss: number;
  /** Chance that a packet meets a full buffer, and what it waits there (mean). */
  readonly spikes: number;
  readonly spikeMs: number;
}

/** Fibre, cable, Wi-Fi behind either, mobile, satellite. */
const LAST_MILES: readonly LastMile[] = [
  { share: 0.35, ms: 2, jitterMs: 0.3, loss: 0.001, spikes: 0.001, spikeMs: 20 },
  { share: 0.25, ms: 9, jitterMs: 2, loss: 0.003, spikes: 0.02, spikeMs: 40 },
  { share: 0.2, ms: 6, jitterMs: 4, loss: 0.01, spikes: 0.03, spikeMs: 40 },
  { share: 0.17, ms: 35, jitterMs: 10, loss: 0.02, spikes: 0.03, spikeMs: 80 },
  { share: 0.03, ms: 40, jitterMs: 8, loss: 0.02, spikes: 0.02, spikeMs: 60 },
];
const NO_LAST_MILE: LastMile = { share: 0, ms: 0, jitterMs: 0, loss: 0, spikes: 0, spikeMs: 0 };

export interface World {
  readonly matrix: Matrix;
  readonly noise: Noise;
  /** Sites that have a relay. */
  readonly relays: readonly number[];
  readonly minutes: number;
  /** [relay][minute] */
  readonly alive: readonly Uint8Array[];
}

export interface Resident {
  readonly world: World;
  readonly site: number;
  readonly origin: GeoLocation | undefined;
  /** Without jitter, last mile included: [relay][minute]. */
  readonly trueMs: readonly Float32Array[];
  readonly lastMile: LastMile;
  readonly random: Random;
}

export function makeWorld(
  matrix: Matrix,
  noise: Noise,
  relays: readonly number[],
  minutes: number,
  random: Random,
): World {
  const alive = relays.map(() => {
    const row = new Uint8Array(minutes).fill(1);
    // The first ten minutes are quiet, so that arrivals are judged by themselves.
    for (const { from, to } of events(random, noise.deaths.perDay, noise.deaths.minutes, minutes)) {
      row.fill(0, Math.max(10, from), Math.max(10, to));
    }
    return row;
  });
  return { matrix, noise, relays, minutes, alive };
}

export function makeResident(world: World, site: number, seed: readonly number[]): Resident {
  const random = randomFrom(...seed);
  const { noise, minutes, matrix } = world;
  const lastMile = noise.lastMile ? pick(random) : NO_LAST_MILE;
  const trueMs = world.relays.map((relaySite) => {
    const base = (matrix.rttMs[site]?.[relaySite] ?? 0) * Math.exp(noise.providerSpread * normal(random));
    const swing = random.next() * (noise.diurnalMs + noise.diurnalShare * base);
    // Busiest in the evening at one of the ends.
    const phase = ((matrix.sites[random.next() < 0.5 ? site : relaySite]?.at.lon ?? 0) / 360) * DAY_MINUTES;
    const row = new Float32Array(minutes);
    for (let minute = 0; minute < minutes; minute++) {
      const angle = (2 * Math.PI * (minute + phase)) / DAY_MINUTES;
      row[minute] = base + lastMile.ms + (swing * (1 + Math.sin(angle))) / 2;
    }
    const { perDay, extraMs, hours } = noise.routeChanges;
    for (const { from, to } of events(random, perDay, hours * 60, minutes)) {
      const extra = extraMs * Math.exp(0.8 * normal(random));
      for (let minute = from; minute < to; minute++) row[minute] = (row[minute] ?? 0) + extra;
    }
    return row;
  });
  return { world, site, origin: locate(world, site, random), trueMs, lastMile, random };
}

/** One packet there and back. Undefined when it was lost. */
export function measure(resident: Resident, relay: number, atMs: number, random: Random): number | undefined {
  const { lastMile, world, trueMs } = resident;
  const minute = Math.min(world.minutes - 1, Math.floor(atMs / MINUTE_MS));
  if (world.alive[relay]?.[minute] === 0 || random.next() < lastMile.loss) return undefined;
  let ms = trueMs[relay]?.[minute] ?? 0;
  if (lastMile.jitterMs > 0) ms += exponential(random, lastMile.jitterMs);
  if (random.next() < lastMile.spikes) ms += exponential(random, lastMile.spikeMs);
  return ms;
}

/** The least true round trip to a living relay in this minute, and whose it is. */
export function bestAt(resident: Resident, minute: number): { readonly relay: number; readonly ms: number } {
  let best = { relay: -1, ms: Number.POSITIVE_INFINITY };
  for (const [relay, row] of resident.trueMs.entries()) {
    const ms = row[minute] ?? Number.POSITIVE_INFINITY;
    if (resident.world.alive[relay]?.[minute] !== 0 && ms < best.ms) best = { relay, ms };
  }
  return best;
}

function pick(random: Random): LastMile {
  let roll = random.next();
  for (const lastMile of LAST_MILES) {
    roll -= lastMile.share;
    if (roll < 0) return lastMile;
  }
  return NO_LAST_MILE;
}

function events(random: Random, perDay: number, meanMinutes: number, minutes: number) {
  const found: { from: number; to: number }[] = [];
  if (perDay <= 0) return found;
  let at = exponential(random, DAY_MINUTES / perDay) - meanMinutes;
  while (at < minutes) {
    const to = at + exponential(random, meanMinutes);
    found.push({ from: Math.max(0, Math.floor(at)), to: Math.min(minutes, Math.ceil(to)) });
    at = to + exponential(random, DAY_MINUTES / perDay);
  }
  return found;
}

function locate({ matrix, noise }: World, site: number, random: Random): GeoLocation | undefined {
  const { geoip } = noise;
  const roll = random.next();
  const distanceKm = random.next() * geoip.errorKm;
  const bearing = random.next() * 2 * Math.PI;
  const elsewhere = below(random, matrix.sites.length);
  const at = matrix.sites[site]?.at ?? { lat: 0, lon: 0 };
  const label = matrix.sites[site]?.name ?? "?";
  if (roll < geoip.missing) return undefined;
  if (roll < geoip.missing + geoip.country)
    return { at: moved(at, 800, bearing), precision: "country", label };
  if (roll < geoip.missing + geoip.country + geoip.wrongContinent) {
    return { at: matrix.sites[elsewhere]?.at ?? at, precision: "city", label: "elsewhere" };
  }
  return { at: moved(at, distanceKm, bearing), precision: "city", label };
}

/** A place `km` away along a great circle. */
export function moved(at: { lat: number; lon: number }, km: number, bearing: number) {
  const radians = Math.PI / 180;
  const angle = km / 6371;
  const lat = Math.asin(
    Math.sin(at.lat * radians) * Math.cos(angle) +
      Math.cos(at.lat * radians) * Math.sin(angle) * Math.cos(bearing),
  );
  const east = Math.sin(bearing) * Math.sin(angle) * Math.cos(at.lat * radians);
  const north = Math.cos(angle) - Math.sin(at.lat * radians) * Math.sin(lat);
  const lon = at.lon + Math.atan2(east, north) / radians;
  return { lat: lat / radians, lon: ((lon + 540) % 360) - 180 };
}
