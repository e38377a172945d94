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
import { NO_ADDRESS } from "./addresses.ts";
import { BindDesk } from "./binds.ts";
import type { ForwarderOptions, ForwarderSink } from "./contract.ts";
import { Cookies } from "./cookies.ts";
import { DropCounters, DropReason } from "./drop-reason.ts";
import { FlowTable } from "./flow-table.ts";
import { Flows } from "./flows.ts";
import { HandshakeDesk } from "./handshakes.ts";
import { DEFAULT_LIMITS, OUTSIDE_LIFETIME_MS, RATE_CLASSES } from "./limits.ts";
import { type Link, Links } from "./links.ts";
import { NO_LINK, NO_PARTY, Parties } from "./parties.ts";
import { acquaint, type Party } from "./party.ts";
import { Recollection } from "./recollection.ts";
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
  readonly #parties: Parties;
  readonly #recollection: Recollection;
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

  #packets = 0;
  #transports = 0;
  #bytes = 0;
  #received = 0;
  #nextTick: number;

  constructor(options: ForwarderOptions, now: number) {
    const limits = options.limits ?? DEFAULT_LIMITS;
    const { identity, addresses, sink, random, sealer } = options;
    this.#sink = sink;
    this.#parties = new Parties(limits, addresses, {
      unbound: (party, why) => sink.event({ kind: "unbound", party: nameOf(party), reason: why }),
    });
    this.#recollection = new Recollection(this.#parties, addresses, sink);
    const seed = new DataView(random(4).slice().buffer).getInt32(0);
    this.#flows = new Flows(new FlowTable(limits.flowsMax, seed), this.#parties, (...lesson) =>
      this.#recollection.flowLearned(...lesson),
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
        accepted: (...accepted) => this.#recollection.bindAccepted(...accepted),
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
      learned: (...way) => this.#recollection.wayLearned(...way),
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
    this.#recollection.beginEra();
  }

  /** Takes records of an earlier life, or of another thread. */
  recall(records: Bytes, now: number): void {
    const takers = {
      binds: this.#binds,
      flows: this.#flows,
      handshakes: this.#handshakes,
      trunks: this.#trunks,
    };
    this.#recollection.recall(records, takers, now);
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
    this.#trunks.tick(now);
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
    acquaint(source, receiver);
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

  #drop(reason: DropReason, packets = 1): number {
    this.#drops.count(reason, packets);
    return HANDLED;
  }
}

function nameOf(party: Party): string {
  return party.id ?? "outside client";
}
