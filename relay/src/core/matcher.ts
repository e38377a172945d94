/**
 * Whom is a handshake message for? MAC1 is keyed by the receiver's public key (WireGuard §5.4.4), so the relay tries
 * the keys of those it could be for: first whom the source last talked to, then the rest of its network. Every try
 * in the rest costs a token of all; where tokens end, the next search goes on. Partners cost the source alone, so
 * that nobody's flood stops those who know each other.
 */
import { type Bytes, Mac1, TokenBucket } from "@burrow/protocol";
import { CHECKS_ALL, OUTSIDE_CHECKS } from "./limits.ts";
import type { Parties } from "./parties.ts";
import type { Party } from "./party.ts";

export type Match = Party | "nobody" | "budget";

export class Matcher {
  readonly #parties: Parties;
  readonly #all: TokenBucket;
  readonly #outside: TokenBucket;
  /** Where the search among the acceptors goes on when the budget ended the last one. */
  #outsideFrom = 0;

  constructor(parties: Parties, now: number) {
    this.#parties = parties;
    this.#all = new TokenBucket(CHECKS_ALL, now);
    this.#outside = new TokenBucket(OUTSIDE_CHECKS, now);
  }

  /** For a message of a bound agent: the agent of its network that it is for. */
  forAgent(message: Bytes, source: Party, now: number): Match {
    const ofSource = () => source.budgets?.checks.take(now) ?? true;
    for (const partner of source.partners) {
      const party = this.#parties.same(partner);
      if (party === undefined || party.network !== source.network) continue;
      const verdict = this.#try(message, party, source, ofSource, now);
      if (verdict !== "nobody") return verdict;
    }
    const ofAll = () => ofSource() && this.#all.take(now);
    const members = this.#parties.membersOf(source.network);
    for (let tried = 0; tried < members.length; tried++) {
      const party = members[(source.searchFrom + tried) % members.length];
      if (party === undefined) continue;
      const verdict = this.#try(message, party, source, ofAll, now);
      if (verdict === "budget") source.searchFrom = (source.searchFrom + tried) % members.length;
      if (verdict !== "nobody") return verdict;
    }
    return "nobody";
  }

  /** For an initiation from an unbound endpoint: the bound agent taking outside clients that it is for. */
  forOutside(message: Bytes, client: Party | undefined, now: number): Match {
    for (const partner of client?.partners ?? []) {
      const party = this.#parties.same(partner);
      if (party === undefined || !this.#parties.acceptors.has(party)) continue;
      const verdict = this.#try(message, party, client, () => true, now);
      if (verdict !== "nobody") return verdict;
    }
    const take = () => this.#outside.take(now) && this.#all.take(now);
    const acceptors = [...this.#parties.acceptors];
    for (let tried = 0; tried < acceptors.length; tried++) {
      const party = acceptors[(this.#outsideFrom + tried) % acceptors.length];
      if (party === undefined) continue;
      const verdict = this.#try(message, party, client, take, now);
      if (verdict === "budget") this.#outsideFrom = (this.#outsideFrom + tried) % acceptors.length;
      if (verdict !== "nobody") return verdict;
    }
    return "nobody";
  }

  #try(message: Bytes, party: Party, source: Party | undefined, take: () => boolean, now: number): Match {
    if (party.key === undefined || party === source || !this.#parties.isReachable(party, now))
      return "nobody";
    if (!take()) return "budget";
    party.mac1 ??= new Mac1(party.key);
    return party.mac1.verify(message) ? party : "nobody";
  }
}
