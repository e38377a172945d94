/**
 * The peer's latest probes. While one is among them, it is answered with one of our own at most once: it may be captured
 * and sent again from any address, also again and again from one. The first to come is the peer's own. One that is older
 * passes for new; how much comes of that, the places for such paths bound (path-table.ts).
 */
import type { Transaction } from "@burrow/protocol";

/** Of one that talks by three paths, a minute's. */
const PROBES_MAX = 256;

export class LatestProbes {
  readonly #seen = new Set<Transaction>();

  /** Whether a probe of this transaction came before; remembers it. */
  isReplay(transaction: Transaction): boolean {
    if (this.#seen.has(transaction)) return true;
    this.#seen.add(transaction);
    if (this.#seen.size > PROBES_MAX) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    }
    return false;
  }
}
