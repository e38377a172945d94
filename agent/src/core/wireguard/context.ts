/** What the engine's halves, handshakes and data, share and ask of each other. */
import { OnePacket } from "../packets.ts";
import type { WireGuardTimings } from "./constants.ts";
import type { IndexTable } from "./index-table.ts";
import type { StaticKeys } from "./noise.ts";
import type { Peer } from "./peer.ts";
import type { WireGuardPrimitives } from "./primitives.ts";
import type { DropReason, WireGuardSink } from "./sink.ts";

export interface EngineContext<P> {
  // What never changes.
  readonly primitives: WireGuardPrimitives;
  readonly local: StaticKeys;
  readonly timings: WireGuardTimings;
  readonly sink: WireGuardSink<P>;
  readonly random: (out: Uint8Array) => void;
  /** Unix time in milliseconds, for initiations' timestamps alone. */
  readonly wallClock: () => number;

  readonly indices: IndexTable;

  drop(reason: DropReason): void;
  /** Begins a handshake unless one is too recent. */
  requestHandshake(peer: Peer, now: number): void;
  /** A session can send: what waited for it goes out. `isInitiator`: an empty packet does, if nothing waited. */
  sessionReady(peer: Peer, now: number, isInitiator: boolean): void;
}

/** Hands one datagram of a peer's to the layer above and counts it. */
export function transmitTo<P>(
  context: EngineContext<P>,
  peer: Peer,
  datagram: Uint8Array,
  replyTo?: P,
): void {
  peer.statistics.txBytes += datagram.length;
  context.sink.transmit(peer, new OnePacket(datagram), replyTo);
}
