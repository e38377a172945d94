/**
 * WireGuard's handshakes: who they are for, by MAC1, and what they teach. An initiation teaches that the
 * responder's packets with the initiator's index go back to the initiator; a response the same the other way round.
 */
import {
  type Bytes,
  type NetworkId,
  RATE_CLASS,
  TokenBucket,
  wireGuardReceiver,
  wireGuardSender,
} from "@burrow/protocol";
import type { Addresses } from "./addresses.ts";
import { DropReason } from "./drop-reason.ts";
import type { Flows } from "./flows.ts";
import {
  OUTSIDE_ALL,
  OUTSIDE_LIFETIME_MS,
  OUTSIDE_NEW,
  OUTSIDE_PER_HOST,
  OUTSIDE_UNANSWERED_LIFETIME_MS,
} from "./limits.ts";
import { Matcher } from "./matcher.ts";
import type { Parties } from "./parties.ts";
import { acquaint, type Party } from "./party.ts";
import { HostBudget, type RateLimiter } from "./token-buckets.ts";

const HOSTS = 4096;
/** Outside clients are of no network: no route, probe or declared flow may lead to them. */
const OUTSIDE_NETWORK = "outside" as NetworkId;
/** 1 Gbit/s, as the coordinator gives to agents: nobody sends without a limit. */
const OUTSIDE_RATE_CLASS = RATE_CLASS["1G"];

export interface HandshakeDeskParts {
  readonly parties: Parties;
  readonly flows: Flows;
  readonly rates: RateLimiter;
  readonly addresses: Addresses;
  deliver(bytes: Bytes, source: Party, destination: Party, now: number): DropReason | undefined;
}

export class HandshakeDesk {
  readonly #parts: HandshakeDeskParts;
  readonly #matcher: Matcher;
  readonly #outside: TokenBucket;
  readonly #outsideNew: TokenBucket;
  readonly #hosts: HostBudget;

  constructor(parts: HandshakeDeskParts, now: number) {
    this.#parts = parts;
    this.#matcher = new Matcher(parts.parties, now);
    this.#outside = new TokenBucket(OUTSIDE_ALL, now);
    this.#outsideNew = new TokenBucket(OUTSIDE_NEW, now);
    this.#hosts = new HostBudget(OUTSIDE_PER_HOST, HOSTS, now);
  }

  initiation(message: Bytes, source: Party | undefined, from: number, now: number): DropReason | undefined {
    if (source?.id === undefined) return this.#fromOutside(message, source, from, now);
    if (source.budgets?.handshakes.take(now) === false) return DropReason.handshakeBudget;
    const match = this.#matcher.forAgent(message, source, now);
    if (match === "budget") return DropReason.handshakeBudget;
    if (match === "nobody") return this.#toOutside(message, source, now);
    return this.#pass(message, source, match, now);
  }

  /** By its receiver index, else by MAC1, since the initiation may have gone another way. */
  response(message: Bytes, source: Party, now: number): DropReason | undefined {
    const { parties, flows, deliver } = this.#parts;
    const nowS = Math.floor(now / 1000);
    const known = parties.at(flows.follow(source.slot, wireGuardReceiver(message), nowS));
    const match = known ?? this.#responseByMac1(message, source, now);
    if (typeof match === "string") return match;
    flows.learn(match, wireGuardSender(message), source, nowS, true);
    if (known === undefined) flows.learn(source, wireGuardReceiver(message), match, nowS, true);
    acquaint(source, match);
    if (match.id === undefined) parties.prolongOutside(match.slot, now + OUTSIDE_LIFETIME_MS);
    return deliver(message, source, match, now);
  }

  #responseByMac1(message: Bytes, source: Party, now: number): Party | DropReason {
    if (source.id === undefined) return DropReason.unknownFlow;
    if (source.budgets?.handshakes.take(now) === false) return DropReason.handshakeBudget;
    const match = this.#matcher.forAgent(message, source, now);
    if (match === "budget") return DropReason.handshakeBudget;
    return match === "nobody" ? DropReason.unknownFlow : match;
  }

  #pass(message: Bytes, source: Party, destination: Party, now: number): DropReason | undefined {
    const { flows, deliver } = this.#parts;
    flows.learn(destination, wireGuardSender(message), source, Math.floor(now / 1000), false);
    acquaint(source, destination);
    return deliver(message, source, destination, now);
  }

  /** From nobody who is bound: only for agents that take outside clients, and within strict budgets. */
  #fromOutside(message: Bytes, client: Party | undefined, from: number, now: number): DropReason | undefined {
    const { addresses, parties } = this.#parts;
    // Who is a client already has only its host's budget to keep: a flood of strangers does not end its session.
    const isGranted =
      this.#hosts.take(addresses.hostHash(from), now) && (client !== undefined || this.#outside.take(now));
    if (!isGranted) return DropReason.outsideBudget;
    const match = this.#matcher.forOutside(message, client, now);
    if (match === "budget") return DropReason.outsideBudget;
    if (match === "nobody") return DropReason.outsideForNobody;
    const known = client ?? this.#admit(from, now);
    if (known === undefined) return DropReason.outsideBudget;
    parties.touch(known.slot, now);
    return this.#pass(message, known, match, now);
  }

  /** An outside client that was admitted earlier, or by another thread just now. */
  recall(from: number, isAnswered: boolean, now: number): Party | undefined {
    const { parties } = this.#parts;
    const lifetimeMs = isAnswered ? OUTSIDE_LIFETIME_MS : OUTSIDE_UNANSWERED_LIFETIME_MS;
    const known = parties.at(parties.slotAt(from, now));
    if (known === undefined) return this.#enter(from, lifetimeMs, now);
    if (known.id !== undefined) return undefined;
    if (isAnswered) parties.prolongOutside(known.slot, now + lifetimeMs);
    return known;
  }

  #admit(from: number, now: number): Party | undefined {
    if (!this.#outsideNew.take(now)) return undefined;
    return this.#enter(from, OUTSIDE_UNANSWERED_LIFETIME_MS, now);
  }

  #enter(from: number, lifetimeMs: number, now: number): Party | undefined {
    const { parties, rates } = this.#parts;
    const client = parties.add(undefined, OUTSIDE_NETWORK, now);
    if (client === undefined) return undefined;
    if (!parties.bind(client, from, now + lifetimeMs, now)) {
      parties.remove(client, "evicted");
      return undefined;
    }
    rates.reset(client.slot, OUTSIDE_RATE_CLASS, now);
    return client;
  }

  /**
   * A rekey that the agent begins towards an outside client: the relay does not know such keys, so the message
   * goes to those clients the agent talked to last; the others see a wrong MAC1 and stay silent.
   */
  #toOutside(message: Bytes, source: Party, now: number): DropReason | undefined {
    const { parties } = this.#parts;
    let drop: DropReason | undefined = DropReason.handshakeForNobody;
    for (const partner of [...source.partners]) {
      const client = parties.same(partner);
      if (client === undefined || client.id !== undefined || !parties.isReachable(client, now)) continue;
      drop = this.#pass(message, source, client, now);
    }
    return drop;
  }
}
