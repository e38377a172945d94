/** Who waits for moments of their own: each is given its turn when time passes, whatever becomes of the others. */
import type { Peer } from "./peers.ts";

export interface Waiting {
  tick(now: number): void;
  /** Undefined while nothing is waited for. */
  nextDeadline(): number | undefined;
}

/** A mistake of one must not keep the others from their turn for ever: the first is thrown when all have had it. */
export function giveTurns<One>(all: Iterable<One>, turn: (one: One) => void): void {
  const mistakes: unknown[] = [];
  for (const one of all) {
    try {
      turn(one);
    } catch (mistake) {
      mistakes.push(mistake);
    }
  }
  if (mistakes.length > 0) throw mistakes[0];
}

export function earliest(all: Iterable<Waiting>): number | undefined {
  let deadline = Number.POSITIVE_INFINITY;
  for (const one of all) deadline = Math.min(deadline, one.nextDeadline() ?? deadline);
  return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
}

/** The peers whose paths have something to do. */
export class AwakePeers implements Waiting {
  readonly #peers = new Set<Peer>();

  add(peer: Peer): void {
    this.#peers.add(peer);
  }

  delete(peer: Peer): void {
    this.#peers.delete(peer);
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.#peers.values();
  }

  tick(now: number): void {
    giveTurns(this.#peers, (peer) => {
      peer.paths.tick(now);
      if (!peer.paths.isAwake) this.#peers.delete(peer);
    });
  }

  nextDeadline(): number | undefined {
    let deadline = Number.POSITIVE_INFINITY;
    for (const { paths } of this.#peers) deadline = Math.min(deadline, paths.nextDeadline() ?? deadline);
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
  }
}
