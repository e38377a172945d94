/**
 * Binds: who may be bound here, and where. A Bind is opened with symmetric keys alone; it binds only with a cookie
 * that this relay gave to the very address, so a captured or forged Bind never moves an endpoint. Only a Bind
 * that opened under its ticket's session key is answered, and the answer is never larger.
 *
 * What does not open is charged to strangers, what does to its agent: a flood of junk up to what the machine has time
 * for keeps nobody out, and beyond that those are still heard who are bound, or were here before. A challenge is charged
 * to where it goes, since whoever captured a Bind can ask for one; its agent pays for what brings a right cookie.
 */
import {
  type AgentId,
  agentIdOf,
  type Bind,
  BindStatus,
  type Bytes,
  bindTicket,
  COOKIE_LENGTH,
  encodeBound,
  type Flow,
  NONCE_LENGTH,
  openBind,
  type Sealer,
  type Ticket,
  TokenBucket,
} from "@burrow/protocol";
import { type Addresses, NO_ADDRESS } from "./addresses.ts";
import type { Cookies } from "./cookies.ts";
import { DropReason } from "./drop-reason.ts";
import type { Flows } from "./flows.ts";
import {
  BIND_FAILURES,
  BIND_FAILURES_PER_HOST,
  BINDING_LIFETIME_MS,
  BINDS_LOOPBACK,
  BINDS_PER_AGENT,
  BINDS_UNBOUND,
  CHALLENGES_PER_HOST,
  CHECKS_PER_AGENT,
  HANDSHAKES_PER_AGENT,
} from "./limits.ts";
import type { Parties } from "./parties.ts";
import { lastSequence, type Party, setSequence } from "./party.ts";
import type { Revocations } from "./revocations.ts";
import type { OpenedTicket, Tickets } from "./tickets.ts";
import { FailureBudget, HostBudget, type RateLimiter } from "./token-buckets.ts";

const HOSTS = 4096;
const NO_COOKIE = new Uint8Array(COOKIE_LENGTH);

/** What the desk works with; all owned by the forwarder. */
export interface BindDeskParts {
  readonly addresses: Addresses;
  readonly parties: Parties;
  readonly flows: Flows;
  readonly tickets: Tickets;
  readonly cookies: Cookies;
  readonly revocations: Revocations;
  readonly rates: RateLimiter;
  readonly sealer: Sealer;
  readonly random: (length: number) => Bytes;
  readonly pendingFlowsMax: number;
  send(bytes: Bytes, to: number): void;
  bound(party: Party, how: "bound" | "moved"): void;
  /** A Bind was accepted. `isNews`: it changed more than how long the binding lives. */
  accepted(datagram: Bytes, from: number, party: Party | undefined, isNews: boolean, now: number): void;
}

export class BindDesk {
  readonly #parts: BindDeskParts;
  readonly #unbound: HostBudget;
  readonly #challenges: HostBudget;
  readonly #loopback: TokenBucket;
  readonly #loopbackTries: TokenBucket;
  readonly #failures: FailureBudget;
  /** Answers given, by status. */
  readonly answers = new Float64Array(Object.keys(BindStatus).length);
  draining = false;
  /** What the wall clock shows beyond `now`: tickets expire by it. */
  wallAheadMs = 0;

  constructor(parts: BindDeskParts, now: number) {
    this.#parts = parts;
    this.#unbound = new HostBudget(BINDS_UNBOUND, 1, now);
    this.#challenges = new HostBudget(CHALLENGES_PER_HOST, HOSTS, now);
    this.#loopback = new TokenBucket(BINDS_LOOPBACK, now);
    this.#loopbackTries = new TokenBucket(BINDS_LOOPBACK, now);
    this.#failures = new FailureBudget(BIND_FAILURES, BIND_FAILURES_PER_HOST, HOSTS, now);
  }

