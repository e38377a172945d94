/**
 * What agents send each other, straight or through relays, and what a relay sees of it: whose it is and for whom.
 *
 *   0  type       1   0xb3 probe, 0xb4 ack, 0xb8 introduction
 *   1  version    1   = 1
 *   2  zero       2
 *   4  receiver   8   agent id; a relay routes by it
 *  12  sender     8   agent id; a relay checks it against the binding
 *  20  nonce     24
 *  44  sealed    n, then a tag of 16; under the pair's probe key, bytes 0..19 as additional data
 *
 * Both directions share one key: type, receiver and sender are authenticated so that no packet passes for one of
 * another type, nor for the other side's.
 */
import { type Bytes, Writer } from "./bytes.ts";
import { type AgentId, ID_LENGTH, idFromBytes, idToBytes } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { PacketType, PROTOCOL_VERSION } from "./registry.ts";
import { NONCE_LENGTH, type Sealer, type SymmetricKey, TAG_LENGTH } from "./seal.ts";

const RECEIVER_AT = 4;
const SENDER_AT = RECEIVER_AT + ID_LENGTH;
const NONCE_AT = SENDER_AT + ID_LENGTH;
const SEALED_AT = NONCE_AT + NONCE_LENGTH;
/** All but what is inside. */
const OVERHEAD = SEALED_AT + TAG_LENGTH;

/** Lengths of what is inside. */
const INSIDE = {
  /** Padded up to a jumbo frame: larger than any packet that leaves a host unfragmented. */
  probe: { min: 28, max: 9000 - OVERHEAD },
  probeAck: { min: 28, max: 28 },
  /** With up to 32 candidates of 19 bytes. */
  introduction: { min: 16, max: 16 + 19 * 32 },
} as const;

export type PeerPacketKind = keyof typeof INSIDE;

export interface PeerHeader {
  readonly kind: PeerPacketKind;
  readonly receiver: AgentId;
  readonly sender: AgentId;
}

export const PROBE_LENGTH_MIN = OVERHEAD + INSIDE.probe.min;
export const PROBE_LENGTH_MAX = OVERHEAD + INSIDE.probe.max;
export const INTRODUCTION_LENGTH_MIN = OVERHEAD + INSIDE.introduction.min;
export const INTRODUCTION_LENGTH_MAX = OVERHEAD + INSIDE.introduction.max;

const KINDS = new Map<number, PeerPacketKind>([
  [PacketType.probe, "probe"],
  [PacketType.probeAck, "probeAck"],
  [PacketType.introduction, "introduction"],
]);

/** What a relay, and a receiver looking for the key, may know of a packet. Unauthenticated. */
export function peerHeader(datagram: Bytes): PeerHeader | Refusal {
  const kind = KINDS.get(datagram[0] ?? 0);
  const { min, max } = INSIDE[kind ?? "probe"];
  if (datagram.length < OVERHEAD + min) return Refusal.tooShort;
  if (datagram.length > OVERHEAD + max) return Refusal.tooLong;
  if (datagram[1] !== PROTOCOL_VERSION) return Refusal.badVersion;
  if (kind === undefined || datagram[2] !== 0 || datagram[3] !== 0) return Refusal.badField;
  return {
    kind,
    receiver: idFromBytes(datagram.slice(RECEIVER_AT, SENDER_AT)),
    sender: idFromBytes(datagram.slice(SENDER_AT, NONCE_AT)),
  };
}

/** Whether this id is the sender's: for whoever only wants its own, before any header is taken apart. */
export function isFrom(datagram: Bytes, sender: Bytes): boolean {
  for (let i = 0; i < ID_LENGTH; i++) if (datagram[SENDER_AT + i] !== sender[i]) return false;
  return true;
}

/** `nonce`: 24 fresh random bytes. */
export function sealPeerPacket(
  { kind, receiver, sender }: PeerHeader,
  inside: Bytes,
  key: SymmetricKey,
  nonce: Bytes,
  sealer: Sealer,
): Bytes {
  const outer = new Writer(NONCE_AT)
    .u8(PacketType[kind])
    .u8(PROTOCOL_VERSION)
    .zeros(2)
    .put(idToBytes(receiver))
    .put(idToBytes(sender))
    .finish();
  const sealed = sealer.seal(key, nonce, outer, inside);
  return new Writer(NONCE_AT + nonce.length + sealed.length).put(outer).put(nonce).put(sealed).finish();
}

/** What is inside a packet whose header was taken. */
export function openPeerPacket(datagram: Bytes, key: SymmetricKey, sealer: Sealer): Bytes | Refusal {
  const nonce = datagram.subarray(NONCE_AT, SEALED_AT);
  const inside = sealer.open(key, nonce, datagram.subarray(0, NONCE_AT), datagram.subarray(SEALED_AT));
  return inside ?? Refusal.badSeal;
}
