/** WireGuard's numbers: those of the specification first, those of this implementation after them. */

/** WireGuard §6.1; times in milliseconds. A test may hand the engine other ones. */
export interface WireGuardTimings {
  /** The initiator renews a session that is older when it sends. */
  readonly rekeyAfterMs: number;
  /** A session that is older neither sends nor receives. */
  readonly rejectAfterMs: number;
  /** How long a handshake waits for its answer before it is begun anew. */
  readonly rekeyTimeoutMs: number;
  /** How long handshakes are begun anew before the peer is given up and its queue dropped. */
  readonly rekeyAttemptMs: number;
  /** After receiving data, how long until an empty packet goes back when nothing else does. */
  readonly keepaliveTimeoutMs: number;
}

export const SPECIFIED_TIMINGS: WireGuardTimings = {
  rekeyAfterMs: 120_000,
  rejectAfterMs: 180_000,
  rekeyTimeoutMs: 5_000,
  rekeyAttemptMs: 90_000,
  keepaliveTimeoutMs: 10_000,
};

/** Up to this much is added to rekeyTimeout (WireGuard §6.1: both ends must not retry in step). */
export const REKEY_TIMEOUT_JITTER_MS = 333;

/** WireGuard §5.4.7: a cookie, and the secret it is made with, live this long. */
export const COOKIE_LIFETIME_MS = 120_000;

/** A responder takes no more than 50 initiations a second from one peer, as wireguard-go and Linux do. */
export const INITIATION_SPACING_MS = 20;

/**
 * Limits of a key. The specification has 2^60 and 2^64 - 2^13 - 1. Counters here are numbers, exact up to 2^53, so
 * keys retire far below that; at ten million packets a second a key of 180 s still only reaches 2^31.
 */
export const REKEY_AFTER_MESSAGES = 2 ** 48;
export const REJECT_AFTER_MESSAGES = 2 ** 50;

/** Packets kept per peer while there is no session; as wireguard-go, and the oldest goes first. */
export const STAGED_PACKETS_MAX = 128;

/** The largest packet inside a tunnel: the largest datagram of UDP over IPv4 less header and tag, in whole padding. */
export const PACKET_BYTES_MAX = 65_472;

/** A kick repeats an initiation that is younger than this, and replaces an older one (see handshaker.ts). */
export const KICK_REPEATS_WITHIN_MS = 1_000;
/** So long after a kick new initiations are KICK_REPEATS_WITHIN_MS apart. Three tries at 5 % loss fail once in 1000. */
export const HURRIED_FOR_MS = 4_000;
/** How often one initiation is repeated for kicks; repeats are INITIATION_SPACING_MS apart at least. */
export const KICK_REPEATS_MAX = 4;
