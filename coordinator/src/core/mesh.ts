/**
 * The mesh as the coordinator sees it: relays and agents come, speak, fall silent and go; out come the messages that
 * each of them is owed, in order, and what the store should remember. The one machine of this package: inputs take
 * `now`, outputs are taken from a queue, `nextDeadline` says when it wants `tick`.
 */
import {
  type AgentId,
  type FromAgent,
  type FromRelay,
  type NetworkId,
  type PeerInfo,
  type RelayId,
  type Route,
  type Sealer,
  type ToAgent,
  type ToRelay,
  toBase64,
} from "@burrow/protocol";
import { type AgentEntry, AgentRegistry, type Presence, peerInfo, routeOf } from "./agents.ts";
import type { GeoLocation } from "./geo.ts";
import { earlier, News } from "./news.ts";
import { type Ranked, rankingForAgents, rankRelays } from "./ranking.ts";
import type { AgentHome, AgentRecord, NetworkRecord, RelayRecord } from "./records.ts";
import { type RelayEntry, RelayRegistry, relayInfo } from "./relays.ts";
import { selectRelays } from "./selection.ts";
import { type RandomBytes, TICKET_LIFE_MS, TicketOffice } from "./ticket-office.ts";

export type Output =
  | { readonly to: "agent"; readonly agent: AgentId; readonly message: ToAgent }
  /** The same text for many. */
  | { readonly to: "agents"; readonly agents: readonly AgentId[]; readonly message: ToAgent }
  | { readonly to: "relay"; readonly relay: RelayId; readonly message: ToRelay }
  /** To all relays that are connected. */
  | { readonly to: "relays"; readonly message: ToRelay }
  | { readonly to: "store"; readonly homes: readonly AgentHome[] }
  | { readonly to: "store"; readonly relay: RelayId; readonly downSinceMs: number | undefined }
  | { readonly to: "log"; readonly event: MeshEvent };

export type MeshEvent =
  | { readonly kind: "relay-state"; readonly entry: RelayEntry }
  | { readonly kind: "introduced"; readonly from: AgentId; readonly peer: AgentId }
  | { readonly kind: "tickets"; readonly count: number };

export interface MeshStart {
  readonly agents: readonly AgentRecord[];
  readonly relays: readonly RelayRecord[];
  readonly sealer: Sealer;
  readonly random: RandomBytes;
  readonly now: number;
}

export class Mesh {
  readonly relays: RelayRegistry;
  readonly agents: AgentRegistry;
  readonly #office: TicketOffice;
  readonly #news = new News();
  /** Keys that were revoked while tickets of theirs may still be good. */
  readonly #revoked = new Map<AgentId, number>();
  /** Rankings by origin, good for as long as the relay map stays the same. */
  readonly #rankings = new Map<string, readonly Ranked[]>();
  #outputs: Output[] = [];

  constructor(start: MeshStart) {
    this.relays = new RelayRegistry(start.relays, start.now);
    this.agents = new AgentRegistry(start.agents);
    this.#office = new TicketOffice(start.sealer, start.random);
    for (const { id, revokedAtMs } of start.agents) {
      if (revokedAtMs !== undefined) this.#revoked.set(id, revokedAtMs);
    }
  }

  /** What is to be done, in order. */
  takeOutputs(): Output[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  // ── relays ──

  relayConnected(record: RelayRecord, now: number): void {
    const wasDown = this.relays.get(record.id)?.state === "down";
    if (this.relays.connected(record, now)) this.#relayMapChanged(now);
    if (wasDown || record.downSinceMs !== undefined) this.#relayMoved(record.id, undefined);
    const routes: Route[] = [];
    for (const entry of this.agents.all()) {
      const route = routeOf(entry);
      if (route !== undefined) routes.push(route);
    }
    this.#toRelay(record.id, {
      type: "welcome",
      relay: record.id,
      ticketKey: toBase64(record.ticketKey),
      endpoints: [...record.endpoints],
      relays: this.#relayMap(),
      routes,
    });
    if (record.drainRequested) this.#toRelay(record.id, { type: "drain", draining: true });
    for (const agent of this.#recentlyRevoked(now)) this.#toRelay(record.id, { type: "revoke", agent });
  }

