/**
 * How many of a path's latest probes were lost. More than two in a row are an outage rather than loss, and no more than
 * two of them count: outages are the path's state, and over once it is proven again.
 */
import type { Transaction } from "@burrow/protocol";

/** So many are looked back on: as many as a number has bits. */
const WINDOW_PROBES = 32;
/** Fewer lost than this are chance: at 2 % of loss, four of 32 are lost once in 300 times. */
const LOST_MIN = 4;
/** The bits of the latest two. */
const BOTH_LOST = 0b11;

export class LossEstimator {
  /** Fates of the latest probes, the newest in the lowest bit: 1 is lost. */
  #fates = 0;
  /** Probes whose fate is not known, or waits for that of an earlier one. */
  readonly #waiting = new Map<Transaction, { readonly sentAtMs: number; arrived: boolean }>();

  sent(transaction: Transaction, now: number): void {
    this.#waiting.set(transaction, { sentAtMs: now, arrived: false });
  }

  arrived(transaction: Transaction): void {
    const probe = this.#waiting.get(transaction);
    if (probe !== undefined) probe.arrived = true;
  }

  /** Probes that left before this and have no ack are lost. */
  settle(beforeMs: number): void {
    for (const [transaction, { sentAtMs, arrived }] of this.#waiting) {
      if (!arrived && sentAtMs >= beforeMs) return;
      this.#waiting.delete(transaction);
      if (arrived) this.#fates <<= 1;
      else if ((this.#fates & BOTH_LOST) !== BOTH_LOST) this.#fates = (this.#fates << 1) | 1;
    }
  }

  reset(): void {
    this.#fates = 0;
    this.#waiting.clear();
  }

  /** Part of the latest probes that were lost, 0 to 1; 0 while that may be chance. */
  get share(): number {
    const lost = this.#lost;
    return lost < LOST_MIN ? 0 : lost / WINDOW_PROBES;
  }

  /** Whether so many more were lost here than there that it is hardly chance. */
  isMoreThan(other: LossEstimator): boolean {
    return this.#lost - other.#lost >= LOST_MIN;
  }

  get #lost(): number {
    let lost = 0;
    for (let fates = this.#fates; fates !== 0; fates &= fates - 1) lost++;
    return lost;
  }
}