  /** Handles a Bind; undefined when it was answered. */
  handle(datagram: Bytes, from: number, now: number): DropReason | undefined {
    const { tickets, sealer } = this.#parts;
    const sealedTicket = bindTicket(datagram);
    if (typeof sealedTicket === "string") return DropReason.malformed;
    if (!this.#mayTry(sealedTicket, from, now)) return DropReason.bindBudget;
    const opened = tickets.open(sealedTicket, now);
    if (typeof opened === "string") return this.#fail(DropReason.ticketRefused, from, now);
    const bind = openBind(datagram, opened.ticket.sessionKey, sealer);
    if (typeof bind === "string") return this.#fail(DropReason.bindForged, from, now);
    return this.#genuine(datagram, bind, opened, from, now);
  }

  /** A Bind that its agent made, though somebody else may have sent it. */
  #genuine(
    datagram: Bytes,
    bind: Bind,
    { ticket, binds, challenges }: OpenedTicket,
    from: number,
    now: number,
  ): DropReason | undefined {
    const { parties } = this.#parts;
    const id = agentIdOf(ticket.agentKey);
    const known = parties.byId(id);
    const refusal = this.#refusal(bind, ticket, id, from, now);
    if (refusal === undefined && known !== undefined) {
      const isOld = bind.sequence <= lastSequence(known, ticket.sessionKey);
      if (isOld) return this.#fail(DropReason.bindReplayed, from, now);
    }
    const isAtHome = known !== undefined && parties.addressOf(known.slot, now) === from;
    // With a right cookie it is the agent that sent it; else it may be a replay, which must not use up its own budget.
    const isPaid =
      refusal === undefined
        ? (known?.budgets?.binds ?? binds).take(now) && (isAtHome || this.#mayAnswer(from, now))
        : this.#mayRefuse(challenges, isAtHome, from, now);
    if (!isPaid) return this.#fail(DropReason.bindBudget, from, now);
    const status = refusal ?? this.#accept(datagram, known, id, bind, ticket, from, now);
    return this.#answer(bind, ticket, status, from, now);
  }

  /** The answer to who may not be bound, or not yet. */
  #refusal(bind: Bind, ticket: Ticket, id: AgentId, from: number, now: number): BindStatus | undefined {
    const { revocations, cookies, addresses } = this.#parts;
    if (this.#isExpired(ticket, now)) return BindStatus.expired;
    if (revocations.has(id)) return BindStatus.refused;
    const isRight = cookies.isRight(bind.cookie, addresses.endpoint(from), ticket.agentKey, now);
    return isRight ? undefined : BindStatus.challenge;
  }

  /** A Bind that this relay accepted earlier, or another thread of it just now: no budget, no cookie, no answer. */
  recall(datagram: Bytes, from: number, now: number): void {
    const { tickets, sealer, parties, revocations } = this.#parts;
    const sealedTicket = bindTicket(datagram);
    const opened = typeof sealedTicket === "string" ? sealedTicket : tickets.open(sealedTicket, now);
    if (typeof opened === "string") return;
    const { ticket } = opened;
    const bind = openBind(datagram, ticket.sessionKey, sealer);
    const id = agentIdOf(ticket.agentKey);
    if (typeof bind === "string" || this.#isExpired(ticket, now) || revocations.has(id)) return;
    const known = parties.byId(id);
    if (known !== undefined && bind.sequence <= lastSequence(known, ticket.sessionKey)) return;
    this.#accept(datagram, known, id, bind, ticket, from, now);
  }

  #isExpired(ticket: Ticket, now: number): boolean {
    return ticket.expiresAtMs <= now + this.wallAheadMs;
  }

  #accept(
    datagram: Bytes,
    known: Party | undefined,
    id: AgentId,
    bind: Bind,
    ticket: Ticket,
    from: number,
    now: number,
  ): BindStatus {
    const { parties, flows } = this.#parts;
    const before = known === undefined ? NO_ADDRESS : parties.addressOf(known.slot, now);
    const isNews =
      before !== from || bind.leaving || bind.flows.some((flow) => !flows.knows(known, flow.receiverIndex));
    const status = bind.leaving
      ? this.#dismiss(known, bind, ticket)
      : this.#admit(known, id, bind, ticket, from, now);
    if (status !== BindStatus.refused) {
      this.#parts.accepted(datagram, from, parties.byId(id), isNews, now);
    }
    return status;
  }

  /**
   * Is there time to open it? While strangers' junk has used up what there is for all, those have budgets of their own
   * who are bound at this address, this machine's own programs, and who shows a ticket that was opened before.
   */
  #mayTry(sealedTicket: Bytes, from: number, now: number): boolean {
    const { addresses, parties, tickets } = this.#parts;
    if (this.#failures.mayTry(addresses.hostHash(from), now)) return true;
    const bound = parties.at(parties.slotAt(from, now));
    if (bound?.budgets?.tries.take(now) === true) return true;
    if (addresses.isLoopback(from) && this.#loopbackTries.take(now)) return true;
    return tickets.known(sealedTicket)?.tries.take(now) === true;
  }

  #mayAnswer(from: number, now: number): boolean {
    return this.#isOwn(from, now) || this.#unbound.take(0, now);
  }

