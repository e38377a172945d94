/**
 * The agent as a machine without input or output of its own. It tells datagrams apart and hands each to the part
 * that knows it: relay links, peers' paths, the tunnel. Everything that happens to an agent happens through here, in
 * the kernel lab, in the simulator and in production alike.
 *
 *   device ──sendPackets──▶ tunnel ──transmit──▶ paths say where ──▶ sink.sendDatagrams
 *   socket ──receiveDatagrams──▶ classify ─┬ WireGuard ──▶ tunnel ──deliver──▶ sink.deliver
 *                                         ├ Bound ──▶ relay links
 *                                         ├ Probe, ack ──▶ paths
 *                                         └ Introduction ──▶ "probe now", as from the side channel
 *   side channel ──receiveMessage──▶ relay map, tickets, peers, "probe now"
 */
import {
  type AgentId,
  agentIdOf,
  classify,
  type Endpoint,
  type GrantedTicket,
  type PeerInfo,
  type RankedRelay,
  type RelayInfo,
  type ToAgent,
  transactionOf,
} from "@burrow/protocol";
import type { AgentOptions, AgentSink, Netmap, Welcome } from "./contract.ts";
import { EchoBook } from "./echo.ts";
import { EchoDesk } from "./echo-desk.ts";
import { HairpinCheck } from "./hairpin.ts";
import { Introducer } from "./introducer.ts";
import { KeptNetmap } from "./kept-netmap.ts";
import { Outlet } from "./outlet.ts";
import { OutsidePaths } from "./outside-paths.ts";
import { areAllWireGuard, bytesOf, OnePacket, type Packets, RoomyCopy } from "./packets.ts";
import { bindForPair } from "./pair-relays.ts";
import type { PeerPathsSink } from "./paths/contract.ts";
import type { PathTarget } from "./paths/path.ts";
import { type Peer, Peers } from "./peers.ts";
import type { Gateway } from "./port-mapping/gateway.ts";
import { leaseText, PortMapper } from "./port-mapping/port-mapper.ts";
import { ProbeDesk } from "./probe-desk.ts";
import { Puncher } from "./puncher.ts";
import { RelayLinks, type RelayLinksSink } from "./relays/relay-links.ts";
import { Reporter } from "./reporter.ts";
import type { Tunnel, TunnelSink } from "./tunnel.ts";
import { AwakePeers, earliest, giveTurns, type Waiting } from "./turns.ts";
import { Whereabouts } from "./whereabouts.ts";

/** A peer from which nothing came for so long is greeted anew: its next data is "first data". */
const SILENCE_BEFORE_FIRST_DATA_MS = 60_000;
/** A packet that we could not open is remembered so long. */
const UNOPENED_MEMORY_MS = 1_000;
const IP_PACKET_BYTES_MAX = 65_535;

export class Agent {
  readonly id: AgentId;
  readonly clients: AgentOptions["outsideClients"];
  readonly relays: RelayLinks;
  readonly peers: Peers;
  readonly tunnel: Tunnel;
  /** Datagrams that went no further, by reason; the tunnel counts its own. */
  readonly drops = new Map<string, number>();
  readonly #netmap = new KeptNetmap(() => this.#sink.event({ type: "netmap" }));

  readonly #sink: AgentSink;
  readonly #options: AgentOptions;
  readonly #echoes = new EchoBook();
  readonly #echoDesk: EchoDesk;
  readonly #outside = new OutsidePaths();
  readonly #reporter: Reporter;
  readonly #awake = new AwakePeers();
  readonly #outlet: Outlet;
  readonly #probes: ProbeDesk;
  readonly #introducer: Introducer;
  readonly #puncher: Puncher;
  readonly whereabouts: Whereabouts;
  readonly mapper: PortMapper;
  readonly hairpin: HairpinCheck;
  /** All that waits for moments of its own. */
  readonly #parts: readonly Waiting[];
  /** Where the last packet of an unknown session came from. */
  #unopened: { readonly from: Endpoint; readonly atMs: number } | undefined;
  /** Packets that come without room around them. */
  readonly #copy = new RoomyCopy(IP_PACKET_BYTES_MAX);
  now: number;

