/**
 * When is this responder under load, and how much may one source ask of it then? Both are token buckets on the clock
 * passed in, so the answer depends on nothing but the calls made.
 */
import { type Budget, TokenBucket } from "@burrow/protocol";

export interface LoadLimits {
  /** Handshake messages a second, over all sources, that are answered without asking for a cookie. */
  readonly handshakesPerSecondMax: number;
  /** How many may come at once before the rate counts. */
  readonly handshakesBurstMax: number;
}

/**
 * Consuming an initiation costs about 0.4 ms with native X25519 and 2.5 ms with the portable one: 200 a second keep
 * half a core at worst. The burst lets a few hundred peers come back together after an outage.
 */
export const DEFAULT_LOAD_LIMITS: LoadLimits = { handshakesPerSecondMax: 200, handshakesBurstMax: 400 };

/** As wireguard-go: once seen, load is taken to last this long. */
const UNDER_LOAD_FOR_MS = 1_000;
/** As wireguard-go and Linux: what one source that proved its address gets while there is load. */
const PER_SOURCE: Budget = { perSecond: 20, burst: 5 };
/** Sources remembered under load; past it the longest known is forgotten. */
const SOURCES_MAX = 4_096;

export class LoadDetector {
  readonly #bucket: TokenBucket;
  #underLoadUntil = Number.NEGATIVE_INFINITY;

  constructor({ handshakesPerSecondMax, handshakesBurstMax }: LoadLimits) {
    this.#bucket = new TokenBucket({ perSecond: handshakesPerSecondMax, burst: handshakesBurstMax }, 0);
  }

  /** Counts one handshake message with a right MAC1, and says whether it came under load. */
  countHandshake(now: number): boolean {
    if (!this.#bucket.take(now)) this.#underLoadUntil = now + UNDER_LOAD_FOR_MS;
    return now < this.#underLoadUntil;
  }
}

/** Limits what each source that has proved its address may ask for. */
export class SourceLimiter {
  readonly #buckets = new Map<string, TokenBucket>();

  allow(source: Uint8Array, now: number): boolean {
    const key = String.fromCharCode(...source);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(PER_SOURCE, now);
      if (this.#buckets.size >= SOURCES_MAX) this.#forgetOldest();
      this.#buckets.set(key, bucket);
    }
    return bucket.take(now);
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