  relaySaid(id: RelayId, { load, draining }: FromRelay, now: number): void {
    const wasDown = this.relays.get(id)?.state === "down";
    if (!this.relays.heartbeat(id, load, draining, now)) return;
    this.#relayMapChanged(now);
    if (wasDown) this.#relayMoved(id, undefined);
    else this.#logState(id);
  }

  relayDisconnected(id: RelayId): void {
    this.relays.disconnected(id);
  }

  /** An operator's wish, already stored. */
  drainRequested(record: RelayRecord, now: number): void {
    if (this.relays.requestDrain(record, now)) {
      this.#relayMapChanged(now);
      this.#logState(record.id);
    }
    this.#toRelay(record.id, { type: "drain", draining: record.drainRequested });
  }

  // ── agents ──

  agentConnected(record: AgentRecord, network: NetworkRecord, presence: Presence, now: number): void {
    const entry = this.agents.connected(record, presence);
    const ranking = this.ranking(presence.location);
    const relays = selectRelays(presence.location, ranking);
    // Where it is bound already it may stay, whatever the map says.
    for (const bound of [entry.record.home, entry.record.standby]) {
      if (bound !== undefined && !relays.includes(bound)) relays.push(bound);
    }
    const { address, location } = presence;
    this.#toAgent(record.id, {
      type: "welcome",
      agent: {
        id: record.id,
        name: record.name,
        network: network.id,
        networkName: network.name,
        ipv4: entry.ipv4,
        ipv6: entry.ipv6,
      },
      observed: location === undefined ? { address } : { address, place: location.label },
      relays: this.#relayMap(),
      ranking: rankingForAgents(ranking),
      tickets: this.#issue(entry, relays, now, true),
      peers: this.#peersOf(entry),
    });
    this.#peerChanged(entry, now);
  }

  agentSaid(id: AgentId, message: FromAgent, now: number): void {
    const entry = this.agents.get(id);
    if (entry === undefined) return;
    switch (message.type) {
      case "candidates":
        this.agents.update(id, { candidates: message.candidates, nat: message.nat });
        break;
      case "home":
        this.#homeReported(entry, message, now);
        break;
      case "introduce":
        this.#introduce(entry, message.peer);
        break;
      case "ticket-request":
        this.#ticketsRequested(entry, message.relays, now);
        break;
      case "paths":
        this.agents.update(id, { paths: message.paths });
        break;
      case "ping":
        this.#toAgent(id, { type: "pong" });
        break;
    }
  }

  agentDisconnected(id: AgentId, now: number): void {
    const entry = this.agents.get(id);
    if (entry?.presence === undefined) return;
    this.agents.disconnected(id);
    this.#office.forget(id);
    this.#peerChanged(entry, now);
  }

  /** Already stored as revoked; its channel is for the shell to close. */
  agentRevoked(id: AgentId, now: number): void {
    const entry = this.agents.forget(id);
    this.#office.forget(id);
    this.#revoked.set(id, now);
    this.#outputs.push({ to: "relays", message: { type: "revoke", agent: id } });
    if (entry === undefined) return;
    this.#news.route(id, now);
    this.#peerChanged(entry, now);
  }

  // ── time ──

  tick(now: number): void {
    for (const entry of this.relays.tick(now)) {
      this.#relayMapChanged(now);
      this.#relayMoved(entry.record.id, now);
    }
    for (const id of this.#office.due(now)) this.#renewTickets(id, now);
    this.#tellNews(now, now);
  }

  /** Tells all news at once, due or not: for a last word before the end. */
  flush(now: number): void {
    this.#tellNews(Number.POSITIVE_INFINITY, now);
  }

  #tellNews(dueMs: number, now: number): void {
    const { routes, relayMap, peers } = this.#news.take(dueMs);
    if (routes.size > 0) this.#tellRoutes(routes);
    if (relayMap) this.#tellRelayMap(now);
    for (const [network, changed] of peers) this.#tellPeers(network, changed);
  }

  nextDeadline(): number | undefined {
    return earlier(
      earlier(this.relays.nextDeadline(), this.#office.nextDeadline()),
      this.#news.nextDeadline(),
    );
  }

  /** All relays as they look from `origin`. */
  ranking(origin: GeoLocation | undefined): readonly Ranked[] {
    const key = origin === undefined ? "" : `${origin.at.lat} ${origin.at.lon} ${origin.label}`;
    let ranking = this.#rankings.get(key);
    if (ranking === undefined) {
      const relays = this.relays.all().map(({ record, state }) => ({ ...pickRelay(record), state }));
      ranking = rankRelays(origin, relays);
      if (this.#rankings.size >= RANKINGS_MAX) this.#rankings.clear();
      this.#rankings.set(key, ranking);
    }
    return ranking;
  }

  // ── what agents say ──

  #homeReported(entry: AgentEntry, said: Extract<FromAgent, { type: "home" }>, now: number): void {
    const { id } = entry.record;
    const isKnown = (relay: RelayId | undefined) =>
      relay !== undefined && this.relays.get(relay) !== undefined ? relay : undefined;
    this.agents.update(id, { rtts: said.rtts, homeReason: said.reason });
    if (!this.agents.setHome(id, isKnown(said.home), isKnown(said.standby))) return;
    this.#news.route(id, now);
    this.#peerChanged(entry, now);
  }

  #introduce(entry: AgentEntry, peer: AgentId): void {
    const other = this.agents.get(peer);
    const { id, network } = entry.record;
    // Whether an agent exists in another network is nobody's business: the same answer as for none at all.
    if (other === undefined || other.record.network !== network || peer === id) {
      const message = `There is no agent ${peer} in this network.`;
      const remedy = "List the peers with: burrow peers";
      this.#toAgent(id, { type: "error", code: "peer-unknown", message, remedy });
      return;
    }
    if (other.presence === undefined || entry.presence === undefined) return;
    this.#probeNow(entry, other);
    this.#probeNow(other, entry);
    this.#outputs.push({ to: "log", event: { kind: "introduced", from: id, peer } });
  }

  #probeNow(to: AgentEntry, of: AgentEntry): void {
    const { candidates, nat } = of;
    this.#toAgent(to.record.id, {
      type: "probe-now",
      peer: of.record.id,
      candidates: [...candidates],
      nat,
    });
  }

  #ticketsRequested(entry: AgentEntry, asked: readonly RelayId[], now: number): void {
    const relays = asked.length > 0 ? asked : this.#selectionFor(entry);
    const tickets = this.#issue(entry, relays, now, asked.length === 0);
    this.#toAgent(entry.record.id, { type: "tickets", tickets });
  }

  #renewTickets(id: AgentId, now: number): void {
    const entry = this.agents.get(id);
    if (entry?.presence === undefined) {
      this.#office.forget(id);
      return;
    }
    const relays = new Set([...this.#selectionFor(entry), ...this.#office.held(id)]);
    this.#toAgent(id, { type: "tickets", tickets: this.#issue(entry, [...relays], now, true) });
  }

  // ── what is told ──

  #tellRoutes(changed: ReadonlySet<AgentId>): void {
    const upsert: Route[] = [];
    const remove: AgentId[] = [];
    const homes: AgentHome[] = [];
    for (const id of changed) {
      const entry = this.agents.get(id);
      const route = entry === undefined ? undefined : routeOf(entry);
      if (route === undefined) remove.push(id);
      else upsert.push(route);
      if (entry !== undefined) {
        homes.push({ agent: id, home: entry.record.home, standby: entry.record.standby });
      }
    }
    this.#outputs.push({ to: "relays", message: { type: "routes", upsert, remove } });
    if (homes.length > 0) this.#outputs.push({ to: "store", homes });
  }

  #tellRelayMap(now: number): void {
    const relays = this.#relayMap();
    this.#outputs.push({ to: "relays", message: { type: "relays", relays } });
    for (const entry of this.agents.all()) {
      if (entry.presence === undefined) continue;
      const { id } = entry.record;
      const ranking = rankingForAgents(this.ranking(entry.presence.location));
      this.#toAgent(id, { type: "relays", relays, ranking });
      const held = this.#office.held(id);
      const missing = this.#selectionFor(entry).filter((relay) => !held.has(relay));
      if (missing.length === 0) continue;
      this.#toAgent(id, { type: "tickets", tickets: this.#issue(entry, missing, now, false) });
    }
  }

  #tellPeers(network: NetworkId, changed: ReadonlySet<AgentId>): void {
    const members = this.agents.inNetwork(network);
    const gone: AgentId[] = [];
    const present: AgentEntry[] = [];
    for (const id of changed) {
      const entry = members.get(id);
      if (entry === undefined) gone.push(id);
      else present.push(entry);
    }
    for (let at = 0; at === 0 || at < present.length; at += PEERS_PER_MESSAGE) {
      const slice = present.slice(at, at + PEERS_PER_MESSAGE);
      this.#tellPeersOf(members, slice, at === 0 ? gone : []);
    }
  }

  /** Nobody is a peer of itself: those who are in the news get a text of their own, all others the same one. */
  #tellPeersOf(
    members: ReadonlyMap<AgentId, AgentEntry>,
    present: readonly AgentEntry[],
    remove: AgentId[],
  ): void {
    const upsert = present.map(peerInfo);
    const own = new Set(upsert.map(({ id }) => id));
    const others: AgentId[] = [];
    for (const [id, { presence }] of members) if (presence !== undefined && !own.has(id)) others.push(id);
    if (others.length > 0) {
      this.#outputs.push({ to: "agents", agents: others, message: { type: "peers", upsert, remove } });
    }
    for (const { record, presence } of present) {
      const mine = upsert.filter(({ id }) => id !== record.id);
      if (presence === undefined || mine.length + remove.length === 0) continue;
      this.#toAgent(record.id, { type: "peers", upsert: mine, remove });
    }
  }

  #peersOf({ record }: AgentEntry): PeerInfo[] {
    const peers: PeerInfo[] = [];
    for (const [id, entry] of this.agents.inNetwork(record.network)) {
      if (id !== record.id) peers.push(peerInfo(entry));
    }
    return peers;
  }

  #relayMap() {
    return this.relays.all().map(relayInfo);
  }

  // ── helpers ──

  #selectionFor({ presence }: AgentEntry): RelayId[] {
    return selectRelays(presence?.location, this.ranking(presence?.location));
  }

  #issue(entry: AgentEntry, relays: readonly RelayId[], now: number, renews: boolean) {
    const records = relays.map((id) => this.relays.get(id)?.record).filter((record) => record !== undefined);
    const outside = entry.presence?.acceptsOutside ?? false;
    const tickets = this.#office.issue(entry.record, outside, records, now, renews);
    this.#outputs.push({ to: "log", event: { kind: "tickets", count: tickets.length } });
    return tickets;
  }

  #peerChanged({ record }: AgentEntry, now: number): void {
    const members = this.agents.inNetwork(record.network).size;
    this.#news.peer(record.network, record.id, members, now);
  }

  #relayMapChanged(now: number): void {
    this.#rankings.clear();
    this.#news.relayMap(now);
  }

  /** It went down, or came back. */
  #relayMoved(relay: RelayId, downSinceMs: number | undefined): void {
    this.#outputs.push({ to: "store", relay, downSinceMs });
    this.#logState(relay);
  }

  #logState(relay: RelayId): void {
    const entry = this.relays.get(relay);
    if (entry !== undefined) this.#outputs.push({ to: "log", event: { kind: "relay-state", entry } });
  }

  #recentlyRevoked(now: number): AgentId[] {
    for (const [id, atMs] of this.#revoked) if (now - atMs > TICKET_LIFE_MS) this.#revoked.delete(id);
    return [...this.#revoked.keys()];
  }

  #toAgent(agent: AgentId, message: ToAgent): void {
    this.#outputs.push({ to: "agent", agent, message });
  }

  #toRelay(relay: RelayId, message: ToRelay): void {
    this.#outputs.push({ to: "relay", relay, message });
  }
}

/** Bounds what is written anew for each of many agents that arrive together. */
const PEERS_PER_MESSAGE = 64;
/** Enough for every city that agents come from; dropped as a whole whenever the relay map changes. */
const RANKINGS_MAX = 10_000;

function pickRelay({ id, region, at }: RelayRecord) {
  return { id, region, at };
}