  constructor(sink: AgentSink, options: AgentOptions) {
    this.#sink = sink;
    this.#options = options;
    this.now = options.startedAt;
    this.id = agentIdOf(options.publicKey);
    this.clients = options.outsideClients;
    this.whereabouts = new Whereabouts(options);
    this.#reporter = new Reporter(this, (message) => sink.sendMessage(message));
    this.relays = new RelayLinks(this.#relayLinksSink(), options);
    this.peers = new Peers({ ...options, pathsSink: (id) => this.#pathsSink(id) });
    this.tunnel = options.makeTunnel(this.#tunnelSink());
    this.#outlet = new Outlet({
      sink,
      relays: this.relays,
      drop: (reason, count) => this.#drop(reason, count),
    });
    this.#echoDesk = new EchoDesk({
      book: this.#echoes,
      answersEchoes: options.answersEchoes,
      heardVia: (id) => this.peers.get(id)?.lastHeardVia,
      ownAddress: () => this.netmap?.agent.ipv4,
      answer: (packet, now) => this.sendPacket(packet, now),
      replied: (peer, reply) => sink.event({ type: "echo", peer, reply }),
    });
    this.#probes = new ProbeDesk({
      ...options,
      self: this.id,
      peerOf: (id) => this.peers.get(id),
      transmit: (target, datagram, how) => this.#outlet.send(target, datagram, how),
    });
    this.#puncher = new Puncher(
      {
        probe: (peer, { to: endpoint, socket, ttl }) => {
          const target = { kind: "direct", endpoint, ...(socket === undefined ? {} : { socket }) } as const;
          this.#probes.send(peer, target, transactionOf(options.random(8)), this.now, { ttl });
        },
        introduce: (peer) => this.#introduce(peer.info.id),
        openSockets: (count) => sink.openSockets(count),
        closeSockets: (ids) => sink.closeSockets(ids),
      },
      options.random,
      this.#probes.budget,
    );
    this.hairpin = new HairpinCheck(sink, { ...options, self: this.id });
    this.mapper = new PortMapper(sink, (now) => this.#mappingChanged(now), options);
    const { tunnel, relays, mapper, hairpin } = this;
    this.#parts = [tunnel, relays, this.#puncher, mapper, hairpin, this.#reporter, this.#awake];
    this.#introducer = new Introducer({
      ...options,
      self: this.id,
      whereabouts: this.whereabouts,
      puncher: options.punchesHardNats ? this.#puncher : undefined,
      peerOf: (id) => this.peers.get(id),
      mayProbe: (endpoint) => this.#mayProbe(endpoint),
      introduced: (peer) => this.#awake.add(peer),
      transmit: (target, datagram) => this.#outlet.send(target, datagram),
      drop: (reason) => this.#drop(reason),
    });
    for (const { key, allowedIps } of options.outsideClients) {
      const id = agentIdOf(key);
      this.#outside.add(id);
      this.tunnel.setPeer({ id, key, allowedIps }, this.now);
    }
  }

  /** What the coordinator told last. */
  get netmap(): Netmap | undefined {
    return this.#netmap.now;
  }

  // ── Inputs ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Datagrams that came together from one endpoint; WireGuard's are opened where they lie. */
  receiveDatagrams(datagrams: Packets, from: Endpoint, now: number, socket?: number): void {
    this.now = now;
    if (areAllWireGuard(datagrams)) return this.#receiveWireGuard(datagrams, from, now, socket);
    const { count, ecn } = datagrams;
    for (let i = 0; i < count; i++) this.receiveDatagram(bytesOf(datagrams, i), from, now, socket, ecn);
  }

  /** A datagram from the socket. Any bytes from anyone: what is not understood is counted and dropped. */
  receiveDatagram(datagram: Uint8Array, from: Endpoint, now: number, socket?: number, ecn?: number): void {
    this.now = now;
    switch (classify(datagram)) {
      case "wireguard":
        // Opened in a copy: whoever has the datagram may want it again.
        return this.#receiveWireGuard(new OnePacket(datagram.slice(), ecn), from, now, socket);
      case "bound":
        if (!this.relays.receiveBound(datagram, from, now)) this.#drop("bound-refused");
        return;
      case "probe":
      case "probeAck":
        if (this.hairpin.receive(datagram)) return;
        return this.#receiveProbe(datagram, from, now, socket);
      case "introduction":
        return this.#introducer.receive(datagram, this.#targetOf(from, socket), now);
      default:
        if (!this.mapper.receive(datagram, from, now)) this.#drop("unknown-type");
    }
  }

  #receiveWireGuard(datagrams: Packets, from: Endpoint, now: number, socket: number | undefined): void {
    if (this.tunnel.receive(datagrams, this.#targetOf(from, socket), now)) return;
    this.#unopened = { from, atMs: now };
  }

  /** IP packets from the device, with SEAL_HEADROOM before each and SEAL_TAILROOM behind: sealed where they lie. */
  sendPackets(packets: Packets, now: number): void {
    this.now = now;
    this.tunnel.send(packets, now);
  }

  /** An IP packet without room around it. */
  sendPacket(packet: Uint8Array, now: number): void {
    this.sendPackets(this.#copy.of(packet), now);
  }

  receiveMessage(message: ToAgent, now: number): void {
    this.now = now;
    switch (message.type) {
      case "welcome":
        return this.#welcomed(message, now);
      case "relays":
        return this.#setRelays(message.relays, message.ranking, now);
      case "tickets":
        return this.#granted(message.tickets, now);
      case "crowds":
        return this.relays.setCrowds(message.crowds, now);
      case "peers":
        for (const id of message.remove) this.#removePeer(id);
        for (const info of message.upsert) this.#upsertPeer(info, now);
        return this.#netmap.peers([...this.peers.all].map((peer) => peer.info));
      case "probe-now":
        return this.#introducer.probeNow(message, now);
      case "pair-relays":
        return bindForPair(message, this, now);
      case "error":
        return this.#sink.event({ ...message, type: "refused" });
      case "challenge":
      case "pong":
        return;
    }
  }

  /** Starts from what an earlier run was told, before (or without) the coordinator's word. */
  restore(netmap: Netmap, now: number): void {
    this.now = now;
    this.#welcomed({ ...netmap, type: "welcome" }, now);
  }

  /** The socket's endpoints on this machine, and the router before it, whenever they change. */
  setLocalEndpoints(local: readonly Endpoint[], now: number, gateway?: Gateway): void {
    this.now = now;
    const change = this.whereabouts.look(local, gateway);
    if (change !== "none") {
      this.relays.networkChanged(now);
      this.#puncher.forgetHistory();
    }
    // A new address harms no path; with an address or router that is gone, whatever it carried is gone too.
    if (change === "gone") for (const peer of this.peers.all) peer.paths.networkChanged(now);
    this.mapper.setGateway(gateway, this.whereabouts.port4, now);
    this.#refreshCandidates();
  }

  /** Sends one echo to a peer; the answer comes as an `echo` event. */
  ping(peer: Peer, identifier: number, sequence: number, now: number): void {
    this.now = now;
    const own = this.netmap?.agent.ipv4;
    if (this.tunnel.kind === "engine" && own !== undefined) {
      const addresses = { own, peer: peer.info.ipv4 };
      return this.sendPacket(this.#echoes.request(peer.info.id, addresses, identifier, sequence, now), now);
    }
    const { primary } = peer.paths.route(now);
    this.#awake.add(peer);
    if (primary === undefined) return;
    const transaction = transactionOf(this.#options.random(8));
    this.#echoes.probe(peer.info.id, transaction, identifier, sequence, now);
    this.#probes.send(peer, primary, transaction, now);
  }

  /** Says goodbye to the relays, and to the router: `mapper.isLeaving` until that has heard it. */
  leave(now: number): void {
    this.now = now;
    this.relays.leave();
    this.mapper.leave(now);
  }

  tick(now: number): void {
    this.now = now;
    giveTurns(this.#parts, (part) => part.tick(now));
  }

  nextDeadline(): number | undefined {
    return earliest(this.#parts);
  }

  // ── What the coordinator says ─────────────────────────────────────────────────────────────────────────────────

  #welcomed(welcome: Welcome, now: number): void {
    const netmap = this.#netmap.replace(welcome);
    const { network, ipv4 } = netmap.agent;
    this.whereabouts.joined(network, (address) => address === ipv4 || this.peers.hasOverlayAddress(address));
    const listed = new Set(welcome.peers.map((peer) => peer.id));
    for (const peer of [...this.peers.all]) if (!listed.has(peer.info.id)) this.#removePeer(peer.info.id);
    for (const info of welcome.peers) this.#upsertPeer(info, now);
    this.relays.setRelays(welcome.relays, welcome.ranking, now);
    this.relays.grant(welcome.tickets, now);
    this.#refreshCandidates();
    this.#reporter.channelUp(now);
    this.#netmap.settled();
  }

  #setRelays(relays: readonly RelayInfo[], ranking: readonly RankedRelay[], now: number): void {
    this.relays.setRelays(relays, ranking, now);
    this.#netmap.relays(relays, ranking);
  }

  #granted(tickets: readonly GrantedTicket[], now: number): void {
    this.relays.grant(tickets, now);
    this.#netmap.tickets(tickets);
  }

  #upsertPeer(info: PeerInfo, now: number): void {
    const before = this.peers.get(info.id)?.info;
    const upserted = this.peers.upsert(info);
    if (upserted === undefined) return this.#drop("peer-unusable");
    const { peer, isNew } = upserted;
    const allowedIps = [`${info.ipv4}/32`, `${info.ipv6}/128`];
    this.tunnel.setPeer({ id: info.id, key: peer.key, allowedIps }, now);
    if (isNew) peer.paths.setRelays(this.relays.kept, now);
    const moved = before?.online !== info.online || before.relays.join() !== info.relays.join();
    if (!isNew && moved && info.online) peer.paths.peerMoved(now);
  }

  #removePeer(id: AgentId): void {
    const peer = this.peers.remove(id);
    if (peer === undefined) return;
    this.#awake.delete(peer);
    if (peer.paths.mtuBytes !== undefined) {
      this.#sink.event({ type: "mtu", peer: peer.info, mtuBytes: undefined });
    }
    for (const index of peer.flows) this.relays.removeFlow(index);
    this.#reporter.peerRemoved(id);
    this.#introducer.forget(id);
    this.#puncher.forget(id);
    this.tunnel.removePeer(id);
  }

  /** The further sockets that were asked for are there. */
  socketsOpened(ids: readonly number[], now: number): void {
    this.now = now;
    this.#puncher.socketsOpened(ids, now);
  }

  #mayProbe(endpoint: Endpoint): boolean {
    return this.relays.relayAt(endpoint) === undefined && this.whereabouts.mayProbe(endpoint);
  }

  // ── Probes ────────────────────────────────────────────────────────────────────────────────────────────────────

  #receiveProbe(datagram: Uint8Array, from: Endpoint, now: number, socket: number | undefined): void {
    const target = this.#targetOf(from, socket);
    if (target.kind === "direct" && !this.#mayProbe(from)) return this.#drop("probe-from-unusable");
    const received = this.#probes.open(datagram);
    if (typeof received === "string") return this.#drop(received);
    const { peer, probe } = received;
    if (target.kind === "relay") this.relays.heardFrom(target.relay, now);
    if (probe.observed !== undefined) {
      const reply = this.#echoes.acked(peer.info.id, probe.transaction, target, now);
      if (reply !== undefined) this.#sink.event({ type: "echo", peer: peer.info.id, reply });
      return peer.paths.acked(target, probe.transaction, probe.observed, now);
    }
    this.#probes.acknowledge(peer, target, probe.transaction, from);
    if (this.#seemsForgotten(peer, from, now)) this.tunnel.initiate(peer.info.id, now);
    this.#awake.add(peer);
    peer.paths.probedBy(target, probe.transaction, now);
    if (probe.hasBegun === true && target.kind === "relay") peer.paths.peerHasBegun(now);
  }

  /** The peer sends what we cannot open, and makes no handshake: we were restarted, and it does not know yet. */
  #seemsForgotten(peer: Peer, from: Endpoint, now: number): boolean {
    const isUnopened = this.#unopened?.from === from && now - this.#unopened.atMs < UNOPENED_MEMORY_MS;
    return peer.lacksSession(this.tunnel.hasSession(peer.info.id, now), now) && isUnopened;
  }

  #targetOf(from: Endpoint, socket: number | undefined): PathTarget {
    if (socket !== undefined) return { kind: "direct", endpoint: from, socket };
    const relay = this.relays.relayAt(from);
    return relay === undefined ? { kind: "direct", endpoint: from } : { kind: "relay", relay };
  }

  // ── Outputs of the parts ──────────────────────────────────────────────────────────────────────────────────────

  #tunnelSink(): TunnelSink {
    return {
      transmit: (id, datagrams, replyTo) => this.#transmit(id, datagrams, replyTo),
      deliver: (id, packets) => {
        const rest = this.#echoDesk.withoutOurs(id, packets, this.now);
        if (rest.count > 0) this.#sink.deliver(rest);
      },
      authenticated: (id, from, carriesData) => this.#authenticated(id, from, carriesData),
      flowEstablished: (id, receiverIndex) => {
        const peer = this.peers.get(id);
        // A handshake that comes twice (by two paths, repeated, replayed) must not push out the sessions in use.
        if (peer === undefined || peer.flows.includes(receiverIndex)) return;
        const forgotten = peer.addFlow(receiverIndex);
        if (forgotten !== undefined) this.relays.removeFlow(forgotten);
        this.relays.addFlow(receiverIndex, id, this.now);
      },
    };
  }

  #transmit(id: AgentId | undefined, datagrams: Packets, replyTo: PathTarget | undefined): void {
    if (replyTo !== undefined) return this.#outlet.sendAll(replyTo, datagrams);
    const peer = id === undefined ? undefined : this.peers.get(id);
    if (peer !== undefined) {
      this.#awake.add(peer);
      return this.#outlet.sendToPeer(peer, datagrams, this.now);
    }
    const via = this.#outside.of(id);
    if (via === undefined) this.#drop("no-path", datagrams.count);
    else this.#outlet.sendAll(via, datagrams);
  }

  #authenticated(id: AgentId, from: PathTarget, carriesData: boolean): void {
    if (from.kind === "relay") this.relays.heardFrom(from.relay, this.now);
    const peer = this.peers.get(id);
    if (peer === undefined) return this.#outside.heard(id, from);
    this.#awake.add(peer);
    peer.lastHeardVia = from;
    peer.paths.heard(from, this.now);
    if (!carriesData) return;
    const isFirst = this.now - (peer.lastDataMs ?? Number.NEGATIVE_INFINITY) > SILENCE_BEFORE_FIRST_DATA_MS;
    peer.lastDataMs = this.now;
    if (isFirst) this.#sink.event({ type: "first-data", peer: id, name: peer.info.name, via: from });
  }

  #pathsSink(id: AgentId): PeerPathsSink {
    return {
      probe: (target, transaction, form) => {
        const peer = this.peers.get(id);
        if (target.kind === "relay") this.relays.want(target.relay, this.now);
        if (peer !== undefined) this.#probes.send(peer, target, transaction, this.now, form);
      },
      introduce: () => this.#introduce(id),
      pathChanged: (change) => {
        this.#sink.event({ type: "path", peer: id, name: this.peers.get(id)?.info.name ?? id, ...change });
        this.#reporter.pathChanged(id, change, this.now);
      },
      pathDoubted: (target) => {
        if (target.kind === "relay") this.relays.doubt(target.relay, this.now);
      },
      pathProven: () => {
        this.tunnel.kick(id, this.now);
        this.#reporter.pathsChanged(this.now);
      },
      mtuChanged: (mtuBytes) => {
        const info = this.peers.get(id)?.info;
        if (info !== undefined) this.#sink.event({ type: "mtu", peer: info, mtuBytes });
      },
    };
  }

  #introduce(id: AgentId): void {
    const peer = this.peers.get(id);
    if (this.#sink.sendMessage({ type: "introduce", peer: id }) || peer === undefined) return;
    this.#introducer.withoutCoordinator(peer, this.relays.kept, this.now);
  }

  #relayLinksSink(): RelayLinksSink {
    return {
      sendDatagram: (datagram, to) => this.#sink.sendDatagram(datagram, to),
      homesChanged: (homes) => {
        for (const peer of this.peers.all) peer.paths.setRelays(this.relays.kept, this.now);
        const region = homes.home === undefined ? undefined : this.relays.get(homes.home)?.info.region;
        this.#sink.event({ type: "home", ...homes, region });
        this.#reporter.homeChanged(this.now);
      },
      reflexiveChanged: () => {
        this.#refreshCandidates();
        this.mapper.outsideChanged(this.now);
      },
      relayMeasured: () => this.#reporter.measured(this.now),
      relayEvent: (link, event, detail) => {
        const { id: relay, region } = link.info;
        this.#sink.event({ type: "relay", relay, region, event, detail });
        if (event === "bound") for (const peer of this.#awake) peer.paths.relayBound(relay, this.now);
      },
      ticketsWanted: (relays) => void this.#sink.sendMessage({ type: "ticket-request", relays: [...relays] }),
    };
  }

  #mappingChanged(now: number): void {
    const { lease } = this.mapper;
    for (const peer of this.#awake) peer.paths.journal.note(now, "port-mapping", leaseText(lease));
    this.#sink.event({ type: "port-mapping", lease });
    this.#refreshCandidates();
  }

  #refreshCandidates(): void {
    this.hairpin.setOutside(this.relays.outside.natOutside(this.whereabouts.local), this.now);
    if (!this.whereabouts.refresh(this.relays.outside, this.mapper.lease?.outside)) return;
    this.#reporter.candidatesChanged(this.now);
    for (const peer of this.#awake) peer.paths.ownCandidatesChanged(this.now);
  }

  #drop(reason: string, count = 1): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + count);
  }
}
