/**
 * Which agent is granted tickets for which relays: at its welcome, when the ranking finds it better ones, when it asks,
 * and again at half their life. And whose keys were revoked while tickets of theirs may still be good.
 */
import type { AgentId, GrantedTicket, NetworkId, RelayId, ToAgent } from "@burrow/protocol";
import type { AgentEntry, AgentRegistry } from "./agents.ts";
import type { Ranked } from "./ranking.ts";
import type { AgentRecord } from "./records.ts";
import type { RelayRegistry } from "./relays.ts";
import { mayUse } from "./selection/cost.ts";
import { selectMore, selectRelays } from "./selection.ts";
import { TICKET_LIFE_MS, TicketOffice, type TicketOfficeParts } from "./ticket-office.ts";

interface GrantsParts extends TicketOfficeParts {
  readonly agents: AgentRegistry;
  readonly relays: RelayRegistry;
  /** All relays as they look to this agent. */
  rankingFor(entry: AgentEntry): readonly Ranked[];
  tell(agent: AgentId, message: ToAgent): void;
  /** So many were made. */
  issued(count: number): void;
}

export class Grants {
  readonly #parts: GrantsParts;
  readonly #office: TicketOffice;
  readonly #revoked = new Map<AgentId, { readonly network: NetworkId; readonly atMs: number }>();

  /**
   * @param known all agents that ever were, those revoked among them
   * @param unixAheadMs of records' times over those that `now` is
   */
  constructor(parts: GrantsParts, known: readonly AgentRecord[], unixAheadMs: number) {
    this.#parts = parts;
    this.#office = new TicketOffice(parts);
    for (const { id, network, revokedAtMs } of known)
      if (revokedAtMs !== undefined) this.#revoked.set(id, { network, atMs: revokedAtMs - unixAheadMs });
  }

  /** The relays that it has tickets for. */
  held(agent: AgentId): ReadonlySet<RelayId> {
    return this.#office.held(agent);
  }

  /** All that an agent begins with. */
  forWelcome(entry: AgentEntry, relays: readonly RelayId[], now: number): GrantedTicket[] {
    return this.#issue(entry, relays, now, true);
  }

  /** Tells the agent tickets for those that it has none for; false when it has them all. */
  grantMissing(entry: AgentEntry, relays: readonly RelayId[], now: number): boolean {
    const held = this.#office.held(entry.record.id);
    const missing = relays.filter((relay) => !held.has(relay));
    const tickets = missing.length === 0 ? [] : this.#issue(entry, missing, now, false);
    if (tickets.length > 0) this.#tell(entry, tickets);
    return tickets.length > 0;
  }

  /** The agent asked; for no relay in particular: for all that it should have. */
  requested(entry: AgentEntry, asked: readonly RelayId[], now: number): void {
    const relays = asked.length > 0 ? asked : this.#selectionFor(entry);
    this.#tell(entry, this.#issue(entry, relays, now, asked.length === 0));
  }

  forget(agent: AgentId): void {
    this.#office.forget(agent);
  }

  forgetRelay(relay: RelayId): void {
    this.#office.forgetRelay(relay);
  }

  revoke({ id, network }: AgentRecord, now: number): void {
    this.#office.forget(id);
    this.#revoked.set(id, { network, atMs: now });
  }

  /** Whose tickets a relay must not take, whatever they say: of agents of one network, or of all. */
  recentlyRevoked(of: NetworkId | undefined, now: number): AgentId[] {
    const agents: AgentId[] = [];
    for (const [id, { network, atMs }] of this.#revoked) {
      if (now - atMs > TICKET_LIFE_MS) this.#revoked.delete(id);
      else if (of === undefined || of === network) agents.push(id);
    }
    return agents;
  }

  tick(now: number): void {
    for (const id of this.#office.due(now)) this.#renew(id, now);
  }

  nextDeadline(): number | undefined {
    return this.#office.nextDeadline();
  }

  #renew(id: AgentId, now: number): void {
    const entry = this.#parts.agents.get(id);
    if (entry?.presence === undefined) {
      this.#office.forget(id);
      return;
    }
    const relays = new Set([...this.#selectionFor(entry), ...this.#office.held(id)]);
    this.#tell(entry, this.#issue(entry, [...relays], now, true));
  }

  /** Where it is bound, what may be nearer still, and what the map says. */
  #selectionFor(entry: AgentEntry): RelayId[] {
    const ranking = this.#parts.rankingFor(entry);
    return [...new Set([...selectRelays(entry.presence?.location, ranking), ...selectMore(ranking)])];
  }

  #issue(entry: AgentEntry, relays: readonly RelayId[], now: number, renews: boolean): GrantedTicket[] {
    const { network } = entry.record;
    const records = relays.flatMap((id) => {
      const record = this.#parts.relays.get(id)?.record;
      return record !== undefined && mayUse(record, { network }) ? [record] : [];
    });
    const outside = entry.presence?.acceptsOutside ?? false;
    const tickets = this.#office.issue(entry.record, outside, records, now, renews);
    this.#parts.issued(tickets.length);
    return tickets;
  }

  #tell({ record }: AgentEntry, tickets: GrantedTicket[]): void {
    this.#parts.tell(record.id, { type: "tickets", tickets });
  }
}
