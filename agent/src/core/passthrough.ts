/**
 * An existing WireGuard interface does the cryptography; the agent stands in for its peers' endpoints and finds the
 * path. Packets pass untouched. Which peer a packet from the network belongs to is told by the receiver index, learned
 * from the interface's own handshakes, or, for an initiation, by the static key inside it.
 */
import {
  type AgentId,
  agentIdOf,
  WireGuardTransport,
  WireGuardType,
  wireGuardKind,
  wireGuardReceiver,
  wireGuardSender,
} from "@burrow/protocol";
import { bytesOf, PacketRun, type Packets } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";
import type { Tunnel, TunnelPeer, TunnelSink, TunnelStatistics } from "./tunnel.ts";
import { readU32 } from "./wireguard/bytes.ts";

export interface PassthroughSink extends TunnelSink {
  /** Hand WireGuard packets to the interface, as if they came from this peer's endpoint. */
  toInterface(peer: AgentId, datagrams: Packets): void;
  peerSet(peer: TunnelPeer): void;
  peerRemoved(peer: AgentId): void;
}

/** Initiator's static key of a type 1 message for us, or undefined: noise.ts, with the interface's private key. */
export type InitiatorOf = (initiation: Uint8Array) => Uint8Array | undefined;

/** Indices kept per peer: the previous, the current and the next session's, and some handshakes that came to nothing. */
const INDICES_PER_PEER_MAX = 8;

interface PassthroughPeer {
  peer: TunnelPeer;
  readonly localIndices: number[];
  rxBytes: number;
  txBytes: number;
  lastHandshakeMs: number | undefined;
}

function isTransport(memory: Uint8Array, at: number, length: number): boolean {
  return length >= WireGuardTransport.lengthMin && readU32(memory, at) === WireGuardType.transport;
}

export class Passthrough implements Tunnel {
  readonly kind = "passthrough";
  readonly drops = new Map<string, number>();
  readonly #sink: PassthroughSink;
  readonly #initiatorOf: InitiatorOf;
  readonly #peers = new Map<AgentId, PassthroughPeer>();
  readonly #byLocalIndex = new Map<number, PassthroughPeer>();
  /** Packets in a row that are for one peer, or from it. */
  readonly #run = new PacketRun();

  constructor(sink: PassthroughSink, initiatorOf: InitiatorOf) {
    this.#sink = sink;
    this.#initiatorOf = initiatorOf;
  }

  setPeer(peer: TunnelPeer, _now: number): void {
    const known = this.#peers.get(peer.id);
    if (known === undefined) {
      const nothing = { localIndices: [], rxBytes: 0, txBytes: 0, lastHandshakeMs: undefined };
      this.#peers.set(peer.id, { peer, ...nothing });
    } else {
      if (known.peer.allowedIps.join() === peer.allowedIps.join()) return;
      known.peer = peer;
    }
    this.#sink.peerSet(peer);
  }

  removePeer(id: AgentId): void {
    const known = this.#peers.get(id);
    if (known === undefined) return;
    for (const index of known.localIndices) this.#byLocalIndex.delete(index);
    this.#peers.delete(id);
    this.#sink.peerRemoved(id);
  }

