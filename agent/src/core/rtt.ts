/** Round-trip time of one way, smoothed as TCP does it (RFC 6298 §2), in fractional milliseconds. */

/** So many samples are looked back on for the least: a way that became longer shows after as many. */
const LEAST_OF_SAMPLES = 8;

const SRTT_GAIN = 1 / 8;
const VARIATION_GAIN = 1 / 4;

export class RttEstimator {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  readonly #recent: number[] = [];
  #samples = 0;

  sample(rttMs: number): void {
    if (this.#samples === 0) {
      this.#recent.length = 0;
      this.#smoothedMs = undefined;
    }
    this.#samples++;
    if (this.#recent.push(rttMs) > LEAST_OF_SAMPLES) this.#recent.shift();
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = rttMs;
      this.#variationMs = rttMs / 2;
      return;
    }
    this.#variationMs += VARIATION_GAIN * (Math.abs(this.#smoothedMs - rttMs) - this.#variationMs);
    this.#smoothedMs += SRTT_GAIN * (rttMs - this.#smoothedMs);
  }

  /** It is another way from now on. What was measured stands in until the first new sample. */
  restart(): void {
    this.#samples = 0;
  }

  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  get jitterMs(): number {
    return this.#variationMs;
  }

  /** The least of late: nearest to the way's true length, whatever queues stood in between. */
  get leastMs(): number | undefined {
    return this.#recent.length === 0 ? undefined : Math.min(...this.#recent);
  }

  /** Since the last restart. */
  get samples(): number {
    return this.#samples;
  }
}
