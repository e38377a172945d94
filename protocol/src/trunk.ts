/**
 * Trunk, relay → relay, one hop: the sender's home relay hands a packet to the receiver's.
 *
 *   0  type          1   0xb5
 *   1  boot          3   higher with every start of the sending relay, LE; never goes back
 *   4  sender        4   first bytes of the sending relay's id
 *   8  counter       8   one more with every packet of this boot, LE
 *  16  source        8   agent id
 *  24  destination   8   agent id
 *  32  packet        n   WireGuard, Probe, Probe-ack or Introduction, as the agent sent it
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
import { invariant } from "./errors.ts";
import { type IdWords, idWords, type RelayId } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { classify, type PacketKind, PacketType } from "./registry.ts";
import { type SymmetricKey, TAG_LENGTH } from "./seal.ts";

const PACKET_AT = 32;
const BOOT_MAX = 0xff_ffff;
const NOTHING = new Uint8Array(0);
const TRAVELS: ReadonlySet<PacketKind> = new Set(["wireguard", "probe", "probeAck", "introduction"]);

export const TRUNK_OVERHEAD = PACKET_AT + TAG_LENGTH;
/** Smallest inner packet: a WireGuard keepalive, 32 bytes. */
export const TRUNK_LENGTH_MIN = TRUNK_OVERHEAD + 32;

/** The first 4 bytes of a relay's id, as a number: which keys to try. Not unique: 2^32 keys find another with it. */
export type RelayTag = number & { readonly __brand: "RelayTag" };

/** Who sent a packet of the trunk, and which of its packets it is. */
export interface TrunkSender {
  boot: number;
  sender: RelayTag;
  counter: number;
}

/** One object can serve all packets of a thread. */
export interface TrunkHeader extends TrunkSender {
  source: IdWords;
  destination: IdWords;
}

export function newTrunkHeader(): TrunkHeader {
  const [source, destination] = [0, 1].map(() => ({ first: 0, last: 0 })) as [IdWords, IdWords];
  return { boot: 0, sender: 0 as RelayTag, counter: 0, source, destination };
}

export function relayTagOf(relay: RelayId): RelayTag {
  return idWords(relay).first as RelayTag;
}

/** The key of one direction; the platform's native keys fit. Tags are of 16 bytes, over bytes in place. */
export interface TrunkMac {
  /** Writes the tag of the `length` bytes at `offset` behind them. */
  sign(noncePrefix: number, counter: number, buffer: Bytes, offset: number, length: number): void;
  /** Does the tag of the `length` bytes at `offset` lie behind them? */
  verify(noncePrefix: number, counter: number, buffer: Bytes, offset: number, length: number): boolean;
  /** Wipes the key. The object is not used again. */
  destroy(): void;
}

export type TrunkMacOf = (key: SymmetricKey) => TrunkMac;

export const nobleTrunkMac: TrunkMacOf = (key) => {
  const tagOf = (boot: number, counter: number, data: Bytes) =>
    chacha20poly1305(key, new Writer(12).u32(boot).u64(counter).finish(), data).encrypt(NOTHING);
  return {
    sign: (boot, counter, buffer, offset, length) =>
      buffer.set(tagOf(boot, counter, buffer.subarray(offset, offset + length)), offset + length),
    verify: (boot, counter, buffer, offset, length) => {
      const tag = buffer.subarray(offset + length, offset + length + TAG_LENGTH);
      return equalBytes(tag, tagOf(boot, counter, buffer.subarray(offset, offset + length)));
    },
    destroy() {},
  };
};

/** Into `out`, which has room for TRUNK_OVERHEAD more than the packet: a view of as much as was written. */
export function encodeTrunk(
  header: TrunkHeader,
  packet: Bytes,
  mac: TrunkMac,
  out: Bytes = new Uint8Array(TRUNK_OVERHEAD + packet.length),
): Bytes {
  const { boot, sender, counter, source, destination } = header;
  invariant(boot >= 0 && boot <= BOOT_MAX, "boot count past 24 bits: give the relay a new key");
  invariant(TRAVELS.has(classify(packet)), "packet that does not travel by trunk");
  new Writer(out)
    .u8(PacketType.trunk)
    .u8(boot & 0xff)
    .u16(boot >>> 8)
    .u32(sender)
    .u64(counter)
    .u32(source.first)
    .u32(source.last)
    .u32(destination.first)
    .u32(destination.last)
    .put(packet);
  mac.sign(boot, counter, out, 0, PACKET_AT + packet.length);
  return out.subarray(0, TRUNK_OVERHEAD + packet.length);
}

/** The header of a trunk packet, unauthenticated: `verifyTrunk` comes before anything is done with it. */
export function trunkHeader(datagram: Bytes, header: TrunkHeader = newTrunkHeader()): TrunkHeader | Refusal {
  if (datagram.length < TRUNK_LENGTH_MIN) return Refusal.tooShort;
  const reader = new Reader(datagram);
  if (reader.u8() !== PacketType.trunk) return Refusal.badField;
  header.boot = reader.u8() + reader.u16() * 0x100;
  header.sender = reader.u32() as RelayTag;
  header.counter = reader.u64();
  header.source.first = reader.u32();
  header.source.last = reader.u32();
  header.destination.first = reader.u32();
  header.destination.last = reader.u32();
  return reader.ok && TRAVELS.has(classify(trunkPacket(datagram))) ? header : Refusal.badField;
}

/** Of a trunk packet, a ping or a pong: whether the relay that shares the key made it. */
export function verifyTrunk(datagram: Bytes, { boot, counter }: TrunkSender, mac: TrunkMac): boolean {
  const length = datagram.length - TAG_LENGTH;
  return datagram.length >= lengthMinOf(datagram) && mac.verify(boot, counter, datagram, 0, length);
}

/** A ping is a header of 24 bytes and a tag (trunk-ping.ts). */
function lengthMinOf(datagram: Bytes): number {
  return datagram[0] === PacketType.trunk ? TRUNK_LENGTH_MIN : 24 + TAG_LENGTH;
}

/** The packet inside, as a view. */
export function trunkPacket(datagram: Bytes): Bytes {
  return datagram.subarray(PACKET_AT, datagram.length - TAG_LENGTH);
}