  /**
   * A challenge, or another answer that binds nobody. One Bind that is sent again and again from ever other addresses
   * leaves half of what there is for all to those who ask less often.
   */
  #mayRefuse(challenges: TokenBucket, isAtHome: boolean, from: number, now: number): boolean {
    if (this.#isOwn(from, now)) return true;
    if (!this.#challenges.take(this.#parts.addresses.hostHash(from), now)) return false;
    if (isAtHome) return true;
    const isModest = challenges.take(now) || this.#unbound.left(0, now) > BINDS_UNBOUND.burst / 2;
    return isModest && this.#unbound.take(0, now);
  }

  #isOwn(from: number, now: number): boolean {
    return this.#parts.addresses.isLoopback(from) && this.#loopback.take(now);
  }

  #fail(reason: DropReason, from: number, now: number): DropReason {
    this.#failures.failed(this.#parts.addresses.hostHash(from), now);
    return reason;
  }

  #dismiss(known: Party | undefined, bind: Bind, ticket: Ticket): BindStatus {
    if (known !== undefined) {
      setSequence(known, ticket.sessionKey, bind.sequence);
      this.#parts.parties.unbind(known, "left");
    }
    return BindStatus.bound;
  }

  #admit(
    known: Party | undefined,
    id: AgentId,
    bind: Bind,
    ticket: Ticket,
    from: number,
    now: number,
  ): BindStatus {
    const { parties } = this.#parts;
    // A key that changed networks is somebody else: nothing of the old one's flows may stay.
    if (known !== undefined && known.network !== ticket.network) {
      parties.remove(known, "replaced");
      known = undefined;
    }
    const party = known ?? parties.add(id, ticket.network, now);
    if (party === undefined) return BindStatus.refused;
    const before = parties.addressOf(party.slot, now);
    if (!parties.bind(party, from, now + BINDING_LIFETIME_MS, now)) {
      if (known === undefined) parties.remove(party, "evicted");
      return BindStatus.refused;
    }
    setSequence(party, ticket.sessionKey, bind.sequence);
    party.key = ticket.agentKey;
    this.#grant(party, ticket, now);
    this.#declare(party, bind.flows, now);
    if (before !== from) this.#parts.bound(party, before === NO_ADDRESS ? "bound" : "moved");
    return this.draining ? BindStatus.draining : BindStatus.bound;
  }

  #grant(party: Party, ticket: Ticket, now: number): void {
    const { parties, rates } = this.#parts;
    party.acceptsOutside = ticket.acceptsOutside;
    if (ticket.acceptsOutside) parties.acceptors.add(party);
    else parties.acceptors.delete(party);
    if (party.budgets === undefined) {
      party.budgets = {
        binds: new TokenBucket(BINDS_PER_AGENT, now),
        tries: new TokenBucket(BINDS_PER_AGENT, now),
        handshakes: new TokenBucket(HANDSHAKES_PER_AGENT, now),
        checks: new TokenBucket(CHECKS_PER_AGENT, now),
      };
      rates.reset(party.slot, ticket.rateClass, now);
    }
    rates.reclassify(party.slot, ticket.rateClass);
  }

  #declare(party: Party, declared: readonly Flow[], now: number): void {
    const { flows, pendingFlowsMax } = this.#parts;
    for (const flow of declared) {
      if (flows.declare(party, flow.receiverIndex, flow.agent, now)) continue;
      party.pendingFlows ??= new Map();
      party.pendingFlows.delete(flow.receiverIndex);
      party.pendingFlows.set(flow.receiverIndex, flow.agent);
      if (party.pendingFlows.size <= pendingFlowsMax) continue;
      for (const oldest of party.pendingFlows.keys()) {
        party.pendingFlows.delete(oldest);
        break;
      }
    }
  }

  #answer(bind: Bind, ticket: Ticket, status: BindStatus, from: number, now: number): undefined {
    const { addresses, cookies, random, sealer } = this.#parts;
    const observed = addresses.endpoint(from);
    const isBound = !bind.leaving && (status === BindStatus.bound || status === BindStatus.draining);
    const wantsCookie = status !== BindStatus.expired && status !== BindStatus.refused;
    const bound = {
      sequence: bind.sequence,
      status,
      observed,
      cookie: wantsCookie ? cookies.make(observed, ticket.agentKey, now) : NO_COOKIE,
      lifetimeS: isBound ? BINDING_LIFETIME_MS / 1000 : 0,
    };
    this.answers[status] = (this.answers[status] ?? 0) + 1;
    this.#parts.send(encodeBound(bound, ticket.sessionKey, random(NONCE_LENGTH), sealer), from);
    return undefined;
  }
}
