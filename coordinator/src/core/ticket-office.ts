/** Who holds tickets for which relays, and when they are due for new ones. */
import {
  type AgentId,
  fromBase64,
  type GrantedTicket,
  invariant,
  NONCE_LENGTH,
  RATE_CLASS,
  type RateName,
  type RelayId,
  type Sealer,
  SYMMETRIC_KEY_LENGTH,
  sealTicket,
  toBase64,
} from "@burrow/protocol";
import type { AgentRecord, RelayRecord } from "./records.ts";

/** Long enough to sit out a coordinator's bad night, short enough that a revocation a relay missed ends by itself. */
export const TICKET_LIFE_MS = 24 * 60 * 60 * 1000;
/** Renewed at half their life, so that one missed renewal does no harm. */
export const TICKET_RENEWAL_MS = TICKET_LIFE_MS / 2;
/** An agent may ask for tickets beyond our selection; this bounds what is renewed for it. */
const HELD_MAX = 32;

export type RandomBytes = (length: number) => Uint8Array;

export interface TicketOfficeParts {
  readonly sealer: Sealer;
  readonly random: RandomBytes;
  /** What each agent may send through a relay (relay/README.md, Rate classes). */
  readonly agentRate: RateName;
  /** A moment by the wall clock: relays and agents see by theirs when a ticket ends. */
  readonly unixMs: (at: number) => number;
}

export class TicketOffice {
  readonly #parts: TicketOfficeParts;
  /** Per agent the relays it has tickets for. */
  readonly #held = new Map<AgentId, Set<RelayId>>();
  /** When each agent's tickets are to be renewed. All live equally long, so insertion order is the order of time. */
  readonly #renewals = new Map<AgentId, number>();

  constructor(parts: TicketOfficeParts) {
    this.#parts = parts;
  }

  held(agent: AgentId): ReadonlySet<RelayId> {
    return this.#held.get(agent) ?? new Set();
  }

  /** Fresh tickets. The clock for the next renewal starts anew only with `renews`: all that it holds, at once. */
  issue(
    agent: AgentRecord,
    acceptsOutside: boolean,
    relays: readonly RelayRecord[],
    now: number,
    renews: boolean,
  ): GrantedTicket[] {
    if (renews) {
      this.forget(agent.id);
      this.#renewals.set(agent.id, now + TICKET_RENEWAL_MS);
    }
    const held = this.#held.get(agent.id) ?? new Set();
    this.#held.set(agent.id, held);
    const granted: GrantedTicket[] = [];
    for (const relay of relays) {
      if (!held.has(relay.id) && held.size >= HELD_MAX) continue;
      held.add(relay.id);
      granted.push(this.#seal(agent, acceptsOutside, relay, now));
    }
    return granted;
  }

  forget(agent: AgentId): void {
    this.#held.delete(agent);
    this.#renewals.delete(agent);
  }

  /** The relay was removed: should it come back, it has another ticket key, and all need tickets anew. */
  forgetRelay(relay: RelayId): void {
    for (const held of this.#held.values()) held.delete(relay);
  }

  /** Agents whose tickets are to be renewed now. They stay due until `issue` renews or `forget` ends it. */
  due(now: number): AgentId[] {
    const due: AgentId[] = [];
    for (const [agent, atMs] of this.#renewals) {
      if (atMs > now) break;
      due.push(agent);
    }
    return due;
  }

  nextDeadline(): number | undefined {
    return this.#renewals.values().next().value;
  }

  #seal(agent: AgentRecord, acceptsOutside: boolean, relay: RelayRecord, now: number): GrantedTicket {
    const { sealer, random, agentRate, unixMs } = this.#parts;
    const sessionKey = random(SYMMETRIC_KEY_LENGTH);
    const agentKey = fromBase64(agent.key);
    invariant(agentKey !== undefined, "a stored key is not base64");
    const expiresAtMs = unixMs(now) + TICKET_LIFE_MS;
    const rateClass = RATE_CLASS[agentRate];
    const ticket = sealTicket(
      { agentKey, network: agent.network, sessionKey, rateClass, acceptsOutside, expiresAtMs },
      relay.id,
      relay.ticketKey,
      random(NONCE_LENGTH),
      sealer,
    );
    return { relay: relay.id, ticket: toBase64(ticket), sessionKey: toBase64(sessionKey), expiresAtMs };
  }
}
