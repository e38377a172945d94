/**
 * The pace at which packets come by a path, and the moment at which they are missed. Whoever only receives, or only
 * answers, notices by nothing else that its router has forgotten the way here: those who send to it do, but cannot say.
 */

/** How much of a new distance between two packets goes into the usual one. */
const WEIGHT = 1 / 4;
/** Packets are missed after so many usual distances, … */
const DISTANCES = 2;
/** … but no sooner than this: what comes in bursts, or by Wi-Fi, has pauses. */
const MISSED_AFTER_MIN_MS = 200;
/** At a slower pace than this, probes that go anyway are as good. */
const DISTANCE_MAX_MS = 1_000;

export class Pace {
  /** When packets are missed; undefined while they come too rarely for that, and once somebody has asked. */
  missedAtMs: number | undefined;
  #distanceMs = DISTANCE_MAX_MS;
  #lastMs = Number.NEGATIVE_INFINITY;

  came(now: number): void {
    const distanceMs = Math.min(now - this.#lastMs, DISTANCE_MAX_MS);
    this.#lastMs = now;
    this.#distanceMs += (distanceMs - this.#distanceMs) * WEIGHT;
    const isSlow = this.#distanceMs > DISTANCE_MAX_MS / 2;
    this.missedAtMs = isSlow ? undefined : now + Math.max(DISTANCES * this.#distanceMs, MISSED_AFTER_MIN_MS);
  }

  /** A probe leaves. One that was due for that silence will tell; one from before it tells nothing. */
  asked(now: number): void {
    if (this.missedAtMs !== undefined && now >= this.missedAtMs) this.missedAtMs = undefined;
  }

  /** Nobody talks any more. */
  rest(): void {
    this.missedAtMs = undefined;
  }
}
