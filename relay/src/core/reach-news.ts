/** What heartbeats tell of other relays: each thing once, the oldest first, and no more than one takes. */
import { REACH_MAX, type RelayReach } from "@burrow/protocol";
import type { Sounding } from "./soundings.ts";

export class ReachNews {
  /** All that came to be known until then is told. */
  #toldMs = Number.NEGATIVE_INFINITY;

  take(soundings: readonly Sounding[]): RelayReach[] {
    const news = soundings.filter(({ atMs }) => atMs > this.#toldMs);
    const told = news.toSorted((a, b) => a.atMs - b.atMs).slice(0, REACH_MAX);
    this.#toldMs = told.at(-1)?.atMs ?? this.#toldMs;
    return told.map(({ relay, rttMs }) => {
      return rttMs === undefined ? { relay } : { relay, rttMs: Math.round(rttMs * 100) / 100 };
    });
  }
}
