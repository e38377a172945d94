/** Round-trip time of one way, smoothed as TCP does it (RFC 6298 §2), in fractional milliseconds. */

const SRTT_GAIN = 1 / 8;
const VARIATION_GAIN = 1 / 4;

export class RttEstimator {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #leastMs: number | undefined;
  #samples = 0;

  sample(rttMs: number): void {
    this.#samples++;
    this.#leastMs = Math.min(this.#leastMs ?? rttMs, rttMs);
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = rttMs;
      this.#variationMs = rttMs / 2;
      return;
    }
    this.#variationMs += VARIATION_GAIN * (Math.abs(this.#smoothedMs - rttMs) - this.#variationMs);
    this.#smoothedMs += SRTT_GAIN * (rttMs - this.#smoothedMs);
  }

  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  get jitterMs(): number {
    return this.#variationMs;
  }

  /** The least ever seen: nearest to the way's true length, whatever queues stood in between. */
  get leastMs(): number | undefined {
    return this.#leastMs;
  }

  get samples(): number {
    return this.#samples;
  }
}
