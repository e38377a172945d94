/**
 * All relays of this agent: binds to those it has tickets for, measures them, keeps a home and a standby, and tells
 * every relay which receiver index belongs to which peer. Sans-IO.
 */
import {
  type AgentId,
  type Bind,
  BindStatus,
  type Bound,
  type Endpoint,
  encodeBind,
  FLOWS_PER_BIND_MAX,
  type Flow,
  type GrantedTicket,
  isRefusal,
  isUsableTarget,
  NONCE_LENGTH,
  openBound,
  type RankedRelay,
  type RelayCrowd,
  type RelayId,
  type RelayInfo,
  type Sealer,
} from "@burrow/protocol";
import { type HomeOption, type Homes, Homing } from "./homing.ts";
import { OutsideView } from "./outside-view.ts";
import { FIRST_SAMPLES, RelayLink } from "./relay-link.ts";

/** For so long after the first answer the choice of the home is still free. */
const SETTLING_MS = 1_500;
/** A relay by which a peer's packets come stays bound for so long after, be it home or not. */
const WANTED_FOR_MS = 30_000;
/** Tickets that were asked for and did not come are asked for again. */
const TICKET_RETRY_MS = 30_000;
const STRAY_TICKETS_MAX = 32;
/** A relay may be on this very machine, and may have an address of the carriers' block. */
const NEAR = ["loopback", "overlay"] as const;

export interface RelayLinksSink {
  sendDatagram(datagram: Uint8Array, to: Endpoint): void;
  homesChanged(homes: Homes, before: Homes): void;
  /** Our address as some relay sees it is new. */
  reflexiveChanged(): void;
  /** A relay has been measured often enough for its round trip to be told. */
  relayMeasured(relay: RelayLink): void;
  relayEvent(relay: RelayLink, event: "bound" | "silent" | "refused", detail: string): void;
  /** Tickets are missing or expired. */
  ticketsWanted(relays: readonly RelayId[]): void;
}

export interface RelayLinksOptions {
  readonly sealer: Sealer;
  readonly random: (length: number) => Uint8Array;
  /** Sequences begin there: they have to rise across restarts under one ticket. */
  readonly firstSequence: number;
  /** With any, every binding is kept: they come in by whichever relay they were told of, home or not. */
  readonly outsideClients?: readonly unknown[];
}

export class RelayLinks {
  /** How we look from outside. */
  readonly outside = new OutsideView(() => this.links);
  readonly #sink: RelayLinksSink;
  readonly #options: RelayLinksOptions;
  readonly #links = new Map<RelayId, RelayLink>();
  /** Mostly one each; but any relay may say of itself that it is reached where another one is. */
  readonly #byEndpoint = new Map<Endpoint, readonly RelayLink[]>();
  readonly #flows = new Map<number, AgentId>();
  #sequence: number;
  readonly #homing = new Homing();
  #firstAnswerMs: number | undefined;
  #settled = false;
  readonly #wantedUntilMs = new Map<RelayId, number>();
  readonly #ticketRetryMs = new Map<RelayId, number>();
  /** For relays that are not on the map yet: messages may come in any order. */
  #strayTickets: readonly GrantedTicket[] = [];
  #now = 0;

  constructor(sink: RelayLinksSink, options: RelayLinksOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#sequence = options.firstSequence;
  }

  get homes(): Homes {
    return this.#homing.homes;
  }

  /** Home and standby, as far as there are any. */
  get kept(): readonly RelayId[] {
    const { home, standby } = this.#homing.homes;
    return [home, standby].filter((relay) => relay !== undefined);
  }

