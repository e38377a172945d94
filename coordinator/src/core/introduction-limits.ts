/**
 * How often agents may ask to be introduced: an introduction makes another agent send probes, and costs a message and
 * perhaps tickets on both sides. Limits stand per ordered pair and per asking agent, over reconnections too.
 */
import { type AgentId, type Budget, TokenBucket } from "@burrow/protocol";

/** Agents ask again when a path was lost or a probe round failed: every few seconds at most. */
export const PER_PAIR: Budget = { burst: 4, perSecond: 0.4 };
/** An agent of a large network meets many at once when it starts; those left out ask again. */
export const PER_AGENT: Budget = { burst: 200, perSecond: 20 };
/** Pairs of one agent that are remembered; its own limit fills no more of them before old ones are full again. */
const PAIRS_MAX = 512;
/** After so long a pair's bucket is full, and as good as none. */
const PAIR_FULL_MS = (PER_PAIR.burst / PER_PAIR.perSecond) * 1000;

interface Asker {
  readonly bucket: TokenBucket;
  readonly pairs: Map<AgentId, { readonly bucket: TokenBucket; usedMs: number }>;
}

export class IntroductionLimits {
  readonly #askers = new Map<AgentId, Asker>();

  /** Whether `from` may ask for `peer` now. */
  take(from: AgentId, peer: AgentId, now: number): boolean {
    let asker = this.#askers.get(from);
    if (asker === undefined) {
      asker = { bucket: new TokenBucket(PER_AGENT, now), pairs: new Map() };
      this.#askers.set(from, asker);
    }
    if (!asker.bucket.take(now)) return false;
    const { pairs } = asker;
    const pair = pairs.get(peer) ?? { bucket: new TokenBucket(PER_PAIR, now), usedMs: now };
    pair.usedMs = now;
    // The least lately asked for come first, and go first.
    pairs.delete(peer);
    pairs.set(peer, pair);
    for (const [other, { usedMs }] of pairs) {
      if (pairs.size <= PAIRS_MAX && now - usedMs < PAIR_FULL_MS) break;
      pairs.delete(other);
    }
    return pair.bucket.take(now);
  }

  /** The agent is no member any more. */
  forget(agent: AgentId): void {
    this.#askers.delete(agent);
    for (const { pairs } of this.#askers.values()) pairs.delete(agent);
  }
}
