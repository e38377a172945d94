/**
 * A million agents and two hundred relays: what a decision costs, how evenly homes fall, and what happens when a whole
 * region dies. Selection by the real modules; round trips are made up from the map, with detours per city and relay.
 */
import type { RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "../../../coordinator/src/core/geo.ts";
import {
  type RankableRelay,
  type Ranked,
  rankFor,
  rankRelays,
} from "../../../coordinator/src/core/ranking.ts";
import { CLASS_MS } from "../../../coordinator/src/core/selection/cost.ts";
import { seedOf, unit } from "../../../coordinator/src/core/selection/hash.ts";
import {
  chooseStandby,
  RelayRtts,
  Reservations,
  selectMore,
  selectRelays,
} from "../../../coordinator/src/core/selection.ts";
import { METROS, type Metro } from "./metros.ts";
import { type Random, randomFrom } from "./random.ts";
import { round } from "./statistics.ts";
import { moved } from "./world.ts";

export interface ScalePlan {
  readonly seed: number;
  readonly agents: number;
  readonly relays: number;
  /** Stated room of all relays together, by the number of agents. */
  readonly headroom: number;
}

/** A city's own map is kept only this far: nobody is served well by the rest of the world. */
const SHORTLIST = 16;
const ORIGIN_GRID_DEGREES = 0.5;
const SCATTER_KM = 250;
const MISSING_GEOIP = 0.02;
/** So often an agent's report may bring tickets for further relays before the home counts as found. */
const FURTHER_ROUNDS = 3;
/** Access of an agent, ms; the same for all its relays. */
const LAST_MILE_MS = 8;

type MutableRelay = { -readonly [Key in keyof RankableRelay]: RankableRelay[Key] } & {
  load: number;
  capacity: number;
};

export interface Fleet {
  readonly relays: readonly MutableRelay[];
  readonly metroOf: readonly Metro[];
  readonly rtts: RelayRtts;
  readonly reservations: Reservations;
  readonly indexOf: ReadonlyMap<RelayId, number>;
}

/** Agents as columns. */
export interface Crowd {
  readonly count: number;
  readonly seeds: Int32Array;
  readonly metros: Uint8Array;
  readonly homes: Int16Array;
  readonly standbys: Int16Array;
  readonly rttMs: Float32Array;
  readonly excessMs: Float32Array;
}

export function makeFleet(plan: ScalePlan): Fleet {
  const random = randomFrom(plan.seed, 1);
  const total = METROS.reduce((sum, { weight }) => sum + weight, 0);
  const metroOf = METROS.flatMap((metro) =>
    Array.from({ length: Math.max(1, Math.round((plan.relays * metro.weight) / total)) }, () => metro),
  );
  while (metroOf.length > plan.relays) metroOf.splice(Math.floor(random.next() * metroOf.length), 1);
  while (metroOf.length < plan.relays)
    metroOf.push(METROS[Math.floor(random.next() * METROS.length)] as Metro);
  const capacity = Math.ceil((plan.agents * plan.headroom) / plan.relays);
  const relays = metroOf.map(({ region, at }, i): MutableRelay => {
    const id = `${(i + 1).toString(16).padStart(4, "0")}5e1ec7ab1e00`.slice(0, 16) as RelayId;
    return { id, region, at, state: "healthy", capacity, load: 0 };
  });
  const rtts = new RelayRtts();
  for (const [i, relay] of relays.entries()) {
    const row = relays.map((other, j) => ({ relay: other.id, rttMs: wayMs(metroOf[i], metroOf[j]) + 0.3 }));
    rtts.report(relay.id, row);
  }
  const indexOf = new Map(relays.map(({ id }, i) => [id, i]));
  return { relays, metroOf, rtts, reservations: new Reservations(), indexOf };
}

const ways = new Map<string, number>();
/** Between two cities: the great circle with a detour of its own, median 2 ms per 100 km (1.44 to 4.76). */
function wayMs(a: Metro | undefined, b: Metro | undefined): number {
  if (a === undefined || b === undefined || a === b) return 0.5;
  const key = a.name < b.name ? `${a.name} ${b.name}` : `${b.name} ${a.name}`;
  let ms = ways.get(key);
  if (ms === undefined) {
    const roll = unit(seedOf(hex(key)), 77);
    const factor = roll < 0.5 ? 1.3 + 1.4 * roll : 2 + 2.76 * ((roll - 0.5) / 0.5) ** 3;
    ms = 0.5 + (distanceKm(a.at, b.at) / 100) * factor;
    ways.set(key, ms);
  }
  return ms;
}

function hex(text: string): string {
  return Bun.hash(text).toString(16).padStart(16, "0");
}

export function makeCrowd(count: number): Crowd {
  return {
    count,
    seeds: new Int32Array(count),
    metros: new Uint8Array(count),
    homes: new Int16Array(count).fill(-1),
    standbys: new Int16Array(count).fill(-1),
    rttMs: new Float32Array(count),
    excessMs: new Float32Array(count),
  };
}

export interface Settled {
  readonly microsecondsPerDecision: number;
  readonly decisions: number;
  readonly shortlists: number;
}

/** All agents arrive, one after another, are given relays, measure them and choose. */
export function settle(plan: ScalePlan, fleet: Fleet, crowd: Crowd): Settled {
  const random = randomFrom(plan.seed, 2);
  const shortlists = new Map<string, readonly Ranked[]>();
  const metroPicker = pickerOf(METROS.map(({ weight }) => weight));
  let spentMs = 0;
  for (let agent = 0; agent < crowd.count; agent++) {
    const metro = metroPicker(random);
    crowd.metros[agent] = metro;
    crowd.seeds[agent] = (random.next() * 2 ** 32) | 0;
    const origin = originOf(METROS[metro] as Metro, random);
    const key = origin === undefined ? "" : `${origin.at.lat} ${origin.at.lon}`;
    let byMap = shortlists.get(key);
    const startedMs = performance.now();
    if (byMap === undefined) {
      const all = rankRelays(origin, fleet.relays);
      byMap = origin === undefined ? all : all.slice(0, SHORTLIST);
      shortlists.set(key, byMap);
    }
    decide(fleet, crowd, agent, origin, byMap);
    spentMs += performance.now() - startedMs;
  }
  return {
    microsecondsPerDecision: round((spentMs * 1000) / crowd.count, 1),
    decisions: crowd.count,
    shortlists: shortlists.size,
  };
}

const NOTHING: ReadonlyMap<RelayId, number> = new Map();

function decide(
  fleet: Fleet,
  crowd: Crowd,
  agent: number,
  origin: GeoLocation | undefined,
  byMap: readonly Ranked[],
): void {
  const asker = { seed: crowd.seeds[agent] ?? 0 };
  const first = rankFor(asker, byMap, NOTHING, fleet.rtts);
  const hasRoom = (first[0]?.costMs ?? 0) < CLASS_MS.full;
  if (!hasRoom && byMap.length < fleet.relays.length) {
    decide(fleet, crowd, agent, origin, rankRelays(origin, fleet.relays));
    return;
  }
  const measured = new Map<RelayId, number>();
  for (const id of selectRelays(origin, first)) {
    measured.set(id, trueMs(fleet, crowd, agent, fleet.indexOf.get(id) ?? -1));
  }
  let ranking = rankFor(asker, byMap, measured, fleet.rtts);
  for (let round = 0; round < FURTHER_ROUNDS; round++) {
    const more = selectMore(ranking);
    if (more.length === 0) break;
    for (const id of more) measured.set(id, trueMs(fleet, crowd, agent, fleet.indexOf.get(id) ?? -1));
    ranking = rankFor(asker, byMap, measured, fleet.rtts);
  }
  // The agent's choice: the least of what it measured and what the coordinator adds.
  const home = ranking.find(({ estimate }) => estimate?.source === "measured");
  if (home === undefined) return;
  const index = fleet.indexOf.get(home.relay.id) ?? -1;
  crowd.homes[agent] = index;
  crowd.rttMs[agent] = measured.get(home.relay.id) ?? 0;
  const relay = fleet.relays[index];
  if (relay !== undefined) relay.load++;
  crowd.excessMs[agent] = (crowd.rttMs[agent] ?? 0) - leastMs(fleet, crowd, agent);
  reserve(fleet, crowd, agent, ranking, home.relay);
}

function reserve(
  fleet: Fleet,
  crowd: Crowd,
  agent: number,
  ranking: readonly Ranked[],
  home: RankableRelay,
): void {
  const standby = chooseStandby(ranking, home, fleet.reservations);
  if (standby === undefined) return;
  const index = fleet.indexOf.get(standby.relay.id) ?? -1;
  fleet.reservations.count(home.region, standby.relay.id, 1);
  crowd.standbys[agent] = index;
}

/**
 * One round of what each agent's next report sets off: a standby that lost its room, died or is now the home, is
 * chosen anew. Returns how many were.
 */
export function rebook(fleet: Fleet, crowd: Crowd): number {
  let changed = 0;
  const rankings = METROS.map((metro) => {
    const origin: GeoLocation = { at: metro.at, precision: "city", label: metro.name };
    return rankRelays(origin, fleet.relays);
  });
  for (let agent = 0; agent < crowd.count; agent++) {
    const home = fleet.relays[crowd.homes[agent] ?? -1];
    const standby = fleet.relays[crowd.standbys[agent] ?? -1];
    if (home === undefined) continue;
    if (standby !== undefined) {
      const isGood = standby.state === "healthy" && standby !== home && standby.region !== home.region;
      if (isGood && !fleet.reservations.isOverbooked(home.region, standby)) continue;
      fleet.reservations.count(home.region, standby.id, -1);
      crowd.standbys[agent] = -1;
    }
    changed++;
    const asker = { seed: crowd.seeds[agent] ?? 0 };
    const ranking = rankFor(asker, rankings[crowd.metros[agent] ?? 0] ?? [], NOTHING, fleet.rtts);
    reserve(fleet, crowd, agent, ranking, home);
  }
  return changed;
}

export function trueMs({ metroOf }: Fleet, crowd: Crowd, agent: number, relay: number): number {
  return wayMs(METROS[crowd.metros[agent] ?? 0], metroOf[relay]) + LAST_MILE_MS;
}

const nearest = new Map<Fleet, Float32Array>();
/** To the nearest relay of all, room or not. */
function leastMs(fleet: Fleet, crowd: Crowd, agent: number): number {
  let row = nearest.get(fleet);
  if (row === undefined) {
    row = Float32Array.from(METROS, (metro) => Math.min(...fleet.metroOf.map((of) => wayMs(metro, of))));
    nearest.set(fleet, row);
  }
  return (row[crowd.metros[agent] ?? 0] ?? 0) + LAST_MILE_MS;
}

function originOf(metro: Metro, random: Random): GeoLocation | undefined {
  const km = SCATTER_KM * random.next() ** 2;
  const bearing = 2 * Math.PI * random.next();
  if (random.next() < MISSING_GEOIP) return undefined;
  const { lat, lon } = moved(metro.at, km, bearing);
  const grid = (degrees: number) => Math.round(degrees / ORIGIN_GRID_DEGREES) * ORIGIN_GRID_DEGREES;
  return { at: { lat: grid(lat), lon: grid(lon) }, precision: "city", label: metro.name };
}

function pickerOf(weights: readonly number[]): (random: Random) => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const upTo = weights.map((weight) => {
    sum += weight / total;
    return sum;
  });
  return (random) => {
    const roll = random.next();
    return Math.max(
      0,
      upTo.findIndex((limit) => roll < limit),
    );
  };
}
