/**
 * What the agent needs of whatever does WireGuard's cryptography: our own engine (engine-tunnel.ts), or an existing
 * WireGuard interface for which the agent only finds the paths (passthrough.ts).
 */
import type { AgentId, PublicKey } from "@burrow/protocol";
import type { Packets } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";

export interface TunnelPeer {
  readonly id: AgentId;
  readonly key: PublicKey;
  /** CIDR texts: what may come from and goes to this peer. */
  readonly allowedIps: readonly string[];
}

export interface TunnelStatistics {
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly lastHandshakeMs: number | undefined;
  /** Since when handshakes are begun and none is completed; undefined when none is wanted, or not known. */
  readonly unansweredSinceMs?: number | undefined;
}

/** Bytes are valid during the call only. */
export interface TunnelSink {
  /** WireGuard packets for a peer. `replyTo`: they answer a handshake and go where that came from. */
  transmit(peer: AgentId | undefined, datagrams: Packets, replyTo: PathTarget | undefined): void;
  /** IP packets that a peer sent us. */
  deliver(peer: AgentId, packets: Packets): void;
  /** Packets that can only be the peer's came by this path. */
  authenticated(peer: AgentId, from: PathTarget, carriesData: boolean): void;
  /** Transport packets to this peer bear this receiver index from now on. */
  flowEstablished(peer: AgentId, receiverIndex: number): void;
}

export interface Tunnel {
  readonly kind: "engine" | "passthrough";
  /** Adds a peer or changes what is known of it. */
  setPeer(peer: TunnelPeer, now: number): void;
  removePeer(peer: AgentId): void;
  /** WireGuard datagrams that came together. False when any is of a session that we do not have. */
  receive(datagrams: Packets, from: PathTarget, now: number): boolean;
  /**
   * IP packets from the device, for whomever their destinations belong to. They are sealed where they lie, with
   * SEAL_HEADROOM before each and SEAL_TAILROOM behind.
   */
  send(packets: Packets, now: number): void;
  /** A path to the peer came to life: if a handshake is waiting, now is the time. */
  kick(peer: AgentId, now: number): void;
  /** Whether both ends are known to have a session; true where that is not for us to know. */
  hasSession(peer: AgentId, now: number): boolean;
  /** Begins a handshake unless there is a session or one is under way. Tells again of a session of our own making. */
  initiate(peer: AgentId, now: number): void;
  statistics(peer: AgentId): TunnelStatistics | undefined;
  /** Packets dropped so far, by reason. */
  readonly drops: ReadonlyMap<string, number>;
  tick(now: number): void;
  nextDeadline(): number | undefined;
}
