/**
 * How fast an agent's probes leave, all peers and reasons together: so fast that a NAT is punched in a second or two,
 * and so slowly that no network takes them for an attack. Probes of paths are few and go first, whatever is left; what
 * can wait (puncher.ts) takes the rest. Virtual scheduling, as in ITU-T I.371's rate algorithm.
 */

/** 1,000 probes of 88 bytes a second. */
const PROBE_MS = 1;
/** So many may leave at once. */
export const PROBES_AT_ONCE_MAX = 10;

export class ProbeBudget {
  /** When all that left is paid for. */
  #paidMs = Number.NEGATIVE_INFINITY;

  /** A probe leaves. */
  spend(now: number): void {
    this.#paidMs = Math.max(this.#paidMs, now) + PROBE_MS;
  }

  /** How many may leave now that can wait. */
  left(now: number): number {
    const owedMs = Math.max(0, this.#paidMs - now);
    return Math.max(0, PROBES_AT_ONCE_MAX - Math.ceil(owedMs / PROBE_MS));
  }
}
