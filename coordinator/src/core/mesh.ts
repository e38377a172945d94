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
  RATE_DEFAULT,
  type RateName,
  type RelayId,
  type Sealer,
  type ToAgent,
  type ToRelay,
  toBase64,
} from "@burrow/protocol";
import { type AgentEntry, AgentRegistry, type Presence } from "./agents.ts";
import { FigureSums } from "./figures.ts";
import type { GeoLocation } from "./geo.ts";
import { Grants } from "./grants.ts";
import { Guide, type Told } from "./guide.ts";
import { Happenings, pathChanges } from "./happenings.ts";
import { HomePace, type HomeReport } from "./home-pace.ts";
import { Introductions } from "./introduce.ts";
import { IntroductionLimits } from "./introduction-limits.ts";
import { Matchmaker } from "./matchmaker.ts";
import { earlier, News } from "./news.ts";
import { Outlook } from "./outlook.ts";
import type { Output } from "./outputs.ts";
import { type Ranked, rankingForAgents } from "./ranking.ts";
import type { AgentRecord, NetworkRecord, RelayRecord } from "./records.ts";
import { type RelayEntry, RelayRegistry } from "./relays.ts";
import type { Estimate } from "./selection/estimate.ts";
import { selectMore, selectRelays } from "./selection.ts";
import { allRoutes, peerNews, peersOf, routeNews } from "./telling.ts";
import type { RandomBytes } from "./ticket-office.ts";

export interface MeshStart {
  readonly agents: readonly AgentRecord[];
  readonly relays: readonly RelayRecord[];
  readonly sealer: Sealer;
  readonly random: RandomBytes;
  readonly now: number;
  /** The same moment by the wall clock, in Unix milliseconds; without it, `now` is such already. */
  readonly unixNow?: number | undefined;
  /** What each agent may send through a relay. Default RATE_DEFAULT. */
  readonly agentRate?: RateName | undefined;
}

export class Mesh {
  readonly relays: RelayRegistry;
  readonly agents: AgentRegistry;
  readonly figures = new FigureSums();
  readonly #grants: Grants;
  readonly #introductions: Introductions;
  readonly #introductionLimits = new IntroductionLimits();
  #unixAheadMs: number;
  readonly #homePace = new HomePace();
  readonly #news = new News();
  readonly #happenings: Happenings;
  readonly #guide = new Guide();
  readonly #matchmaker: Matchmaker;
  readonly #outlook: Outlook;
  #outputs: Output[] = [];

