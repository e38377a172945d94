/**
 * All relays of this agent: binds to those it has tickets for, measures them, keeps a home and a standby, and tells
 * every relay which receiver index belongs to which peer. Sans-IO.
 */
import {
  type AgentId,
  type Bind,
  type Endpoint,
  encodeBind,
  FLOWS_PER_BIND_MAX,
  type Flow,
  type GrantedTicket,
  isRefusal,
  type NatMapping,
  NONCE_LENGTH,
  openBound,
  type RankedRelay,
  type RelayId,
  type RelayInfo,
  type Sealer,
} from "@burrow/protocol";
import { chooseHomes, type Homes } from "./homing.ts";
import { RelayLink } from "./relay-link.ts";

/** For so long after the first answer the choice of the home is still free. */
const SETTLING_MS = 1_500;
/** A silent or slower relay is measured again this often, by one Bind. */
const MEASURE_INTERVAL_MS = 60_000;

export interface RelayLinksSink {
  sendDatagram(datagram: Uint8Array, to: Endpoint): void;
  homesChanged(homes: Homes, before: Homes): void;
  /** Our address as some relay sees it is new. */
  reflexiveChanged(): void;
  relayEvent(relay: RelayLink, event: "bound" | "silent" | "challenged" | "refused", detail: string): void;
  /** Tickets are missing or expired. */
  ticketsWanted(relays: readonly RelayId[]): void;
}

export interface RelayLinksOptions {
  readonly sealer: Sealer;
  readonly random: (length: number) => Uint8Array;
  /** Unix ms at start: sequences begin there, so that they rise across restarts under one ticket. */
  readonly firstSequence: number;
  /** With any, every binding is kept: they come in by whichever relay they were told of, home or not. */
  readonly outsideClients?: readonly unknown[];
}

const NO_HOMES: Homes = { home: undefined, standby: undefined, reason: "no relay yet" };

export class RelayLinks {
  readonly #sink: RelayLinksSink;
  readonly #options: RelayLinksOptions;
  readonly #links = new Map<RelayId, RelayLink>();
  readonly #byEndpoint = new Map<Endpoint, RelayLink>();
  readonly #flows = new Map<number, AgentId>();
  #sequence: number;
  #homes: Homes = NO_HOMES;
  #firstAnswerMs: number | undefined;
  #settled = false;

  constructor(sink: RelayLinksSink, options: RelayLinksOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#sequence = options.firstSequence;
  }

  get homes(): Homes {
    return this.#homes;
  }