  /** Packets that the interface sent to the endpoint which stands for `id`. */
  fromInterface(id: AgentId, datagrams: Packets): void {
    const known = this.#peers.get(id);
    const run = this.#run.begin(datagrams.memory, datagrams.ecn);
    for (let i = 0; i < datagrams.count; i++) {
      if (run.isFull) {
        this.#sink.transmit(id, run, undefined);
        run.begin(datagrams.memory, datagrams.ecn);
      }
      const length = datagrams.length(i);
      if (known === undefined || !this.#isFromInterface(known, datagrams, i)) this.#drop("not-wireguard");
      else {
        known.txBytes += length;
        run.push(datagrams.offset(i), length);
      }
    }
    if (run.count > 0) this.#sink.transmit(id, run, undefined);
  }

  receive(datagrams: Packets, from: PathTarget, now: number): boolean {
    const { memory, count } = datagrams;
    const run = this.#run.begin(memory, datagrams.ecn);
    let peer: PassthroughPeer | undefined;
    for (let i = 0; i < count; i++) {
      const at = datagrams.offset(i);
      const length = datagrams.length(i);
      if (!isTransport(memory, at, length)) {
        this.#hand(peer, from, "data");
        run.begin(memory, datagrams.ecn);
        this.#receiveHandshake(bytesOf(datagrams, i), at, from, now);
        run.begin(memory, datagrams.ecn);
        continue;
      }
      const owner = this.#byLocalIndex.get(readU32(memory, at + WireGuardTransport.receiver));
      if (owner === undefined) {
        this.#drop("unknown-index");
        continue;
      }
      if (owner !== peer || run.isFull) {
        this.#hand(peer, from, "data");
        run.begin(memory, datagrams.ecn);
        peer = owner;
      }
      run.push(at, length);
    }
    this.#hand(peer, from, "data");
    // The interface's handshakes are its own business.
    return true;
  }

  #receiveHandshake(datagram: Uint8Array, at: number, from: PathTarget, now: number): void {
    const kind = wireGuardKind(datagram);
    if (kind === undefined) return this.#drop("malformed");
    const isInitiation = kind === "initiation";
    const known = isInitiation
      ? this.#initiator(datagram)
      : this.#byLocalIndex.get(wireGuardReceiver(datagram));
    if (known === undefined) return this.#drop(isInitiation ? "unknown-peer" : "unknown-index");
    if (isInitiation || kind === "response") {
      known.lastHandshakeMs = now;
      this.#sink.flowEstablished(known.peer.id, wireGuardSender(datagram));
    }
    this.#run.push(at, datagram.length);
    this.#hand(known, from, "handshake");
  }

  /** Only the interface can authenticate packets; an index of 32 random bits is as near as we come. */
  #hand(known: PassthroughPeer | undefined, from: PathTarget, what: "data" | "handshake"): void {
    const run = this.#run;
    if (known === undefined || run.count === 0) return;
    for (let i = 0; i < run.count; i++) known.rxBytes += run.length(i);
    this.#sink.authenticated(known.peer.id, from, what === "data");
    this.#sink.toInterface(known.peer.id, run);
  }

  /** Whether the interface may have sent this; learns the index of a handshake. */
  #isFromInterface(known: PassthroughPeer, datagrams: Packets, i: number): boolean {
    if (isTransport(datagrams.memory, datagrams.offset(i), datagrams.length(i))) return true;
    const datagram = bytesOf(datagrams, i);
    const kind = wireGuardKind(datagram);
    if (kind === "initiation" || kind === "response") this.#learn(known, wireGuardSender(datagram));
    return kind !== undefined;
  }

  send(packets: Packets): void {
    for (let i = 0; i < packets.count; i++) this.#drop("no-device");
  }

  /** The interface keeps its own timers. */
  kick(): void {}

  /** The interface's own business, as are its handshakes. */
  hasSession(): boolean {
    return true;
  }

  initiate(): void {}

  statistics(id: AgentId): TunnelStatistics | undefined {
    return this.#peers.get(id);
  }

  tick(): void {}

  nextDeadline(): undefined {
    return undefined;
  }

  #initiator(datagram: Uint8Array): PassthroughPeer | undefined {
    const key = this.#initiatorOf(datagram);
    return key === undefined ? undefined : this.#peers.get(agentIdOf(key));
  }

  #learn(known: PassthroughPeer, localIndex: number): void {
    if (this.#byLocalIndex.get(localIndex) === known) return;
    this.#byLocalIndex.set(localIndex, known);
    known.localIndices.push(localIndex);
    const oldest = known.localIndices.length > INDICES_PER_PEER_MAX ? known.localIndices.shift() : undefined;
    if (oldest !== undefined) this.#byLocalIndex.delete(oldest);
  }

  #drop(reason: string): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }
}
