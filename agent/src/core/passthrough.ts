/**
 * An existing WireGuard interface does the cryptography; the agent stands in for its peers' endpoints and finds the
 * path. Packets pass untouched. Which peer a packet from the network belongs to is told by the receiver index, learned
 * from the interface's own handshakes, or, for an initiation, by the static key inside it.
 */
import { type AgentId, agentIdOf, wireGuardKind, wireGuardReceiver, wireGuardSender } from "@burrow/protocol";
import type { PathTarget } from "./paths/path.ts";
import type { Tunnel, TunnelPeer, TunnelSink, TunnelStatistics } from "./tunnel.ts";

export interface PassthroughSink extends TunnelSink {
  /** Hand a WireGuard packet to the interface, as if it came from this peer's endpoint. */
  toInterface(peer: AgentId, datagram: Uint8Array): void;
  peerSet(peer: TunnelPeer): void;
  peerRemoved(peer: AgentId): void;
}

/** Initiator's static key of a type 1 message for us, or undefined: noise.ts, with the interface's private key. */
export type InitiatorOf = (initiation: Uint8Array) => Uint8Array | undefined;

/** Indices kept per peer: the previous, the current and the next session's, and some handshakes that came to nothing. */
const INDICES_PER_PEER_MAX = 8;

interface PassthroughPeer {
  readonly peer: TunnelPeer;
  readonly localIndices: number[];
  rxBytes: number;
  txBytes: number;
  lastHandshakeMs: number | undefined;
}

export class Passthrough implements Tunnel {
  readonly kind = "passthrough";
  readonly drops = new Map<string, number>();
  readonly #sink: PassthroughSink;
  readonly #initiatorOf: InitiatorOf;
  readonly #peers = new Map<AgentId, PassthroughPeer>();
  readonly #byLocalIndex = new Map<number, PassthroughPeer>();

  constructor(sink: PassthroughSink, initiatorOf: InitiatorOf) {
    this.#sink = sink;
    this.#initiatorOf = initiatorOf;
  }

  setPeer(peer: TunnelPeer, _now: number): void {
    const known = this.#peers.get(peer.id);
    if (known !== undefined && known.peer.allowedIps.join() === peer.allowedIps.join()) return;
    this.#peers.set(peer.id, {
      peer,
      localIndices: known?.localIndices ?? [],
      rxBytes: known?.rxBytes ?? 0,
      txBytes: known?.txBytes ?? 0,
      lastHandshakeMs: known?.lastHandshakeMs,
    });
    this.#sink.peerSet(peer);
  }

  removePeer(id: AgentId): void {
    const known = this.#peers.get(id);
    if (known === undefined) return;
    for (const index of known.localIndices) this.#byLocalIndex.delete(index);
    this.#peers.delete(id);
    this.#sink.peerRemoved(id);
  }

  /** A packet that the interface sent to the endpoint which stands for `id`. */
  fromInterface(id: AgentId, datagram: Uint8Array): void {
    const known = this.#peers.get(id);
    const kind = wireGuardKind(datagram);
    if (known === undefined || kind === undefined) return this.#drop("not-wireguard");
    if (kind === "initiation" || kind === "response") this.#learn(known, wireGuardSender(datagram));
    known.txBytes += datagram.length;
    this.#sink.transmit(id, datagram, undefined);
  }

  receive(datagram: Uint8Array, from: PathTarget, now: number): boolean {
    const reason = this.#receive(datagram, from, now);
    if (reason !== undefined) this.#drop(reason);
    // The interface's handshakes are its own business.
    return true;
  }

  #receive(datagram: Uint8Array, from: PathTarget, now: number): string | undefined {
    const kind = wireGuardKind(datagram);
    if (kind === undefined) return "malformed";
    const known =
      kind === "initiation" ? this.#initiator(datagram) : this.#byLocalIndex.get(wireGuardReceiver(datagram));
    if (known === undefined) return kind === "initiation" ? "unknown-peer" : "unknown-index";
    if (kind === "initiation" || kind === "response") {
      known.lastHandshakeMs = now;
      this.#sink.flowEstablished(known.peer.id, wireGuardSender(datagram));
    }
    known.rxBytes += datagram.length;
    // Only the interface can authenticate a packet; an index of 32 random bits is as near as we come.
    this.#sink.authenticated(known.peer.id, from, kind === "transport");
    this.#sink.toInterface(known.peer.id, datagram);
    return undefined;
  }

  send(): void {
    this.#drop("no-device");
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