  get links(): readonly RelayLink[] {
    return [...this.#links.values()];
  }

  get(relay: RelayId): RelayLink | undefined {
    return this.#links.get(relay);
  }

  /** Where a datagram for this relay goes. */
  endpointOf(relay: RelayId): Endpoint | undefined {
    return this.#links.get(relay)?.endpoint;
  }

  /** The relay that owns this endpoint, if any. */
  relayAt(endpoint: Endpoint): RelayId | undefined {
    return this.#byEndpoint.get(endpoint)?.info.id;
  }

  /** How we look from outside, once per distinct view. */
  get reflexive(): readonly Endpoint[] {
    const seen = [...this.#links.values()].flatMap((link) => (link.isBound ? (link.observed ?? []) : []));
    return [...new Set(seen)];
  }

  /** What kind of mapping the NAT before us has, by two relays' answers (RFC 4787 §4.1). */
  natMapping(local: readonly Endpoint[]): NatMapping {
    const views = [...this.#links.values()].flatMap((link) => (link.isBound ? (link.observed ?? []) : []));
    const v4 = views.filter((endpoint) => !endpoint.startsWith("["));
    if (v4.some((endpoint) => local.includes(endpoint))) return "none";
    if (v4.length < 2) return "unknown";
    return new Set(v4).size === 1 ? "endpoint-independent" : "address-dependent";
  }

  /** The relay map, and in which order this agent should try them. */
  setRelays(relays: readonly RelayInfo[], ranking: readonly RankedRelay[], now: number): void {
    const ranks = new Map(ranking.map((ranked, index) => [ranked.relay, { ...ranked, index }]));
    for (const info of relays) {
      const rank = ranks.get(info.id);
      const link = this.#links.get(info.id) ?? new RelayLink(info, rank?.index ?? relays.length);
      this.#links.set(info.id, link);
      const moved = link.info.endpoints.join() !== info.endpoints.join();
      link.info = info;
      link.rank = rank?.index ?? relays.length;
      link.expectedRttMs = rank?.expectedRttMs;
      link.rankReason = rank?.reason ?? "not among the nearest";
      if (moved) link.rebind(now);
    }
    const listed = new Set(relays.map((relay) => relay.id));
    for (const id of [...this.#links.keys()]) if (!listed.has(id)) this.#links.delete(id);
    this.#byEndpoint.clear();
    for (const link of this.#links.values()) {
      for (const door of link.doors) this.#byEndpoint.set(door, link);
    }
    this.#decide(now);
    this.tick(now);
  }

  grant(tickets: readonly GrantedTicket[], now: number): void {
    for (const ticket of tickets) this.#links.get(ticket.relay)?.grant(ticket, now);
    this.tick(now);
  }

  /** A new pair of keys: transport packets with this receiver index are for that peer. */
  addFlow(receiverIndex: number, agent: AgentId, now: number): void {
    this.#flows.delete(receiverIndex);
    this.#flows.set(receiverIndex, agent);
    for (const link of this.#links.values()) if (link.isBound) link.bindNow(now);
    this.tick(now);
  }

  removeFlow(receiverIndex: number): void {
    this.#flows.delete(receiverIndex);
  }

  /** A Bound from `from`. False when it is not one of ours. */
  receiveBound(datagram: Uint8Array, from: Endpoint, now: number): boolean {
    const link = this.#byEndpoint.get(from);
    if (link?.ticket === undefined) return false;
    const bound = openBound(datagram, link.ticket.sessionKey, this.#options.sealer);
    if (isRefusal(bound)) return false;
    const before = { state: link.state, observed: link.observed };
    const rttMs = link.answered(bound, from, now);
    if (rttMs === undefined) return false;
    this.#report(link, before.state, rttMs);
    if (link.isBound && (before.observed !== link.observed || before.state !== "bound"))
      this.#sink.reflexiveChanged();
    if (link.isBound) this.#firstAnswerMs ??= now;
    this.#decide(now);
    this.tick(now);
    return true;
  }

  /** Data to peers by this relay stays unanswered: ask the relay itself, now. */
  doubt(relay: RelayId, now: number): void {
    const link = this.#links.get(relay);
    if (link === undefined || (link.lastHeardMs !== undefined && now - link.lastHeardMs < 100)) return;
    link.bindNow(now);
    this.tick(now);
  }

  heardFrom(relay: RelayId, now: number): void {
    this.#links.get(relay)?.heard(now);
  }

  /** Local addresses changed: every binding is made anew. */
  networkChanged(now: number): void {
    for (const link of this.#links.values()) link.rebind(now);
    this.tick(now);
  }

  /** Unbinds everywhere, as a courtesy before going. */
  leave(): void {
    for (const link of this.#links.values())
      if (link.isBound && link.endpoint !== undefined) this.#bind(link, link.endpoint, true);
  }

  tick(now: number): void {
    for (const link of this.#links.values()) {
      const door = link.dueDoor(now);
      if (door === undefined) continue;
      if (!this.#isKept(link) && link.isBound && link.rtt.samples >= 3) {
        // Measured and not needed: the binding may lapse, the relay is asked again later.
        if (now - (link.lastHeardMs ?? 0) < MEASURE_INTERVAL_MS) continue;
      }
      this.#bind(link, door, false);
      if (link.bindSent(door, this.#sequence, now)) {
        this.#sink.relayEvent(link, "silent", "answers no Bind");
        this.#decide(now);
      }
    }
    const settled = this.#firstAnswerMs !== undefined && now - this.#firstAnswerMs >= SETTLING_MS;
    if (settled && !this.#settled) {
      this.#decide(now);
      this.#settled = true;
    }
  }

  nextDeadline(): number | undefined {
    let deadline = Number.POSITIVE_INFINITY;
    for (const link of this.#links.values()) {
      let at = link.deadlineMs;
      if (at === undefined) continue;
      if (!this.#isKept(link) && link.isBound && link.rtt.samples >= 3) {
        at = Math.max(at, (link.lastHeardMs ?? 0) + MEASURE_INTERVAL_MS);
      }
      deadline = Math.min(deadline, at);
    }
    if (this.#firstAnswerMs !== undefined && !this.#settled) {
      deadline = Math.min(deadline, this.#firstAnswerMs + SETTLING_MS);
    }
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
  }

  #isKept(link: RelayLink): boolean {
    const { home, standby } = this.#homes;
    if ((this.#options.outsideClients ?? []).length > 0) return true;
    return home === undefined || link.info.id === home || link.info.id === standby;
  }

  #bind(link: RelayLink, door: Endpoint, leaving: boolean): void {
    const { ticket } = link;
    if (ticket === undefined) return;
    this.#sequence++;
    const { sealer, random } = this.#options;
    const flows = this.#newestFlows();
    const bind: Bind = { sequence: this.#sequence, cookie: link.cookieFor(door), leaving, flows };
    const datagram = encodeBind(bind, ticket.sealed, ticket.sessionKey, random(NONCE_LENGTH), sealer);
    this.#sink.sendDatagram(datagram, door);
  }

  #newestFlows(): Flow[] {
    const newest = [...this.#flows].slice(-FLOWS_PER_BIND_MAX);
    return newest.map(([receiverIndex, agent]) => ({ receiverIndex, agent }));
  }

  #report(link: RelayLink, before: RelayLink["state"], rttMs: number): void {
    if (link.state === before) return;
    const detail = `${rttMs.toFixed(1)} ms, sees us as ${link.observed}`;
    if (link.state === "bound") this.#sink.relayEvent(link, "bound", detail);
    else if (link.state === "refused") this.#sink.relayEvent(link, "refused", "the relay refuses this agent");
    else if (link.state === "unbound") this.#sink.ticketsWanted([link.info.id]);
  }

  #decide(now: number): void {
    const settling =
      this.#firstAnswerMs === undefined || now - this.#firstAnswerMs < SETTLING_MS || !this.#settled;
    const options = [...this.#links.values()].flatMap((link) => {
      const rttMs = link.rtt.leastMs;
      if (!link.isUsable || rttMs === undefined) return [];
      const draining = link.draining || link.info.state === "draining";
      const { id, region } = link.info;
      return [{ relay: id, region, rttMs, samples: link.rtt.samples, rank: link.rank, draining }];
    });
    const before = this.#homes;
    const homes = chooseHomes(options, before, settling);
    this.#homes = homes;
    if (homes.home === before.home && homes.standby === before.standby) return;
    for (const id of [homes.home, homes.standby]) {
      if (id !== undefined && id !== before.home && id !== before.standby) this.#links.get(id)?.bindNow(now);
    }
    this.#sink.homesChanged(homes, before);
  }
}
