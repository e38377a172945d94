/**
 * A region dies at once, with all relays in it and without a word. Who is served again when, by what the agents
 * themselves notice; how full the others become; and how full they would be if everybody ran to the nearest one.
 */

import { unit } from "../../../coordinator/src/core/selection/hash.ts";
import { exponential, randomFrom } from "./random.ts";
import { type Crowd, type Fleet, rebook, trueMs } from "./scale.ts";
import { round, type Summary, summarize } from "./statistics.ts";

export interface DeathOutcome {
  readonly region: string;
  readonly relaysDead: number;
  readonly agents: number;
  readonly agentsShare: number;
  /** From the first packet that somebody wants to send, or from the death if that came later. */
  readonly servedAfterMs: Summary;
  /** Until the home itself is another one: at once for those that talk, by their keep-alive for those that do not. */
  readonly homeMovedAfterMs: Summary;
  readonly unserved: number;
  readonly relaysAboveRoom: number;
  readonly fullestBefore: number;
  readonly fullestAfter: number;
  /** The same if each took the nearest living relay. */
  readonly stampede: { readonly relaysAboveRoom: number; readonly fullest: number };
  /** Loads of the living over their room, before, after, and in the stampede; sorted by the last. */
  readonly loads: readonly { readonly before: number; readonly after: number; readonly stampede: number }[];
  /** After every survivor has a standby again: relays that a second region's death would overfill. */
  readonly relaysAboveRoomAfterSecondDeath: number;
}

/** Packets every 200 ms on average; the others are silent. */
const TALKING_SHARE = 0.6;
const PACKET_INTERVAL_MS = 200;
/** agent/src/core: data out and nothing back for so long starts the second way (design §6). */
const DOUBT_ROUND_TRIPS = 3;
const DOUBT_LEAST_MS = 250;
/** agent/src/core/relays/relay-link.ts: Binds without an answer before the relay is left. */
const RETRY_LEAST_MS = 150;
const SILENT_AFTER_BINDS = 3;
const KEEPALIVE_MS = 15_000;
/** The coordinator's word that relays are down: heartbeats missing for 4 s, a tick, and the way. */
const PUSH_MS = 4_000 + 500 + 150;
const LOSS = 0.01;
/** Agents report every minute; so many minutes after the death. */
const REBOOK_ROUNDS = 3;

export function regionOfShare(fleet: Fleet, crowd: Crowd, share: number): string {
  const agents = agentsByRegion(fleet, crowd);
  const distance = (count: number) => Math.abs(count / crowd.count - share);
  return [...agents].reduce((a, b) => (distance(b[1]) < distance(a[1]) ? b : a), ["", 0] as [
    string,
    number,
  ])[0];
}

export function killRegion(fleet: Fleet, crowd: Crowd, region: string, seed: number): DeathOutcome {
  const random = randomFrom(seed, 11);
  const before = fleet.relays.map(({ load }) => load);
  const stampede = [...before];
  const dead = fleet.relays.filter((relay) => relay.region === region);
  for (const relay of dead) relay.state = "down";
  const served: number[] = [];
  const moved: number[] = [];
  let [agents, unserved] = [0, 0];
  for (let agent = 0; agent < crowd.count; agent++) {
    const home = fleet.relays[crowd.homes[agent] ?? -1];
    if (home?.region !== region) continue;
    agents++;
    const nearest = nearestLiving(fleet, crowd, agent);
    stampede[nearest] = (stampede[nearest] ?? 0) + 1;
    const standbyIndex = crowd.standbys[agent] ?? -1;
    const standby = fleet.relays[standbyIndex];
    if (standby === undefined || standby.state !== "healthy") {
      unserved++;
      continue;
    }
    const homeMs = crowd.rttMs[agent] ?? 0;
    const standbyMs = trueMs(fleet, crowd, agent, standbyIndex);
    const doubtMs = Math.max(DOUBT_LEAST_MS, DOUBT_ROUND_TRIPS * 2 * homeMs);
    let servedMs = doubtMs + standbyMs;
    while (random.next() < 2 * LOSS) servedMs += PACKET_INTERVAL_MS;
    served.push(servedMs);
    const bindsMs = SILENT_AFTER_BINDS * Math.max(RETRY_LEAST_MS, 2 * homeMs);
    const talks = random.next() < TALKING_SHARE;
    const noticedMs = talks
      ? exponential(random, PACKET_INTERVAL_MS) + doubtMs
      : Math.min(PUSH_MS, random.next() * KEEPALIVE_MS);
    moved.push(Math.min(noticedMs + bindsMs, PUSH_MS));
    fleet.reservations.count(region, standby.id, -1);
    crowd.standbys[agent] = -1;
    crowd.homes[agent] = standbyIndex;
    standby.load++;
    home.load--;
  }
  const after = fleet.relays.map(({ load }) => load);
  const living = fleet.relays.map((_, i) => i).filter((i) => fleet.relays[i]?.state === "healthy");
  const fill = (loads: readonly number[], i: number) => (loads[i] ?? 0) / (fleet.relays[i]?.capacity ?? 1);
  const fullest = (loads: readonly number[]) => round(Math.max(...living.map((i) => fill(loads, i))), 3);
  const above = (loads: readonly number[]) => living.filter((i) => fill(loads, i) > 1).length;
  for (let rounds = 0; rounds < REBOOK_ROUNDS; rounds++) if (rebook(fleet, crowd) === 0) break;
  return {
    region,
    relaysDead: dead.length,
    agents,
    agentsShare: round(agents / crowd.count, 3),
    servedAfterMs: summarize(served),
    homeMovedAfterMs: summarize(moved),
    unserved,
    relaysAboveRoom: above(after),
    fullestBefore: fullest(before),
    fullestAfter: fullest(after),
    stampede: { relaysAboveRoom: above(stampede), fullest: fullest(stampede) },
    loads: living
      .map((i) => ({ before: fill(before, i), after: fill(after, i), stampede: fill(stampede, i) }))
      .sort((a, b) => b.stampede - a.stampede),
    relaysAboveRoomAfterSecondDeath: overbooked(fleet),
  };
}

/** Relays that the death of some one region would fill above their room. */
export function overbooked(fleet: Fleet): number {
  const regions = [...new Set(fleet.relays.map(({ region }) => region))];
  return fleet.relays.filter(
    (relay) =>
      relay.state === "healthy" &&
      regions.some((region) => region !== relay.region && fleet.reservations.isOverbooked(region, relay)),
  ).length;
}

function agentsByRegion(fleet: Fleet, crowd: Crowd): Map<string, number> {
  const counts = new Map<string, number>();
  for (const home of crowd.homes) {
    const region = fleet.relays[home]?.region;
    if (region !== undefined) counts.set(region, (counts.get(region) ?? 0) + 1);
  }
  return counts;
}

function nearestLiving(fleet: Fleet, crowd: Crowd, agent: number): number {
  let best = -1;
  let bestMs = Number.POSITIVE_INFINITY;
  for (const [i, { state }] of fleet.relays.entries()) {
    if (state !== "healthy") continue;
    // Relays of one city are equally far: each agent takes any.
    const ms = trueMs(fleet, crowd, agent, i) + unit(crowd.seeds[agent] ?? 0, i);
    if (ms < bestMs) [best, bestMs] = [i, ms];
  }
  return best;
}
