/** What the engine tells the layer above: a contract of five calls, and the words they use. */

import type { Packets } from "../packets.ts";

/** Why a packet went no further. Closed: each has its own counter. */
export const DropReason = {
  malformed: "malformed",
  badMac1: "bad-mac1",
  cookieDemanded: "cookie-demanded",
  sourceLimit: "source-limit",
  badCookie: "bad-cookie",
  forged: "forged",
  lowOrderKey: "low-order-key",
  unknownPeer: "unknown-peer",
  unknownIndex: "unknown-index",
  replayedInitiation: "replayed-initiation",
  initiationFlood: "initiation-flood",
  expiredKey: "expired-key",
  counterLimit: "counter-limit",
  replayed: "replayed",
  tooLarge: "too-large",
  notIp: "not-ip",
  sourceNotAllowed: "source-not-allowed",
  noRoute: "no-route",
  queueFull: "queue-full",
  handshakeTimedOut: "handshake-timed-out",
} as const;
export type DropReason = (typeof DropReason)[keyof typeof DropReason];

/** What kind of packet proved that the peer is there. */
export type AuthenticatedKind = "initiation" | "response" | "keepalive" | "data";

/** Bytes count whole datagrams. */
export interface PeerStatistics {
  readonly rxBytes: number;
  readonly txBytes: number;
  /** When a session was last confirmed, on the clock passed in as `now`. */
  readonly lastHandshakeMs: number | undefined;
  /** When the first of the handshakes was begun of which none has come to its end. */
  readonly unansweredSinceMs: number | undefined;
}

/** A peer as the layer above knows it. Compared by identity; valid until it is removed. */
export interface PeerHandle {
  readonly publicKey: Uint8Array;
  readonly statistics: PeerStatistics;
}

/** A new session's indices: `localIndex` stands in packets to us, `remoteIndex` in packets to the peer. */
export interface EstablishedSession {
  readonly localIndex: number;
  readonly remoteIndex: number;
  /** A responder's session carries nothing from us until the initiator's first packet under it has come. */
  readonly role: "initiator" | "responder";
}

/**
 * P is whatever the layer above calls a path; the engine passes it through and never looks inside.
 * Bytes are valid during the call only. From `transmit` and `authenticated` the engine must not be entered again,
 * except for `initiate` and `kick` from `authenticated`; from `deliver` and `established`, `send` may be called.
 */
export interface WireGuardSink<P> {
  /**
   * Send these. `replyTo` is set for handshake responses and cookie replies, which go where the question came from;
   * for all else the layer above picks the path. Cookie replies belong to no peer.
   */
  transmit(peer: PeerHandle | undefined, datagrams: Packets, replyTo: P | undefined): void;
  /** IP packets, without padding, whose source addresses the peer may use. */
  deliver(peer: PeerHandle, packets: Packets): void;
  /** The peer itself sent what came by this path, once for a run: not forged, not replayed. */
  authenticated(peer: PeerHandle, from: P, kind: AuthenticatedKind, now: number): void;
  /** A session was derived. The layer above tells relays whose `localIndex` this is. */
  established(peer: PeerHandle, session: EstablishedSession, now: number): void;
  dropped(reason: DropReason): void;
}
