/**
 * The forwarder: where does this datagram go? Transport data, the hot path, is answered by a number and allocates
 * nothing; everything else (Binds, handshakes, probes, trunk) is rarer and may send through the sink.
 *
 * Rules, by first byte: a Bind binds its agent to its address (binds.ts). Handshakes go by MAC1 (handshakes.ts)
 * and teach receiver indices. What carries an index goes by (source, index). Probes go by the agent id in them.
 * A destination bound here is sent to; one that is only routed is handed to its relay, one hop (trunks.ts).
 * What is not the caller's fault is a drop, counted by its reason; no bytes make this throw.
 */
import {
  type Bytes,
  type FellowRelay,
  PacketType,
  type PeerHeader,
  peerHeader,
  type Route,
  type SymmetricKey,
  WireGuardTransport,
  WireGuardType,
  wireGuardKind,
  wireGuardReceiver,
} from "@burrow/protocol";
import { type Addresses, NO_ADDRESS, type Source } from "./addresses.ts";
import { BindDesk } from "./binds.ts";
import type { ForwarderOptions, ForwarderSink } from "./contract.ts";
import { Cookies } from "./cookies.ts";
import { DropCounters, DropReason } from "./drop-reason.ts";
import { FlowTable } from "./flow-table.ts";
import { Flows } from "./flows.ts";
import { HandshakeDesk } from "./handshakes.ts";
import { DEFAULT_LIMITS, OUTSIDE_LIFETIME_MS, RATE_CLASSES } from "./limits.ts";
import { type Link, Links } from "./links.ts";
import { bindRecord, flowRecord, isAgentName, type PartyName, readMemory, wayRecord } from "./memory.ts";
import { NO_LINK, NO_PARTY, Parties, type Party } from "./parties.ts";
import { Revocations } from "./revocations.ts";
import { Router } from "./routes.ts";
import { type ForwarderSnapshot, takeSnapshot } from "./snapshot.ts";
import { Soundings } from "./soundings.ts";
import { Tickets } from "./tickets.ts";
import { RateLimiter } from "./token-buckets.ts";
import { TrunkDesk } from "./trunks.ts";

export type { ForwarderEvent, ForwarderOptions, ForwarderSink } from "./contract.ts";

/** `forward` says so when the datagram is dealt with: answered, handed on through the sink, or dropped. */
export const HANDLED = -1;
/** `forwardRun` says so when it needs the datagrams' bytes: pass each to `forward`. */
export const NEEDS_BYTES = -2;
/** It says so when not all of the run may go: ask again for each alone. */
export const ONE_BY_ONE = -3;

/** How much of each table one tick sweeps: well under a millisecond. */
const SWEEP_SLOTS = 1024;
const SWEEP_PLACES = 4096;
const TICK_MS = 100;

export class Forwarder {
  readonly #sink: ForwarderSink;
  readonly #addresses: Addresses;
  readonly #parties: Parties;
  readonly #flows: Flows;
  readonly #links: Links;
  readonly #rates: RateLimiter;
  readonly #tickets: Tickets;
  readonly #revocations: Revocations;
  readonly #binds: BindDesk;
  readonly #handshakes: HandshakeDesk;
  readonly #trunks: TrunkDesk;
  readonly #soundings: Soundings;
  readonly #soundsRelays: boolean;
  readonly #router: Router;
  readonly #drops = new DropCounters();

  #era = 1;
  #isRecalling = false;
  #packets = 0;
  #transports = 0;
  #bytes = 0;
  #received = 0;
  #nextTick: number;

