/** What others do, in the same world: nearest on the map, at random, first to connect, and Tailscale's rule. */

import { distanceKm } from "../../../coordinator/src/core/geo.ts";
import { below, type Random, randomFrom } from "./random.ts";
import { MINUTE_MS, measure, type Resident } from "./world.ts";

export interface BaselineOutcome {
  readonly homeByMinute: Int16Array;
  readonly homeAt5s: number;
  readonly moves: readonly number[];
  readonly probes: number;
}

export type Baseline = (resident: Resident, seed: number) => BaselineOutcome;

/** In the order of the map; without a place, in any order. Dead relays are skipped at once: better than in life. */
export const mapNearest: Baseline = (resident, seed) => {
  const { origin, world } = resident;
  const random = randomFrom(seed, 1);
  const km = world.relays.map((site) => {
    const at = world.matrix.sites[site]?.at;
    return origin === undefined || at === undefined ? random.next() : distanceKm(origin.at, at);
  });
  const order = km.map((_, i) => i).sort((a, b) => (km[a] ?? 0) - (km[b] ?? 0));
  return byOrder(resident, order);
};

export const anyRelay: Baseline = (resident, seed) => {
  const random = randomFrom(seed, 2);
  const order = resident.world.relays.map((_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return byOrder(resident, order);
};

function byOrder(resident: Resident, order: readonly number[]): BaselineOutcome {
  const { minutes, alive } = resident.world;
  const homeByMinute = new Int16Array(minutes);
  for (let minute = 0; minute < minutes; minute++) {
    homeByMinute[minute] = order.find((relay) => alive[relay]?.[minute] !== 0) ?? -1;
  }
  return { homeByMinute, homeAt5s: homeByMinute[0] ?? -1, moves: [], probes: 0 };
}

/** NetBird's: seven at a time, whichever has shaken hands first (TCP and TLS: three round trips); never again. */
export const firstToConnect: Baseline = (resident, seed) => {
  const random = randomFrom(seed, 3);
  const { minutes, alive } = resident.world;
  const homeByMinute = new Int16Array(minutes);
  let home = -1;
  let probes = 0;
  for (let minute = 0; minute < minutes; minute++) {
    if (home === -1 || alive[home]?.[minute] === 0) {
      const result = race(resident, minute * MINUTE_MS, random);
      home = result.home;
      probes += result.probes;
    }
    homeByMinute[minute] = home;
  }
  return { homeByMinute, homeAt5s: homeByMinute[0] ?? -1, moves: [], probes };
};

const TAILSCALE_GAIN_MS = 10;
const TAILSCALE_GAIN_FACTOR = 2 / 3;

function race(resident: Resident, atMs: number, random: Random) {
  const tried = resident.world.relays.map((_, i) => i).sort(() => random.next() - 0.5);
  let home = -1;
  let firstMs = Number.POSITIVE_INFINITY;
  let probes = 0;
  for (const relay of tried.slice(0, 7)) {
    let ms = 0;
    for (let trip = 0; trip < 3; trip++) {
      probes++;
      // A lost packet is sent again after a second (RFC 6298 §2.1).
      ms += measure(resident, relay, atMs, random) ?? 1000;
    }
    if (ms < firstMs) [home, firstMs] = [relay, ms];
  }
  return { home, probes };
}

/**
 * Tailscale's published rule, with its own numbers whatever ours are. Every 20 to 26 s the three fastest and the home are measured, every five minutes all;
 * per relay counts the best of the last five minutes; the home moves when another is at least 10 ms better and at
 * most two thirds of it, or when it has not answered. Up to three tries per relay in a full round, four for the home.
 */
export const tailscale: Baseline = (resident, seed) => {
  const random = randomFrom(seed, 4);
  const { minutes, relays } = resident.world;
  const windows = relays.map((): { readonly atMs: number; readonly ms: number }[] => []);
  const homeByMinute = new Int16Array(minutes).fill(-1);
  const moves: number[] = [];
  let home = -1;
  let probes = 0;
  let fullMs = 0;
  let homeAt5s = -1;
  let minute = 0;
  const bestOf = (relay: number) => Math.min(...(windows[relay] ?? []).map(({ ms }) => ms));
  for (let now = 0; now < minutes * MINUTE_MS; now += 20_000 + random.next() * 6_000) {
    const full = now >= fullMs;
    if (full) fullMs = now + 5 * MINUTE_MS;
    const fastest = relays.map((_, i) => i).sort((a, b) => bestOf(a) - bestOf(b));
    const asked = full ? fastest : [...new Set([...fastest.slice(0, 3), home])].filter((i) => i >= 0);
    let homeAnswered = false;
    for (const relay of asked) {
      const tries = full ? 3 : relay === home ? 4 : 2;
      for (let attempt = 0; attempt < tries; attempt++) {
        probes++;
        const ms = measure(resident, relay, now, random);
        if (ms === undefined) continue;
        windows[relay]?.push({ atMs: now, ms });
        if (relay === home) homeAnswered = true;
        break;
      }
    }
    for (const window of windows) {
      while (window[0] !== undefined && now - window[0].atMs > 5 * MINUTE_MS + 5_000) window.shift();
    }
    const best = relays.map((_, i) => i).reduce((a, b) => (bestOf(b) < bestOf(a) ? b : a), 0);
    while (minute < minutes && now > (minute + 0.5) * MINUTE_MS) homeByMinute[minute++] = home;
    if (home === -1 || !homeAnswered) home = Number.isFinite(bestOf(best)) ? newHome(best) : home;
    else if (best !== home && worthIt(bestOf(best), bestOf(home))) {
      home = best;
      moves.push(now / MINUTE_MS);
    }
    if (homeAt5s === -1) homeAt5s = home;
  }
  while (minute < minutes) homeByMinute[minute++] = home;
  return { homeByMinute, homeAt5s, moves, probes };

  function newHome(best: number): number {
    // The silent one's old samples would still win; it is not asked.
    if (best !== home) return best;
    const others = relays.map((_, i) => i).filter((i) => i !== home);
    return others.reduce((a, b) => (bestOf(b) < bestOf(a) ? b : a), others[0] ?? home);
  }
  function worthIt(newMs: number, oldMs: number): boolean {
    return oldMs - newMs >= TAILSCALE_GAIN_MS && newMs <= TAILSCALE_GAIN_FACTOR * oldMs;
  }
};
