/** What relays' counters read over the last two hours, for curves: a reading now and then, in a ring for each relay. */
import type { RelayId } from "@burrow/protocol";

/** Two hours at one every READINGS_INTERVAL_MS. */
export const READINGS_MAX = 480;
export const READINGS_INTERVAL_MS = 15_000;

/** Counters since the relay started, and how far its agents were, as known at `atMs`. */
export interface Reading {
  readonly atMs: number;
  readonly sessions: number;
  readonly packets: number;
  readonly bytes: number;
  readonly drops: number;
  /** Of the round trips of agents at home there; null without any. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

export class Readings {
  readonly #rings = new Map<RelayId, Reading[]>();

  /** Oldest first. */
  of(relay: RelayId): readonly Reading[] {
    return this.#rings.get(relay) ?? [];
  }

  add(relay: RelayId, reading: Reading): void {
    const ring = this.#rings.get(relay);
    if (ring === undefined) {
      this.#rings.set(relay, [reading]);
      return;
    }
    ring.push(reading);
    if (ring.length > READINGS_MAX) ring.shift();
  }

  /** Forgets relays that are not known any more. */
  keepOnly(isKnown: (relay: RelayId) => boolean): void {
    for (const relay of this.#rings.keys()) if (!isKnown(relay)) this.#rings.delete(relay);
  }
}