  constructor(options: ForwarderOptions, now: number) {
    const limits = options.limits ?? DEFAULT_LIMITS;
    const { identity, addresses, sink, random, sealer } = options;
    this.#sink = sink;
    this.#addresses = addresses;
    this.#parties = new Parties(limits, addresses, {
      unbound: (party, why) => sink.event({ kind: "unbound", party: nameOf(party), reason: why }),
    });
    const seed = new DataView(random(4).slice().buffer).getInt32(0);
    this.#flows = new Flows(
      new FlowTable(limits.flowsMax, seed),
      this.#parties,
      (source, index, destination, nowS, proven) => {
        if (this.#isRecalling || sink.learned === undefined) return;
        const [from, to] = [this.#nameOf(source), this.#nameOf(destination)];
        if (from === undefined || to === undefined) return;
        sink.learned(flowRecord(from, index, to, nowS, proven), true);
      },
    );
    this.#links = new Links(identity, addresses, options.agreement, options.trunkMac, limits.relaysMax, now);
    this.#rates = new RateLimiter(limits.partiesMax, options.rateClasses ?? RATE_CLASSES);
    this.#tickets = new Tickets(identity.id, sealer, limits.ticketsCachedMax);
    this.#revocations = new Revocations(limits.revokedMax);
    const shared = { parties: this.#parties, flows: this.#flows, rates: this.#rates, addresses };
    this.#binds = new BindDesk(
      {
        ...shared,
        tickets: this.#tickets,
        cookies: new Cookies(random, now),
        revocations: this.#revocations,
        sealer,
        random,
        pendingFlowsMax: limits.pendingFlowsMax,
        send: (bytes, to) => this.#send(bytes, to),
        accepted: (datagram, from, party, isNews, at) => {
          const isNew = isNews || (party !== undefined && party.rememberedIn !== this.#era);
          if (party !== undefined) party.rememberedIn = this.#era;
          if (this.#isRecalling) return;
          sink.learned?.(bindRecord(sourceAt(addresses, from), datagram, Math.floor(at / 1000)), isNew);
        },
        bound: (party, how) => sink.event({ kind: how, party: nameOf(party), reason: "bind" }),
      },
      now,
    );
    const deliver = (bytes: Bytes, source: Party, to: Party, at: number) =>
      this.#deliver(bytes, source, to, at);
    this.#handshakes = new HandshakeDesk({ ...shared, deliver }, now);
    const { nextTrunkCounter } = options;
    const trunk = {
      links: this.#links,
      boot: identity.boot,
      self: identity.id,
      nextCounter: (link: Link) => nextTrunkCounter?.() ?? link.sent++,
      send: (bytes: Bytes, to: number) => this.#send(bytes, to),
    };
    this.#trunks = new TrunkDesk({
      ...shared,
      ...trunk,
      learned: ({ id, network }, relay, at) => {
        if (id === undefined || sink.learned === undefined) return;
        sink.learned(wayRecord(id, network, relay, Math.floor(at / 1000)), false);
      },
    });
    this.#soundings = new Soundings({ ...trunk, random }, now);
    this.#soundsRelays = options.soundsRelays ?? true;
    this.#router = new Router(this.#parties, this.#links, this.#revocations, identity.id);
    this.#nextTick = now + TICK_MS;
  }

  /**
   * A datagram from an address: the handle to which these very bytes go, or HANDLED. The caller sends them;
   * what the kernel then refuses it counts by `countSendFailure`.
   */
  forward(datagram: Bytes, from: number, now: number): number {
    this.#received++;
    if (datagram[0] !== WireGuardType.transport) {
      const drop = this.#slow(datagram, from, now);
      if (drop !== undefined) this.#drops.count(drop);
      return HANDLED;
    }
    if (wireGuardKind(datagram) === undefined) return this.#drop(DropReason.malformed);
    const to = this.#transport(wireGuardReceiver(datagram), 1, datagram.length, from, now);
    if (to !== NEEDS_BYTES) return to;
    const drop = this.#transportByTrunk(datagram, from, now);
    if (drop !== undefined) this.#drops.count(drop);
    return HANDLED;
  }

  /**
   * The same for a run: datagrams of one source and one length that begin with the word of transport data and this
   * receiver index. All go to the handle it answers, unless that is HANDLED, NEEDS_BYTES or ONE_BY_ONE. Allocates nothing.
   */
  forwardRun(receiverIndex: number, packets: number, lengthBytes: number, from: number, now: number): number {
    const to = this.#transport(receiverIndex, packets, lengthBytes, from, now);
    if (to !== NEEDS_BYTES && to !== ONE_BY_ONE) this.#received += packets;
    return to;
  }

  /** Datagrams that were sent on did not leave. */
  countSendFailure(packets: number, bytes: number): void {
    this.#packets -= packets;
    this.#bytes -= bytes;
    this.#drops.count(DropReason.sendFailed, packets);
  }

  /**
   * Is a datagram that is no transport data worth a look, by its first word (little-endian) and its source alone? What
   * is not is counted as dropped. Allocates nothing: it answers for strangers' floods.
   */
  isWorthALook(firstWord: number, from: number, now: number): boolean {
    switch (firstWord & 0xff) {
      case PacketType.bind:
      case PacketType.trunk:
      case PacketType.trunkPing:
      case PacketType.trunkPong:
      case WireGuardType.initiation:
      case WireGuardType.transport:
        return true;
      case PacketType.probe:
      case PacketType.probeAck:
      case PacketType.introduction:
      case WireGuardType.response:
      case WireGuardType.cookieReply:
        if (this.#parties.slotAt(from, now) !== NO_PARTY) return true;
        this.#received++;
        this.#drops.count(DropReason.unboundSource);
        return false;
      default:
        this.#received++;
        this.#drops.count(DropReason.unknownType);
        return false;
    }
  }

  /** Datagrams that `forward` sent on lost their places in the queue of a full way out. */
  countLost(packets: number, bytes: number): void {
    this.#packets -= packets;
    this.#bytes -= bytes;
    this.#drops.count(DropReason.wayOutFull, packets);
  }

  // What the coordinator says.

  setTicketKeys(keys: readonly SymmetricKey[]): void {
    this.#tickets.setKeys(keys);
  }

  /** The whole map of relays. */
  setRelays(relays: readonly FellowRelay[]): void {
    this.#links.learn(relays);
    this.#router.relink();
    if (this.#soundsRelays) this.#soundings.relaysChanged();
  }

  /** `replace`: these are all the routes there are. */
  setRoutes(
    upsert: readonly Route[],
    remove: readonly Route["agent"][],
    replace: boolean,
    now: number,
  ): void {
    if (replace) this.#router.replace(upsert, now);
    else this.#router.change(upsert, remove, now);
  }

  revoke(agent: Route["agent"]): void {
    this.#revocations.add(agent);
    const party = this.#parties.byId(agent);
    if (party !== undefined) this.#parties.remove(party, "revoked");
  }

  /** From now on each binding is written down once more: a new piece of memory begins. */
  beginEra(): void {
    this.#era++;
  }

  /** Takes records of an earlier life, or of another thread. Flows after the rest: they need both their ends. */
  recall(records: Bytes, now: number): void {
    this.#isRecalling = true;
    for (const record of readMemory(records)) {
      if (record.kind === "bind") {
        const from = this.#addresses.reach(record.from.endpoint, record.from.door);
        if (from !== NO_ADDRESS) this.#binds.recall(record.datagram, from, now);
      } else if (record.kind === "way") {
        this.#trunks.recall(record.agent, record.network, record.relay, record.atS * 1000, now);
      }
    }
    for (const record of readMemory(records)) {
      if (record.kind !== "flow") continue;
      const { proven } = record;
      const source = this.#partyNamed(record.source, proven, now);
      const destination = this.#partyNamed(record.destination, proven, now);
      if (source === undefined || destination === undefined) continue;
      const hasClient = source.id === undefined || destination.id === undefined;
      if (!hasClient && source.network !== destination.network) continue;
      this.#flows.learn(source, record.receiverIndex, destination, record.atS, proven);
      this.#parties.acquaint(source, destination);
    }
    this.#isRecalling = false;
  }

  setDraining(draining: boolean): void {
    this.#binds.draining = draining;
  }

  // Time.

  /**
   * Bounded work, whenever `nextDeadline` has come.
   * @param unixMs the wall clock, which somebody may have set since the start: tickets expire by it, all else by `now`
   */
  tick(now: number, unixMs: number = now): void {
    this.#binds.wallAheadMs = unixMs - now;
    this.#parties.sweep(SWEEP_SLOTS, now);
    const { table } = this.#flows;
    table.sweep(Math.min(SWEEP_PLACES, table.places), Math.floor(now / 1000));
    this.#soundings.tick(now);
    this.#nextTick = now + TICK_MS;
  }

  nextDeadline(): number {
    return this.#nextTick;
  }

  snapshot(): ForwarderSnapshot {
    return takeSnapshot({
      parties: this.#parties,
      flows: this.#flows,
      links: this.#links,
      trunks: this.#trunks,
      soundings: this.#soundings,
      binds: this.#binds,
      drops: this.#drops,
      received: this.#received,
      packets: this.#packets,
      transports: this.#transports,
      bytes: this.#bytes,
    });
  }

  /** The hot path: nothing here may allocate. */
  #transport(receiverIndex: number, packets: number, length: number, from: number, now: number): number {
    if (length < WireGuardTransport.lengthMin) return this.#drop(DropReason.malformed, packets);
    const source = this.#parties.slotAt(from, now);
    if (source === NO_PARTY) return this.#drop(DropReason.unboundSource, packets);
    const destination = this.#flows.follow(source, receiverIndex, Math.floor(now / 1000));
    if (destination === NO_PARTY) return this.#drop(DropReason.unknownFlow, packets);
    const address = this.#parties.addressOf(destination, now);
    if (address === NO_ADDRESS) return NEEDS_BYTES;
    if (!this.#rates.take(source, packets, length, now)) {
      return packets > 1 ? ONE_BY_ONE : this.#drop(DropReason.rateLimited);
    }
    this.#parties.touch(source, now);
    this.#parties.prolongOutside(source, now + OUTSIDE_LIFETIME_MS);
    this.#packets += packets;
    this.#transports += packets;
    this.#bytes += packets * length;
    return address;
  }

  /** Transport data from a bound source with a known flow, whose destination is not bound here. */
  #transportByTrunk(datagram: Bytes, from: number, now: number): DropReason | undefined {
    const source = this.#parties.at(this.#parties.slotAt(from, now));
    if (source === undefined) return DropReason.unboundSource;
    const index = wireGuardReceiver(datagram);
    const destination = this.#parties.at(this.#flows.follow(source.slot, index, Math.floor(now / 1000)));
    if (destination === undefined) return DropReason.unknownFlow;
    if (!this.#rates.take(source.slot, 1, datagram.length, now)) return DropReason.rateLimited;
    this.#parties.touch(source.slot, now);
    return this.#deliver(datagram, source, destination, now);
  }

  #slow(datagram: Bytes, from: number, now: number): DropReason | undefined {
    switch (datagram[0]) {
      case PacketType.bind:
        return this.#binds.handle(datagram, from, now);
      case PacketType.probe:
      case PacketType.probeAck:
      case PacketType.introduction:
        return this.#probe(datagram, from, now);
      case PacketType.trunk:
        return this.#trunks.receive(datagram, from, now);
      case PacketType.trunkPing:
      case PacketType.trunkPong:
        return this.#soundings.receive(datagram, from, now);
      case WireGuardType.initiation:
      case WireGuardType.response:
      case WireGuardType.cookieReply:
        return this.#handshake(datagram, from, now);
      default:
        return DropReason.unknownType;
    }
  }

  #handshake(datagram: Bytes, from: number, now: number): DropReason | undefined {
    const kind = wireGuardKind(datagram);
    if (kind === undefined) return DropReason.malformed;
    const source = this.#parties.at(this.#parties.slotAt(from, now));
    if (source !== undefined && !this.#rates.take(source.slot, 1, datagram.length, now)) {
      return DropReason.rateLimited;
    }
    if (kind === "initiation") return this.#handshakes.initiation(datagram, source, from, now);
    if (source === undefined) return DropReason.unboundSource;
    if (kind === "response") return this.#handshakes.response(datagram, source, now);
    const nowS = Math.floor(now / 1000);
    const slot = this.#flows.follow(source.slot, wireGuardReceiver(datagram), nowS);
    const destination = this.#parties.at(slot);
    return destination === undefined
      ? DropReason.unknownFlow
      : this.#deliver(datagram, source, destination, now);
  }

  #probe(datagram: Bytes, from: number, now: number): DropReason | undefined {
    const header: PeerHeader | string = peerHeader(datagram);
    if (typeof header === "string") return DropReason.malformed;
    const source = this.#parties.at(this.#parties.slotAt(from, now));
    if (source === undefined) return DropReason.unboundSource;
    if (source.id !== header.sender) return DropReason.probeSenderMismatch;
    if (!this.#rates.take(source.slot, 1, datagram.length, now)) return DropReason.rateLimited;
    const receiver = this.#parties.byId(header.receiver);
    if (receiver === undefined || receiver === source) return DropReason.probeReceiverUnknown;
    if (receiver.network !== source.network) return DropReason.otherNetwork;
    this.#parties.acquaint(source, receiver);
    return this.#deliver(datagram, source, receiver, now);
  }

  /** Sends a source's packet to where its destination is: bound here, or at another relay. */
  #deliver(bytes: Bytes, source: Party, destination: Party, now: number): DropReason | undefined {
    const address = this.#parties.addressOf(destination.slot, now);
    if (address !== NO_ADDRESS) {
      this.#send(bytes, address);
      return undefined;
    }
    if (this.#parties.linkOf(destination.slot) === NO_LINK) return DropReason.destinationAway;
    return this.#trunks.handOver(bytes, source, destination);
  }

  #send(bytes: Bytes, to: number): void {
    if (!this.#sink.send(bytes, to)) {
      this.#drops.count(DropReason.sendFailed);
      return;
    }
    this.#packets++;
    this.#bytes += bytes.length;
  }

  #nameOf(party: Party): PartyName | undefined {
    if (party.id !== undefined) return party.id;
    const address = this.#parties.boundAddress(party);
    return address === NO_ADDRESS ? undefined : sourceAt(this.#addresses, address);
  }

  #partyNamed(name: PartyName, isAnswered: boolean, now: number): Party | undefined {
    if (isAgentName(name)) return this.#parties.byId(name);
    const address = this.#addresses.reach(name.endpoint, name.door);
    return address === NO_ADDRESS ? undefined : this.#handshakes.recall(address, isAnswered, now);
  }

  #drop(reason: DropReason, packets = 1): number {
    this.#drops.count(reason, packets);
    return HANDLED;
  }
}

function sourceAt(addresses: Addresses, handle: number): Source {
  return { endpoint: addresses.endpoint(handle), door: addresses.door(handle) };
}

function nameOf(party: Party): string {
  return party.id ?? "outside client";
}
