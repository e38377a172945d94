/**
 * How fast an agent's probes leave, all peers and reasons together: so fast that a NAT is punched in a second or two,
 * and so slowly that no network takes them for an attack. Probes of paths that are talked through go first, whatever is
 * left; punching (puncher.ts) takes what they leave over of 1,000 a second, and has a quarter for its own: a gateway
 * that talks to a hundred peers at once punches too. So more than 1,000 leave only where those of paths alone are more
 * than 750. Virtual scheduling, as in ITU-T I.371's rate algorithm.
 */

/** 1,000 probes of 88 bytes a second. */
const PROBE_MS = 1;
/** A quarter of them is punching's whatever else leaves. */
const PUNCHING_MS = 4 * PROBE_MS;
/** So many may leave at once. */
export const PROBES_AT_ONCE_MAX = 10;
/** What left beyond the rate holds up no others for longer. */
const DEBT_MAX_MS = 100;

export class ProbeBudget {
  readonly #all = new Schedule(PROBE_MS);
  readonly #punching = new Schedule(PUNCHING_MS);

  /** A probe leaves. */
  spend(now: number): void {
    this.#all.spend(now);
  }

  /** One of those that leave is punching's. */
  spendOnPunching(now: number): void {
    this.#punching.spend(now);
  }

  /** How many may leave now for punching. */
  leftForPunching(now: number): number {
    return Math.max(this.#all.left(now), this.#punching.left(now));
  }
}

class Schedule {
  readonly #everyMs: number;
  /** When all that left is paid for. */
  #paidMs = Number.NEGATIVE_INFINITY;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  spend(now: number): void {
    this.#paidMs = Math.min(Math.max(this.#paidMs, now) + this.#everyMs, now + DEBT_MAX_MS);
  }

  left(now: number): number {
    const owedMs = Math.max(0, this.#paidMs - now);
    return Math.max(0, PROBES_AT_ONCE_MAX - Math.ceil(owedMs / this.#everyMs));
  }
}
