/** The peer's latest probes. One may be captured and sent again from any address; the first to come is the peer's own. */
import type { Transaction } from "@burrow/protocol";
import { type PathId, type PathTarget, pathIdOf } from "./path.ts";

const PROBES_MAX = 64;

export class LatestProbes {
  readonly #cameBy = new Map<Transaction, PathId>();

  /** Whether a probe of this transaction came by another path before; remembers it. */
  isReplay(target: PathTarget, transaction: Transaction): boolean {
    const id = pathIdOf(target);
    const seen = this.#cameBy.get(transaction);
    if (seen !== undefined) return seen !== id;
    this.#cameBy.set(transaction, id);
    if (this.#cameBy.size > PROBES_MAX) {
      for (const oldest of this.#cameBy.keys()) {
        this.#cameBy.delete(oldest);
        break;
      }
    }
    return false;
  }
}
