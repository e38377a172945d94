/** Token buckets in typed arrays: two for each of many indices, and a bounded table of them by host. */
import type { Budget } from "@burrow/protocol";
import type { RateClass } from "./limits.ts";

/** Numbers of an index's buckets, four of them: its class, tokens of both kinds, and when they were last filled. */
const BUCKET_SHIFT = 2;
const CLASS = 0;
const PACKETS = 1;
const BYTES = 2;
const FILLED_AT = 3;

/** A packet and a byte bucket per index. Nothing is allocated after construction. */
export class RateLimiter {
  readonly #classes: readonly RateClass[];
  readonly #buckets: Float64Array;

  constructor(capacity: number, classes: readonly RateClass[]) {
    this.#classes = classes;
    this.#buckets = new Float64Array(capacity << BUCKET_SHIFT);
  }

  /** Full buckets of this class for `index`. */
  reset(index: number, rateClass: number, now: number): void {
    const known = rateClass < this.#classes.length ? rateClass : 0;
    const at = index << BUCKET_SHIFT;
    this.#buckets[at + CLASS] = known;
    this.#buckets[at + PACKETS] = this.#classes[known]?.packets.burst ?? 0;
    this.#buckets[at + BYTES] = this.#classes[known]?.bytes.burst ?? 0;
    this.#buckets[at + FILLED_AT] = now;
  }

  /** Another class from now on; what was used up stays so. */
  reclassify(index: number, rateClass: number): void {
    this.#buckets[(index << BUCKET_SHIFT) + CLASS] = rateClass < this.#classes.length ? rateClass : 0;
  }

  /** Takes `packets` of `lengthBytes` bytes each, all or none. */
  take(index: number, packets: number, lengthBytes: number, now: number): boolean {
    const buckets = this.#buckets;
    const at = index << BUCKET_SHIFT;
    const limits = this.#classes[buckets[at + CLASS] ?? 0];
    if (limits === undefined) return true;
    const elapsedS = Math.max(0, now - (buckets[at + FILLED_AT] ?? 0)) / 1000;
    const packetsLeft =
      Math.min(limits.packets.burst, (buckets[at + PACKETS] ?? 0) + elapsedS * limits.packets.perSecond) -
      packets;
    const bytesLeft =
      Math.min(limits.bytes.burst, (buckets[at + BYTES] ?? 0) + elapsedS * limits.bytes.perSecond) -
      packets * lengthBytes;
    const granted = packetsLeft >= 0 && bytesLeft >= 0;
    buckets[at + FILLED_AT] = now;
    buckets[at + PACKETS] = granted ? packetsLeft : packetsLeft + packets;
    buckets[at + BYTES] = granted ? bytesLeft : bytesLeft + packets * lengthBytes;
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
    const tokens = this.left(hostHash, now);
    const index = this.#index(hostHash);
    this.#at[index] = now;
    this.#tokens[index] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }

  /** Tokens that there are now. */
  left(hostHash: number, now: number): number {
    const index = this.#index(hostHash);
    const elapsedMs = Math.max(0, now - (this.#at[index] ?? 0));
    const refilled = (this.#tokens[index] ?? 0) + (elapsedMs * this.#budget.perSecond) / 1000;
    return Math.min(this.#budget.burst, refilled);
  }

  #index(hostHash: number): number {
    return (hostHash >>> 0) & (this.#tokens.length - 1);
  }
}

/**
 * What is free when it succeeds: only failures are charged, to all and to their host. A host is held to its own share
 * only while less than half is left for all, so that neither a few hosts' junk nor junk under a host's forged address
 * stands in the way of who has something genuine to show.
 */
export class FailureBudget {
  readonly #all: HostBudget;
  readonly #hosts: HostBudget;
  readonly #enough: number;

  constructor(all: Budget, perHost: Budget, hosts: number, now: number) {
    this.#all = new HostBudget(all, 1, now);
    this.#hosts = new HostBudget(perHost, hosts, now);
    this.#enough = all.burst / 2;
  }

  mayTry(hostHash: number, now: number): boolean {
    const left = this.#all.left(0, now);
    return left > this.#enough || (left >= 1 && this.#hosts.left(hostHash, now) >= 1);
  }

  failed(hostHash: number, now: number): void {
    this.#all.take(0, now);
    this.#hosts.take(hostHash, now);
  }
}
