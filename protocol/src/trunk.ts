/**
 * Trunk, relay → relay, one hop: the sender's home relay hands a packet to the receiver's.
 *
 *   0  type          1   0xb5
 *   1  boot          3   how often the sending relay has started, LE; never goes back
 *   4  sender        4   first bytes of the sending relay's id
 *   8  counter       8   one more with every packet of this boot, LE
 *  16  source        8   agent id
 *  24  destination   8   agent id
 *  32  packet        n   WireGuard, Probe or Probe-ack, as the agent sent it
 *  32+n  tag        16   ChaCha20-Poly1305 over nothing, with bytes 0..31+n as additional data
 *
 * Key: from the two relays' static keys and the direction (seal.ts `trunkKey`). Nonce: boot as 4 bytes, counter as 8.
 * A receiver keeps, per sender, the highest boot and a replay window (replay.ts) of its counters.
 * Senders whose ids begin alike share a tag: each key with that tag is tried, and windows are kept by key.
 * The packet is already encrypted end to end: the tag keeps strangers from injecting and from moving routes.
 * Nothing else may travel inside, so that a trunk never holds a trunk, and what came by trunk never leaves by one.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type Bytes, equalBytes, Reader, Writer } from "./bytes.ts";
import { fromHex, toHex } from "./encoding.ts";
import { invariant } from "./errors.ts";
import { type AgentId, ID_LENGTH, idFromBytes, idToBytes, type RelayId } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { classify, type PacketKind, PacketType } from "./registry.ts";
import { type SymmetricKey, TAG_LENGTH } from "./seal.ts";

const PACKET_AT = 32;
const SENDER_LENGTH = 4;
const BOOT_MAX = 0xff_ffff;
const NOTHING = new Uint8Array(0);
const TRAVELS: ReadonlySet<PacketKind> = new Set(["wireguard", "probe", "probeAck"]);

export const TRUNK_OVERHEAD = PACKET_AT + TAG_LENGTH;
/** Smallest inner packet: a WireGuard keepalive, 32 bytes. */
export const TRUNK_LENGTH_MIN = TRUNK_OVERHEAD + 32;

/** The first 4 bytes of a relay's id, as hex: which keys to try. Not unique: 2^32 keys find another with it. */
export type RelayTag = string & { readonly __brand: "RelayTag" };

/** Who sent a packet of the trunk, and which of its packets it is. */
export interface TrunkSender {
  readonly boot: number;
  readonly sender: RelayTag;
  readonly counter: number;
}

export interface TrunkHeader extends TrunkSender {
  readonly source: AgentId;
  readonly destination: AgentId;
}

export function relayTagOf(relay: RelayId): RelayTag {
  return relay.slice(0, 2 * SENDER_LENGTH) as RelayTag;
}

/** A MAC of 16 bytes over `data`; the native AEAD of the platform fits. */
export type TrunkMac = (key: SymmetricKey, nonce: Bytes, data: Bytes) => Bytes;

export const nobleTrunkMac: TrunkMac = (key, nonce, data) =>
  chacha20poly1305(key, nonce, data).encrypt(NOTHING);

export function encodeTrunk(header: TrunkHeader, packet: Bytes, key: SymmetricKey, mac: TrunkMac): Bytes {
  const { boot } = header;
  invariant(boot >= 0 && boot <= BOOT_MAX, "boot count past 24 bits: give the relay a new key");
  invariant(TRAVELS.has(classify(packet)), "packet that does not travel by trunk");
  const writer = new Writer(TRUNK_OVERHEAD + packet.length)
    .u8(PacketType.trunk)
    .u8(boot & 0xff)
    .u16(boot >>> 8)
    .put(fromHex(header.sender) ?? NOTHING)
    .u64(header.counter)
    .put(idToBytes(header.source))
    .put(idToBytes(header.destination))
    .put(packet);
  const tag = mac(
    key,
    trunkNonce(header.boot, header.counter),
    writer.bytes.subarray(0, PACKET_AT + packet.length),
  );
  return writer.put(tag).finish();
}

/** The header of a trunk packet, unauthenticated: `verifyTrunk` comes before anything is done with it. */
export function trunkHeader(datagram: Bytes): TrunkHeader | Refusal {
  if (datagram.length < TRUNK_LENGTH_MIN) return Refusal.tooShort;
  const reader = new Reader(datagram);
  if (reader.u8() !== PacketType.trunk) return Refusal.badField;
  const boot = reader.u8() + reader.u16() * 0x100;
  const sender = toHex(reader.view(SENDER_LENGTH)) as RelayTag;
  const counter = reader.u64();
  const source = idFromBytes<AgentId>(reader.view(ID_LENGTH));
  const destination = idFromBytes<AgentId>(reader.view(ID_LENGTH));
  const mayTravel = TRAVELS.has(classify(trunkPacket(datagram)));
  return reader.ok && mayTravel ? { boot, sender, counter, source, destination } : Refusal.badField;
}

/** Of a trunk packet, a ping or a pong: whether the relay that shares `key` made it. */
export function verifyTrunk(datagram: Bytes, header: TrunkSender, key: SymmetricKey, mac: TrunkMac): boolean {
  if (datagram.length < lengthMinOf(datagram)) return false;
  const tagAt = datagram.length - TAG_LENGTH;
  const expected = mac(key, trunkNonce(header.boot, header.counter), datagram.subarray(0, tagAt));
  return equalBytes(expected, datagram.subarray(tagAt));
}

/** A ping is a header of 24 bytes and a tag (trunk-ping.ts). */
function lengthMinOf(datagram: Bytes): number {
  return datagram[0] === PacketType.trunk ? TRUNK_LENGTH_MIN : 24 + TAG_LENGTH;
}

/** The packet inside, as a view. */
export function trunkPacket(datagram: Bytes): Bytes {
  return datagram.subarray(PACKET_AT, datagram.length - TAG_LENGTH);
}

export function trunkNonce(boot: number, counter: number): Bytes {
  return new Writer(12).u32(boot).u64(counter).finish();
}
