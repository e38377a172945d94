/** Token buckets: one, many in typed arrays (an index each), and a bounded table of them by host. */
import type { Budget, RateClass } from "./limits.ts";

export class TokenBucket {
  readonly #budget: Budget;
  #tokens: number;
  #at: number;

  constructor(budget: Budget, now: number) {
    this.#budget = budget;
    this.#tokens = budget.burst;
    this.#at = now;
  }

  /** Takes one token, if there is one. */
  take(now: number): boolean {
    // A clock that goes back adds nothing and takes nothing away.
    const elapsedMs = Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(this.#budget.burst, this.#tokens + (elapsedMs * this.#budget.perSecond) / 1000);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** A packet and a byte bucket per index. Nothing is allocated after construction. */
export class RateLimiter {
  readonly #classes: readonly RateClass[];
  readonly #class: Uint8Array;
  readonly #packets: Float64Array;
  readonly #bytes: Float64Array;
  readonly #at: Float64Array;

  constructor(capacity: number, classes: readonly RateClass[]) {
    this.#classes = classes;
    this.#class = new Uint8Array(capacity);
    this.#packets = new Float64Array(capacity);
    this.#bytes = new Float64Array(capacity);
    this.#at = new Float64Array(capacity);
  }

  /** Full buckets of this class for `index`. */
  reset(index: number, rateClass: number, now: number): void {
    const known = rateClass < this.#classes.length ? rateClass : 0;
    this.#class[index] = known;
    this.#packets[index] = this.#classes[known]?.packets.burst ?? 0;
    this.#bytes[index] = this.#classes[known]?.bytes.burst ?? 0;
    this.#at[index] = now;
  }

  /** Another class from now on; what was used up stays so. */
  reclassify(index: number, rateClass: number): void {
    this.#class[index] = rateClass < this.#classes.length ? rateClass : 0;
  }

  take(index: number, lengthBytes: number, now: number): boolean {
    const limits = this.#classes[this.#class[index] ?? 0];
    if (limits === undefined) return true;
    const elapsedS = Math.max(0, now - (this.#at[index] ?? 0)) / 1000;
    const packets = Math.min(
      limits.packets.burst,
      (this.#packets[index] ?? 0) + elapsedS * limits.packets.perSecond,
    );
    const bytes = Math.min(limits.bytes.burst, (this.#bytes[index] ?? 0) + elapsedS * limits.bytes.perSecond);
    const granted = packets >= 1 && bytes >= lengthBytes;
    this.#at[index] = now;
    this.#packets[index] = granted ? packets - 1 : packets;
    this.#bytes[index] = granted ? bytes - lengthBytes : bytes;
    return granted;
  }
}

/**
 * One bucket per host in a table of fixed size. Hosts whose hashes meet share a bucket: under a flood strangers
 * may be held back for others' sake, but memory and work stay bounded.
 */
export class HostBudget {
  readonly #budget: Budget;
  readonly #tokens: Float64Array;
  readonly #at: Float64Array;

  /** `size`: a power of two. */
  constructor(budget: Budget, size: number, now: number) {
    this.#budget = budget;
    this.#tokens = new Float64Array(size).fill(budget.burst);
    this.#at = new Float64Array(size).fill(now);
  }

  take(hostHash: number, now: number): boolean {
    const index = (hostHash >>> 0) & (this.#tokens.length - 1);
    const elapsedMs = Math.max(0, now - (this.#at[index] ?? 0));
    const refilled = (this.#tokens[index] ?? 0) + (elapsedMs * this.#budget.perSecond) / 1000;
    const tokens = Math.min(this.#budget.burst, refilled);
    this.#at[index] = now;
    this.#tokens[index] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }
}
