/** A token bucket: bursts up to `burst`, then `perSecond`. */

export interface RateLimit {
  readonly burst: number;
  readonly perSecond: number;
}

export class Bucket {
  #level: number;
  #atMs: number;

  constructor(limit: RateLimit, now: number) {
    this.#level = limit.burst;
    this.#atMs = now;
  }

  /** True when one more is within the limit. */
  take(limit: RateLimit, now: number): boolean {
    const elapsedMs = Math.max(0, now - this.#atMs);
    this.#atMs = now;
    this.#level = Math.min(limit.burst, this.#level + (elapsedMs / 1000) * limit.perSecond);
    if (this.#level < 1) return false;
    this.#level -= 1;
    return true;
  }
}