  /** How often the home moved for a gain within a day: bounded, and shown. */
  get homeMoves(): number {
    return this.#homing.moves;
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

  /** The relay that owns this endpoint, if any. Asked for every run of datagrams, so it allocates nothing. */
  relayAt(endpoint: Endpoint): RelayId | undefined {
    const links = this.#byEndpoint.get(endpoint);
    if (links === undefined) return undefined;
    for (const link of links) if (link.isBound) return link.info.id;
    return links[0]?.info.id;
  }

  /** The relay map, and in which order this agent should try them. */
  setRelays(map: readonly RelayInfo[], ranking: readonly RankedRelay[], now: number): void {
    const relays = map.map(withUsableEndpoints).filter(isReachable);
    const ranks = new Map(ranking.map((ranked, index) => [ranked.relay, { ...ranked, index }]));
    // Advice holds until there is other advice: most rankings are for all agents of a place and have none.
    const advises = ranking.some(({ standby }) => standby === true);
    for (const info of relays) {
      const rank = ranks.get(info.id);
      const link = this.#links.get(info.id) ?? new RelayLink(info, rank?.index ?? relays.length);
      this.#links.set(info.id, link);
      const moved = link.info.endpoints.join() !== info.endpoints.join();
      link.info = info;
      link.rank = rank?.index ?? relays.length;
      link.expectedRttMs = rank?.expectedRttMs;
      link.penaltyMs = rank?.penaltyMs ?? 0;
      if (advises) link.isReserve = rank?.standby === true;
      link.rankReason = rank?.reason ?? "not among the nearest";
      if (moved) link.rebind(now);
    }
    const listed = new Set(relays.map((relay) => relay.id));
    for (const id of [...this.#links.keys()]) if (!listed.has(id)) this.#forget(id);
    this.#byEndpoint.clear();
    for (const link of this.#links.values()) {
      for (const door of link.doors)
        this.#byEndpoint.set(door, [...(this.#byEndpoint.get(door) ?? []), link]);
    }
    this.#decide(now);
    this.grant(this.#strayTickets, now);
  }

  /** How crowded each is for this agent. */
  setCrowds(crowds: readonly RelayCrowd[], now: number): void {
    const known = new Map(crowds.map(({ relay, ms }) => [relay, ms]));
    for (const link of this.#links.values()) link.crowdMs = known.get(link.info.id) ?? 0;
    this.#decide(now);
  }

  grant(tickets: readonly GrantedTicket[], now: number): void {
    for (const ticket of tickets) {
      this.#links.get(ticket.relay)?.grant(ticket, now);
      this.#ticketRetryMs.delete(ticket.relay);
    }
    const all = tickets === this.#strayTickets ? tickets : [...this.#strayTickets, ...tickets];
    this.#strayTickets = all.filter(({ relay }) => !this.#links.has(relay)).slice(-STRAY_TICKETS_MAX);
    this.tick(now);
  }

  /** A new pair of keys: transport packets with this receiver index are for that peer. */
  addFlow(receiverIndex: number, agent: AgentId, now: number): void {
    this.#flows.delete(receiverIndex);
    this.#flows.set(receiverIndex, agent);
    for (const link of this.#links.values()) {
      link.undeclared.delete(receiverIndex);
      link.undeclared.add(receiverIndex);
      if (link.isBound) link.bindNow(now);
    }
    this.tick(now);
  }

  /** Whether the relay has confirmed that it knows the flow. */
  isDeclared(relay: RelayId, receiverIndex: number): boolean {
    return this.#links.get(relay)?.undeclared.has(receiverIndex) === false;
  }

  removeFlow(receiverIndex: number): void {
    this.#flows.delete(receiverIndex);
    for (const link of this.#links.values()) link.undeclared.delete(receiverIndex);
  }

  /** A Bound from `from`. False when it is not one of ours. */
  receiveBound(datagram: Uint8Array, from: Endpoint, now: number): boolean {
    for (const link of this.#byEndpoint.get(from) ?? []) {
      if (link.ticket === undefined) continue;
      const bound = openBound(datagram, link.ticket.sessionKey, this.#options.sealer);
      if (!isRefusal(bound)) return this.#bound(link, bound, from, now);
    }
    return false;
  }

  #bound(link: RelayLink, bound: Bound, from: Endpoint, now: number): boolean {
    const before = { state: link.state, observed: link.observed, samples: link.rtt.samples };
    const rttMs = link.answered(bound, from, now);
    if (rttMs === undefined) return false;
    this.#now = now;
    if (bound.status === BindStatus.challenge) {
      // It does not know us (any more): what it was told of flows may be gone too.
      for (const index of this.#flows.keys()) link.undeclared.add(index);
    }
    const hasMoved = before.observed !== undefined && link.isBound && before.observed !== link.observed;
    if (hasMoved && this.#isKept(link)) this.#renewOthers(link, now);
    this.#report(link, before.state, rttMs);
    if (link.isBound && (before.observed !== link.observed || before.state !== "bound"))
      this.#sink.reflexiveChanged();
    if (link.isBound) this.#firstAnswerMs ??= now;
    this.#decide(now);
    if (before.samples < FIRST_SAMPLES && link.rtt.samples >= FIRST_SAMPLES) this.#sink.relayMeasured(link);
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

  /** Data goes by this relay: it stays bound for a while, be it home or not. Called for every packet. */
  want(relay: RelayId, now: number): void {
    if (relay !== this.#homing.homes.home && relay !== this.#homing.homes.standby) {
      this.#wantedUntilMs.set(relay, now + WANTED_FOR_MS);
    }
  }

  /** Peers' packets come by this relay: it lives, and stays bound for a while. */
  heardFrom(relay: RelayId, now: number): void {
    this.#links.get(relay)?.heard(now);
    this.want(relay, now);
  }

  /** Local addresses changed: every binding is made anew. */
  networkChanged(now: number): void {
    for (const link of this.#links.values()) link.rebind(now);
    // Near and far are not what they were: the choice is free again.
    this.#firstAnswerMs = undefined;
    this.#settled = false;
    this.tick(now);
  }

  /** Unbinds everywhere, as a courtesy before going. */
  leave(): void {
    for (const link of this.#links.values())
      if (link.isBound && link.endpoint !== undefined) this.#bind(link, link.endpoint, true, this.#now);
  }

  tick(now: number): void {
    this.#now = now;
    for (const link of this.#links.values()) {
      let fellSilent = false;
      for (const door of link.dueDoors(this.#isKept(link), now)) {
        if (this.#bind(link, door, false, now)) fellSilent = true;
      }
      if (!fellSilent) continue;
      this.#sink.relayEvent(link, "silent", "answers no Bind");
      this.#decide(now);
    }
    for (const [relay, atMs] of this.#ticketRetryMs) if (atMs <= now) this.#wantTicket(relay, now);
    const settled = this.#firstAnswerMs !== undefined && now - this.#firstAnswerMs >= SETTLING_MS;
    if (settled && !this.#settled) {
      this.#decide(now);
      this.#settled = true;
    }
  }

  nextDeadline(): number | undefined {
    let deadline = Number.POSITIVE_INFINITY;
    for (const link of this.#links.values()) {
      deadline = Math.min(deadline, link.dueMs(this.#isKept(link)) ?? deadline);
    }
    for (const atMs of this.#ticketRetryMs.values()) deadline = Math.min(deadline, atMs);
    if (this.#firstAnswerMs !== undefined && !this.#settled) {
      deadline = Math.min(deadline, this.#firstAnswerMs + SETTLING_MS);
    }
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
  }

  #isKept(link: RelayLink): boolean {
    const { home, standby } = this.#homing.homes;
    if ((this.#options.outsideClients ?? []).length > 0) return true;
    if (home === undefined || link.info.id === home || link.info.id === standby) return true;
    return (this.#wantedUntilMs.get(link.info.id) ?? 0) > this.#now;
  }

  /** Relays that were bound under an address that is gone would send there what is for us. */
  #renewOthers(moved: RelayLink, now: number): void {
    for (const link of this.#links.values()) if (link !== moved && link.isBound) link.renew(now);
  }

  #forget(relay: RelayId): void {
    this.#links.delete(relay);
    this.#wantedUntilMs.delete(relay);
    this.#ticketRetryMs.delete(relay);
  }

  #wantTicket(relay: RelayId, now: number): void {
    this.#ticketRetryMs.set(relay, now + TICKET_RETRY_MS);
    this.#sink.ticketsWanted([relay]);
  }

  /** True if this is one Bind too many without an answer: the relay is unbound. */
  #bind(link: RelayLink, door: Endpoint, leaving: boolean, now: number): boolean {
    const { ticket } = link;
    if (ticket === undefined) return false;
    this.#sequence++;
    const { sealer, random } = this.#options;
    const flows = this.#flowsFor(link);
    const bind: Bind = { sequence: this.#sequence, cookie: link.cookieFor(door), leaving, flows };
    const datagram = encodeBind(bind, ticket.sealed, ticket.sessionKey, random(NONCE_LENGTH), sealer);
    this.#sink.sendDatagram(datagram, door);
    const declared = flows.map(({ receiverIndex }) => receiverIndex);
    return link.bindSent(door, this.#sequence, declared, now);
  }

  /** The newest that the relay has not confirmed; when it has all, the newest once more, to keep them alive. */
  #flowsFor({ undeclared }: RelayLink): Flow[] {
    const indices = undeclared.size > 0 ? undeclared : this.#flows.keys();
    return [...indices].slice(-FLOWS_PER_BIND_MAX).flatMap((receiverIndex) => {
      const agent = this.#flows.get(receiverIndex);
      return agent === undefined ? [] : { receiverIndex, agent };
    });
  }

  #report(link: RelayLink, before: RelayLink["state"], rttMs: number): void {
    if (link.state === before) return;
    const detail = `${rttMs.toFixed(1)} ms, sees us as ${link.observed}`;
    if (link.state === "bound") this.#sink.relayEvent(link, "bound", detail);
    else if (link.state === "refused") this.#sink.relayEvent(link, "refused", "the relay refuses this agent");
    else if (link.state === "unbound") this.#wantTicket(link.info.id, this.#now);
  }

  #decide(now: number): void {
    const settling =
      this.#firstAnswerMs === undefined || now - this.#firstAnswerMs < SETTLING_MS || !this.#settled;
    const options = [...this.#links.values()].flatMap((link): HomeOption | [] => {
      const rttMs = link.rtt.leastMs;
      if (!link.isBound || rttMs === undefined) return [];
      // Down, says the coordinator; but it answers us, and where there is no other it will do.
      const isDown = link.info.state === "down";
      const draining = link.draining || link.info.state !== "healthy";
      const { rank, penaltyMs, crowdMs, isReserve, rtt, info } = link;
      const { id: relay, region } = info;
      const { samples } = rtt;
      return { relay, region, rttMs, samples, rank, penaltyMs, crowdMs, isReserve, draining, isDown };
    });
    const before = this.#homing.homes;
    const homes = this.#homing.decide(options, settling, now);
    if (homes.home === before.home && homes.standby === before.standby) return;
    // A binding that lapsed while it was not needed is due at once, now that it is.
    this.#sink.homesChanged(homes, before);
  }
}

/** What a relay says of itself may point at a machine's metadata service, or at all its neighbours. */
function withUsableEndpoints(relay: RelayInfo): RelayInfo {
  return { ...relay, endpoints: relay.endpoints.filter((endpoint) => isUsableTarget(endpoint, NEAR)) };
}

function isReachable({ endpoints, websocket }: RelayInfo): boolean {
  return endpoints.length > 0 || websocket !== undefined;
}
