/**
 * WireGuard's four messages as they lie on the wire (WireGuard whitepaper §5.4), and MAC1, the one field that a
 * stranger who knows the responder's public key can check. Numbers are little-endian. The handshake's contents
 * are the engine's business; relays need no more than this file.
 *
 *   initiation, 148 bytes                          response, 92 bytes
 *   0    1  type = 1     1    3  zero              0    1  type = 2     1    3  zero
 *   4    4  sender index                           4    4  sender index
 *   8   32  ephemeral (clear)                      8    4  receiver index
 *   40  48  static (sealed)                        12  32  ephemeral (clear)
 *   88  28  TAI64N timestamp (sealed)              44  16  nothing (sealed)
 *   116 16  MAC1                                   60  16  MAC1
 *   132 16  MAC2 or zeros                          76  16  MAC2 or zeros
 *
 *   cookie reply, 64 bytes                         transport data, 32 bytes and more
 *   0    1  type = 3     1    3  zero              0    1  type = 4     1    3  zero
 *   4    4  receiver index                         4    4  receiver index
 *   8   24  nonce                                  8    8  counter
 *   32  32  cookie (sealed)                        16   n  padded packet (sealed, with its 16-byte tag)
 */
import { blake2s } from "@noble/hashes/blake2.js";
import { type Bytes, equalBytes } from "./bytes.ts";
import { utf8 } from "./encoding.ts";

/** WireGuard §5.4: the first byte, always followed by three zero bytes. */
export const WireGuardType = { initiation: 1, response: 2, cookieReply: 3, transport: 4 } as const;
export type WireGuardKind = keyof typeof WireGuardType;

/** Offsets of the fields, and the whole length: exact for all but transport data. */
export const WireGuardInitiation = {
  sender: 4,
  ephemeral: 8,
  static: 40,
  timestamp: 88,
  mac1: 116,
  mac2: 132,
  length: 148,
} as const;
export const WireGuardResponse = {
  sender: 4,
  receiver: 8,
  ephemeral: 12,
  empty: 44,
  mac1: 60,
  mac2: 76,
  length: 92,
} as const;
export const WireGuardCookieReply = { receiver: 4, nonce: 8, cookie: 32, length: 64 } as const;
export const WireGuardTransport = { receiver: 4, counter: 8, content: 16, lengthMin: 32 } as const;

export const WIREGUARD_TAG_LENGTH = 16;
export const WIREGUARD_MAC_LENGTH = 16;
/** Plaintext is padded to multiples of this (§5.4.6). */
export const WIREGUARD_PADDING = 16;

const MAC1_LABEL = utf8("mac1----");
const U32 = 0x1_0000_0000;

/** Which message is this? Undefined when the type, the reserved bytes or the length are not WireGuard's. */
export function wireGuardKind(datagram: Bytes): WireGuardKind | undefined {
  if (datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return undefined;
  const length = datagram.length;
  switch (datagram[0]) {
    case WireGuardType.transport:
      return length >= WireGuardTransport.lengthMin ? "transport" : undefined;
    case WireGuardType.initiation:
      return length === WireGuardInitiation.length ? "initiation" : undefined;
    case WireGuardType.response:
      return length === WireGuardResponse.length ? "response" : undefined;
    case WireGuardType.cookieReply:
      return length === WireGuardCookieReply.length ? "cookieReply" : undefined;
    default:
      return undefined;
  }
}

/** How long an IP packet is sealed: in whole units of 16 bytes, but not past the MTU, where it would no longer fit the path. */
export function wireGuardPaddedLength(length: number, mtuBytes: number): number {
  const whole = (length + WIREGUARD_PADDING - 1) & -WIREGUARD_PADDING;
  return Math.min(whole, Math.max(length, mtuBytes));
}

/** The sender index of an initiation or a response. */
export function wireGuardSender(message: Bytes): number {
  return u32(message, WireGuardInitiation.sender);
}

/** The receiver index of a response (at 8), or of a cookie reply or transport data (at 4). */
export function wireGuardReceiver(message: Bytes): number {
  const isResponse = message[0] === WireGuardType.response;
  return u32(message, isResponse ? WireGuardResponse.receiver : WireGuardTransport.receiver);
}

/** The counter of transport data. Past 2^53 it is inexact, and far past any limit at which keys are retired. */
export function wireGuardCounter(message: Bytes): number {
  return u32(message, WireGuardTransport.counter) + u32(message, WireGuardTransport.counter + 4) * U32;
}

/**
 * MAC1 of messages for one responder (WireGuard §5.4.4): keyed BLAKE2s-128 under Hash("mac1----" ‖ public key).
 * The state after the key block is kept, so that a check costs only the message's own blocks.
 */
export class Mac1 {
  readonly #keyed: ReturnType<typeof blake2s.create>;
  readonly #scratch: ReturnType<typeof blake2s.create>;
  readonly #digest = new Uint8Array(WIREGUARD_MAC_LENGTH);

  constructor(responderPublicKey: Bytes) {
    const key = blake2s.create().update(MAC1_LABEL).update(responderPublicKey).digest();
    this.#keyed = blake2s.create({ key, dkLen: WIREGUARD_MAC_LENGTH });
    this.#scratch = this.#keyed.clone();
  }

  /** True when the MAC1 of an initiation or a response is right: it is meant for this responder. */
  verify(message: Bytes): boolean {
    const mac1 = mac1Offset(message);
    if (mac1 === undefined) return false;
    return equalBytes(this.#compute(message, mac1), message.subarray(mac1, mac1 + WIREGUARD_MAC_LENGTH));
  }

  /** Writes MAC1 into an initiation or a response whose other fields, MAC2 excepted, are final. */
  write(message: Bytes): void {
    const mac1 = mac1Offset(message);
    if (mac1 !== undefined) message.set(this.#compute(message, mac1), mac1);
  }

  /** The answer lies in this object's scratch space until the next call. */
  #compute(message: Bytes, length: number): Bytes {
    this.#keyed._cloneInto(this.#scratch).update(message.subarray(0, length)).digestInto(this.#digest);
    return this.#digest;
  }
}

function mac1Offset(message: Bytes): number | undefined {
  const kind = wireGuardKind(message);
  if (kind === "initiation") return WireGuardInitiation.mac1;
  return kind === "response" ? WireGuardResponse.mac1 : undefined;
}

function u32(bytes: Bytes, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}
