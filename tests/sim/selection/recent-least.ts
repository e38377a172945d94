/**
 * How far something is now: the least round trip of the last five minutes. Queues only ever add, so the least is
 * nearest to the way itself; and when the way itself becomes longer, a few samples in a row say so, and what was
 * before is forgotten.
 */

export const WINDOW_MS = 5 * 60_000;
/** So many samples in a row, all clearly above what was before, are a longer way and not a queue. */
const SHIFT_SAMPLES = 4;
const SHIFT_LEAST_MS = 5;
/** … above by so many times the mean excess over the least. Queues of that kind are one in thousands. */
const SHIFT_SPREADS = 3;
const SAMPLES_MAX = 32;

export class RecentLeast {
  /** Oldest first. */
  readonly #samples: { readonly atMs: number; readonly rttMs: number }[] = [];

  sample(rttMs: number, now: number): void {
    this.#samples.push({ atMs: now, rttMs });
    this.#forget(now);
    const before = this.#samples.slice(0, -SHIFT_SAMPLES);
    if (before.length === 0) return;
    const least = Math.min(...before.map((sample) => sample.rttMs));
    const mean = before.reduce((sum, sample) => sum + sample.rttMs, 0) / before.length;
    const shiftMs = Math.max(SHIFT_LEAST_MS, SHIFT_SPREADS * (mean - least));
    const latest = this.#samples.slice(-SHIFT_SAMPLES);
    if (latest.every((sample) => sample.rttMs > least + shiftMs)) this.#samples.splice(0, before.length);
  }

  /** The last sample stays, however old: better than nothing. */
  get leastMs(): number | undefined {
    let least: number | undefined;
    for (const { rttMs } of this.#samples) if (least === undefined || rttMs < least) least = rttMs;
    return least;
  }

  #forget(now: number): void {
    const isOld = (atMs: number | undefined) => atMs !== undefined && now - atMs > WINDOW_MS;
    while (
      this.#samples.length > 1 &&
      (isOld(this.#samples[0]?.atMs) || this.#samples.length > SAMPLES_MAX)
    ) {
      this.#samples.shift();
    }
  }
}
