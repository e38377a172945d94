/**
 * Two machines with one identity throw each other out of the coordinator by turns: a newer channel replaces the older
 * one. Whoever is thrown out comes back later each time, so that neither they nor the coordinator do nothing else.
 */

const PAUSE_MIN_MS = 5_000;
const PAUSE_MAX_MS = 120_000;
/** A channel that held for so long was not the rival's to take; and so long the rival is told of. */
export const RIVAL_MEMORY_MS = 10 * 60_000;

export interface Rival {
  /** How often our channel was taken, since it last held. */
  readonly times: number;
  readonly lastMs: number;
}

export class Rivalry {
  #rival: Rival | undefined;

  /** Our channel, welcomed at `sinceMs`, was taken. `random`: 0 up to 1. Returns how long to stay away. */
  lost(sinceMs: number, now: number, random: number): number {
    const times = now - sinceMs > RIVAL_MEMORY_MS ? 0 : (this.#rival?.times ?? 0);
    this.#rival = { times: times + 1, lastMs: now };
    return Math.min(PAUSE_MIN_MS * 2 ** times, PAUSE_MAX_MS) * (0.5 + random);
  }

  /** The rival of late, if there was one. */
  at(now: number): Rival | undefined {
    const rival = this.#rival;
    return rival !== undefined && now - rival.lastMs < RIVAL_MEMORY_MS ? rival : undefined;
  }
}
