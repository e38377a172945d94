/** How long packets waited for the kernel to take them, in buckets. Allocates nothing after construction. */

/** Upper bounds of all buckets but the last, which has none. 4,096 packets wait at most: 50 ms at 1 Gbit/s. */
export const QUEUE_DELAY_BOUNDS_MS = [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100] as const;

export interface QueueDelaysSnapshot {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

export const NO_QUEUE_DELAYS: QueueDelaysSnapshot = {
  counts: Array.from({ length: QUEUE_DELAY_BOUNDS_MS.length + 1 }, () => 0),
  sumMs: 0,
};

export class QueueDelays {
  readonly #counts = new Float64Array(QUEUE_DELAY_BOUNDS_MS.length + 1);
  #sumMs = 0;

  add(delayMs: number): void {
    let bucket = 0;
    while (bucket < QUEUE_DELAY_BOUNDS_MS.length && delayMs > (QUEUE_DELAY_BOUNDS_MS[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += delayMs;
  }

  snapshot(): QueueDelaysSnapshot {
    return { counts: [...this.#counts], sumMs: this.#sumMs };
  }
}

export function sumOfDelays(a: QueueDelaysSnapshot, b: QueueDelaysSnapshot): QueueDelaysSnapshot {
  return {
    counts: a.counts.map((count, bucket) => count + (b.counts[bucket] ?? 0)),
    sumMs: a.sumMs + b.sumMs,
  };
}
