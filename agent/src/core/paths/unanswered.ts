/** What left by a path and has had no answer yet: each probe, and since when data and probes go unanswered. */
import type { Transaction } from "@burrow/protocol";

/** Probes whose acks are still believed. */
const OUTSTANDING_MAX = 32;

export class Unanswered {
  /** Probes by their transaction: when each left. */
  readonly #probes = new Map<Transaction, number>();
  /** Since when data is out with nothing back at all, and since when a probe is out with no ack. */
  #dataSinceMs: number | undefined;
  #probeSinceMs: number | undefined;
  #lastDataMs = Number.NEGATIVE_INFINITY;

  get hasData(): boolean {
    return this.#dataSinceMs !== undefined;
  }

  get hasProbe(): boolean {
    return this.#probeSinceMs !== undefined;
  }

  /** Since when something ought to have come back; undefined while nothing is missing. */
  get sinceMs(): number | undefined {
    if (this.#dataSinceMs === undefined) return this.#probeSinceMs;
    return Math.min(this.#dataSinceMs, this.#probeSinceMs ?? this.#dataSinceMs);
  }

  isWaitingFor(transaction: Transaction): boolean {
    return this.#probes.has(transaction);
  }

  dataLeft(now: number): void {
    this.#lastDataMs = now;
    this.#dataSinceMs ??= now;
  }

  /** Something ought to come back by this path, though nothing of ours left by it. */
  expectData(now: number): void {
    this.#dataSinceMs ??= now;
  }

  /** True if it is the only one out. */
  probeLeft(transaction: Transaction, now: number): boolean {
    this.#probes.set(transaction, now);
    if (this.#probes.size > OUTSTANDING_MAX) {
      for (const oldest of this.#probes.keys()) {
        this.#probes.delete(oldest);
        break;
      }
    }
    const isFirst = this.#probeSinceMs === undefined;
    this.#probeSinceMs ??= now;
    return isFirst;
  }

  /** Something came by this path, but no ack. */
  heard(): void {
    this.#dataSinceMs = undefined;
  }

  /**
   * An ack: when its probe left, or undefined if it was none of ours. The path worked for what left up to then; what
   * left later still waits for its own answer.
   */
  answered(transaction: Transaction): number | undefined {
    const sentAt = this.#probes.get(transaction);
    if (sentAt === undefined) return undefined;
    this.#probes.delete(transaction);
    const later = [...this.#probes.values()].filter((at) => at > sentAt);
    this.#probeSinceMs = later.length === 0 ? undefined : Math.min(...later);
    const isDataLater = this.#lastDataMs > sentAt && this.#dataSinceMs !== undefined;
    this.#dataSinceMs = isDataLater ? Math.max(this.#dataSinceMs ?? sentAt, sentAt) : undefined;
    return sentAt;
  }

  /** Nothing is expected any more; late acks are still believed. */
  settle(): void {
    this.#dataSinceMs = undefined;
    this.#probeSinceMs = undefined;
  }

  forget(): void {
    this.settle();
    this.#probes.clear();
  }
}