  constructor(start: MeshStart) {
    this.#unixAheadMs = (start.unixNow ?? start.now) - start.now;
    this.relays = new RelayRegistry(start.relays, start.now, this.#unixAheadMs);
    this.agents = new AgentRegistry(start.agents);
    this.#outlook = new Outlook(this.relays, this.#guide);
    this.#happenings = new Happenings(this.relays.all().map(({ record, state }) => [record.id, state]));
    this.#introductions = new Introductions(this.agents);
    const tell = (agent: AgentId, message: ToAgent) => this.#toAgent(agent, message);
    const rankingFor = (entry: AgentEntry) => this.#rankingFor(entry);
    this.#grants = new Grants(
      {
        agents: this.agents,
        relays: this.relays,
        sealer: start.sealer,
        random: start.random,
        agentRate: start.agentRate ?? RATE_DEFAULT,
        unixMs: (at) => this.unixMs(at),
        rankingFor,
        tell,
        issued: (count) => this.#outputs.push({ to: "log", event: { kind: "tickets", count } }),
      },
      start.agents,
      this.#unixAheadMs,
    );
    this.#matchmaker = new Matchmaker({
      agents: this.agents,
      rtts: this.#guide.rtts,
      rankingFor,
      grant: (entry, relays, now) => this.#grants.grantMissing(entry, relays, now),
      tell,
    });
  }

  /** What is to be done, in order. */
  takeOutputs(): Output[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** The wall clock is so far ahead of the clock that all inputs go by: the one may be set, the other only goes on. */
  wallClock(aheadMs: number): void {
    this.#unixAheadMs = aheadMs;
  }

  /** A moment as others are told it. */
  unixMs(at: number): number {
    return Math.floor(at + this.#unixAheadMs);
  }

  // ── relays ──

  relayConnected(record: RelayRecord, now: number): void {
    const wasDown = this.relays.get(record.id)?.state === "down" || record.downSinceMs !== undefined;
    if (this.relays.connected(record, now)) this.#relayChanged(record.id, now);
    const isDown = this.relays.get(record.id)?.state === "down";
    if (wasDown !== isDown) this.#relayMoved(record.id, isDown ? now : undefined);
    this.#toRelay(record.id, {
      type: "welcome",
      relay: record.id,
      ticketKey: toBase64(record.ticketKey),
      network: record.network,
      endpoints: [...record.endpoints],
      relays: this.#outlook.fellowsOf(record.network),
      routes: allRoutes(this.agents, record.network),
    });
    if (record.drainRequested) this.#toRelay(record.id, { type: "drain", draining: true });
    for (const agent of this.#grants.recentlyRevoked(record.network, now))
      this.#toRelay(record.id, { type: "revoke", agent });
  }

  relaySaid(id: RelayId, { load, draining, reach = [] }: FromRelay, now: number): void {
    const entry = this.relays.get(id);
    if (entry === undefined) return;
    const wasDown = entry.state === "down";
    const seen = reach.filter(({ relay }) => this.relays.mayKnow(id, relay));
    this.#guide.relayMeasured(id, seen);
    if (!this.relays.heartbeat(id, load, draining, now, seen)) return;
    this.#relayChanged(id, now);
    const isDown = this.relays.get(id)?.state === "down";
    if (wasDown || isDown) this.#relayMoved(id, isDown ? now : undefined);
    else this.#logState(id);
  }

  /** Our own probe of a relay's data port: its round trip, or undefined when nothing came back. */
  relayProbed(id: RelayId, rttMs: number | undefined, now: number): void {
    this.relays.probed(id, rttMs, now);
  }

  relayDisconnected(id: RelayId): void {
    this.relays.disconnected(id);
  }

  /** An operator's wish, already stored. */
  drainRequested(record: RelayRecord, now: number): void {
    if (this.relays.requestDrain(record, now)) {
      this.#relayChanged(record.id, now);
      this.#logState(record.id);
    }
    this.#toRelay(record.id, { type: "drain", draining: record.drainRequested });
  }

  /** An operator's wishes, already stored. */
  relayConfigured(record: RelayRecord, now: number): void {
    if (this.relays.configure(record)) this.#relayChanged(record.id, now);
  }

  /** Already removed from the store; its channel is for the shell to close. */
  relayRemoved(id: RelayId, now: number): void {
    this.#grants.forgetRelay(id);
    this.#guide.forgetRelay(id);
    const entry = this.relays.get(id);
    if (entry === undefined) return;
    this.relays.forget(id);
    this.#relayMapChanged(now);
    this.#happenings.relayRemoved(id, entry.record.region, now);
  }

  // ── agents ──

  agentConnected(record: AgentRecord, network: NetworkRecord, presence: Presence, now: number): void {
    const entry = this.agents.connected(record, presence);
    // What it measured before may have been somewhere else.
    const byMap = this.ranking(presence.location, record.network);
    const ranking = this.#guide.rank({ id: record.id, network: record.network, rtts: [] }, byMap);
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
      relays: this.#outlook.mapFor(record.network),
      ranking: this.#outlook.tellable(byMap, now),
      tickets: this.#grants.forWelcome(entry, relays, now),
      peers: peersOf(this.agents, entry),
    });
    this.#tellCrowds(record.id, ranking, true);
    this.#happenings.agentConnected(record.id, now);
    this.#peerChanged(entry, now);
  }

  agentSaid(id: AgentId, message: FromAgent, now: number): void {
    const entry = this.agents.get(id);
    if (entry === undefined) return;
    switch (message.type) {
      case "candidates":
        this.agents.update(id, {
          candidates: message.candidates,
          nat: message.nat,
          natPorts: message.natPorts,
        });
        this.#outputs.push(...this.#introductions.candidatesTold(id));
        break;
      case "home":
        this.#homeReported(entry, message, now);
        break;
      case "introduce":
        this.#introduce(entry, message.peer, now);
        break;
      case "ticket-request":
        this.#grants.requested(entry, message.relays, now);
        break;
      case "paths":
        for (const change of pathChanges(id, entry.paths, message.paths)) {
          this.#happenings.pathChanged(change, now);
        }
        this.agents.update(id, { paths: message.paths });
        break;
      case "figures":
        this.figures.add(message);
        this.agents.update(id, { pairs: message });
        break;
      case "ping":
        this.#toAgent(id, { type: "pong" });
        break;
    }
  }

  agentDisconnected(id: AgentId, now: number): void {
    const entry = this.agents.get(id);
    if (entry?.presence === undefined) return;
    const lastSeenMs = this.unixMs(now);
    this.agents.disconnected(id, lastSeenMs);
    this.#outputs.push({ to: "store", seen: [{ agent: id, lastSeenMs }] });
    this.#guide.forget(id);
    this.#introductions.forget(id);
    this.#matchmaker.forget(id);
    this.#grants.forget(id);
    this.#happenings.agentDisconnected(id, now);
    this.#peerChanged(entry, now);
  }

  /** Already stored as revoked; its channel is for the shell to close. */
  agentRevoked(record: AgentRecord, now: number): void {
    const { id, network } = record;
    const entry = this.agents.forget(id);
    this.#guide.forget(id);
    this.#introductions.forget(id);
    this.#matchmaker.forget(id);
    this.#introductionLimits.forget(id);
    this.#homePace.forget(id);
    this.#grants.revoke(record, now);
    for (const audience of this.relays.audiences()) {
      if (audience.network !== undefined && audience.network !== network) continue;
      this.#outputs.push({ to: "relays", relays: audience.relays, message: { type: "revoke", agent: id } });
    }
    if (entry === undefined) return;
    this.#happenings.agentRemoved(entry.record, now);
    this.#news.route(network, id, now);
    this.#peerChanged(entry, now);
  }

  // ── time ──

  tick(now: number): void {
    for (const entry of this.relays.tick(now)) {
      this.#relayChanged(entry.record.id, now);
      this.#relayMoved(entry.record.id, now);
    }
    this.#grants.tick(now);
    for (const { id, report } of this.#homePace.due(now)) {
      const entry = this.agents.get(id);
      if (entry === undefined) this.#homePace.forget(id);
      else this.#homeReported(entry, report, now);
    }
    this.#tellNews(now, now);
    const happenings = this.#happenings.take(now);
    if (happenings.length > 0) this.#outputs.push({ to: "watchers", happenings });
  }

  /** Tells all news at once, due or not: for a last word before the end. */
  flush(now: number): void {
    this.#tellNews(Number.POSITIVE_INFINITY, now);
    const present = this.agents.all().filter(({ presence }) => presence !== undefined);
    const lastSeenMs = this.unixMs(now);
    const seen = present.map(({ record }) => ({ agent: record.id, lastSeenMs }));
    if (seen.length > 0) this.#outputs.push({ to: "store", seen });
  }

  #tellNews(dueMs: number, now: number): void {
    const { routes, relayMap, peers } = this.#news.take(dueMs);
    if (routes.size > 0) this.#outputs.push(...routeNews(this.agents, this.relays.audiences(), routes));
    if (relayMap) this.#tellRelayMap(now);
    for (const [network, changed] of peers) {
      for (const output of peerNews(this.agents.inNetwork(network), changed)) this.#outputs.push(output);
    }
  }

  nextDeadline(): number | undefined {
    const paced = earlier(this.#grants.nextDeadline(), this.#homePace.nextDeadline());
    return earlier(
      earlier(this.relays.nextDeadline(), paced),
      earlier(this.#news.nextDeadline(), this.#happenings.nextDeadline()),
    );
  }

  /** All relays that serve `network` (for nobody in particular: that serve all) as they look from `origin`. */
  ranking(origin: GeoLocation | undefined, network?: NetworkId): readonly Ranked[] {
    return this.#outlook.ranking(origin, network);
  }

  /** The round trip between two relays: as they measured it, or as agents beside them did; undefined if nobody did. */
  rttBetween(a: RelayId, b: RelayId): Estimate | undefined {
    return this.#guide.rtts.between({ id: a }, { id: b });
  }

  /** How far all others are from this relay; where nobody measured it, as the map lets one expect. */
  linksOf({ record }: RelayEntry): { readonly to: RelayEntry; readonly estimate: Estimate | undefined }[] {
    const from = this.#guide.rtts.from(record);
    const others = this.relays.all().filter((entry) => entry.record.id !== record.id);
    return others.map((to) => ({ to, estimate: from(to.record) }));
  }

  // ── what agents say ──

  #homeReported(entry: AgentEntry, said: HomeReport, now: number): void {
    const { id } = entry.record;
    const isKnown = (relay: RelayId | undefined) =>
      relay !== undefined && this.relays.get(relay) !== undefined ? relay : undefined;
    const [home, standby] = [isKnown(said.home), isKnown(said.standby)];
    const isMove = entry.record.home !== home || entry.record.standby !== standby;
    if (!this.#homePace.take(id, said, isMove, now)) return;
    const rtts = said.rtts.filter(({ relay }) => isKnown(relay) !== undefined);
    this.agents.update(id, { rtts, homeReason: said.reason, homeMoves: said.moves });
    this.#guideAgent(entry, home, standby, now);
    const before = entry.record.home;
    const hasMoved = this.agents.setHome(id, home, standby);
    this.#matchmaker.measured(entry, now);
    if (!hasMoved) return;
    if (before !== home) {
      this.#happenings.agentMoved(id, before, home, now);
      this.#outputs.push({ to: "log", event: { kind: "home", from: before, to: home } });
    }
    this.#news.route(entry.record.network, id, now);
    this.#peerChanged(entry, now);
  }

  /** By what it measured: further relays that may be nearer still, and a standby that can take it if need be. */
  #guideAgent(
    entry: AgentEntry,
    homeId: RelayId | undefined,
    standbyId: RelayId | undefined,
    now: number,
  ): void {
    const { id } = entry.record;
    if (entry.presence === undefined) return;
    const home = homeId === undefined ? undefined : this.relays.get(homeId);
    const told = toldBy(entry);
    this.#guide.book(
      home === undefined
        ? told
        : { ...told, rtts: told.rtts.filter((rtt) => this.relays.isPossible(home, rtt)) },
      home === undefined ? undefined : this.#guide.rankable(home),
      standbyId,
      this.agents.networks,
    );
    const ranking = this.#rankingFor(entry);
    const isGranted = this.#grants.grantMissing(entry, selectMore(ranking), now);
    this.#tellCrowds(id, ranking, isGranted);
    const standby = this.#guide.adviseStandby(id, ranking);
    if (standby === undefined) return;
    this.#grants.grantMissing(entry, [standby], now);
    const advice = {
      relays: this.#outlook.mapFor(entry.record.network),
      ranking: rankingForAgents(ranking, standby),
    };
    this.#toAgent(id, { type: "relays", ...advice });
  }

  #introduce(entry: AgentEntry, peer: AgentId, now: number): void {
    const { id } = entry.record;
    if (!this.#introductionLimits.take(id, peer, now)) {
      this.#outputs.push({ to: "log", event: { kind: "introduction-dropped", from: id, peer } });
      return;
    }
    this.#outputs.push(...this.#introductions.request(id, peer));
    const other = this.agents.get(peer);
    if (other?.record.network !== entry.record.network || other === entry) return;
    if (entry.presence === undefined || other.presence === undefined) return;
    this.#matchmaker.introduced(entry, other, now);
  }

  // ── what is told ──

  /** Agents in one place have one ranking, and so one text: twenty thousand of them must not cost as many. */
  #tellRelayMap(now: number): void {
    for (const { network, relays } of this.relays.audiences()) {
      const message: ToRelay = { type: "relays", relays: this.#outlook.fellowsOf(network) };
      this.#outputs.push({ to: "relays", relays, message });
    }
    const groups = new Map<readonly Ranked[], AgentEntry[]>();
    for (const entry of this.agents.all()) {
      if (entry.presence === undefined) continue;
      const ranking = this.ranking(entry.presence.location, entry.record.network);
      const group = groups.get(ranking);
      if (group === undefined) groups.set(ranking, [entry]);
      else group.push(entry);
    }
    for (const [ranked, entries] of groups) {
      const agents = entries.map(({ record }) => record.id);
      const relays = this.#outlook.mapFor(entries[0]?.record.network);
      const message: ToAgent = { type: "relays", relays, ranking: this.#outlook.tellable(ranked, now) };
      this.#outputs.push({ to: "agents", agents, message });
      for (const entry of entries)
        this.#grants.grantMissing(entry, selectRelays(entry.presence?.location, ranked), now);
    }
  }

  #tellCrowds(id: AgentId, ranking: readonly Ranked[], hasNewTickets: boolean): void {
    const crowds = this.#guide.crowds.toTell(id, ranking, this.#grants.held(id), hasNewTickets);
    if (crowds !== undefined) this.#toAgent(id, { type: "crowds", crowds });
  }

  // ── helpers ──

  /** All relays as they look to this agent, measured where it measured. */
  #rankingFor(entry: AgentEntry): readonly Ranked[] {
    return this.#guide.rank(toldBy(entry), this.ranking(entry.presence?.location, entry.record.network));
  }

  #peerChanged({ record }: AgentEntry, now: number): void {
    const members = this.agents.inNetwork(record.network).size;
    this.#news.peer(record.network, record.id, members, now);
  }

  /** In a way that others may see. */
  #relayChanged(id: RelayId, now: number): void {
    this.#relayMapChanged(now);
    const entry = this.relays.get(id);
    if (entry !== undefined) this.#happenings.relayChanged(id, entry.state, now);
  }

  #relayMapChanged(now: number): void {
    this.#outlook.changed();
    this.#news.relayMap(now);
  }

  /** It went down, or came back. */
  #relayMoved(relay: RelayId, downAtMs: number | undefined): void {
    const downSinceMs = downAtMs === undefined ? undefined : this.unixMs(downAtMs);
    this.#outputs.push({ to: "store", relay, downSinceMs });
    this.#logState(relay);
  }

  #logState(relay: RelayId): void {
    const entry = this.relays.get(relay);
    if (entry !== undefined) this.#outputs.push({ to: "log", event: { kind: "relay-state", entry } });
  }

  #toAgent(agent: AgentId, message: ToAgent): void {
    this.#outputs.push({ to: "agent", agent, message });
  }

  #toRelay(relay: RelayId, message: ToRelay): void {
    this.#outputs.push({ to: "relay", relay, message });
  }
}

function toldBy({ record: { id, network }, rtts }: AgentEntry): Told {
  return { id, network, rtts };
}
