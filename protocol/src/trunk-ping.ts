/**
 * Trunk ping and pong, relay ↔ relay: how far another relay's data port is, and whether it works at all.
 *
 *   0  type          1   0xb6 ping, 0xb7 pong
 *   1  boot          3   as in a trunk packet (trunk.ts)
 *   4  sender        4   first bytes of the sending relay's id
 *   8  counter       8   of the same count as the sender's trunk packets: a nonce is never used twice
 *  16  transaction   8   random; a pong repeats that of its ping
 *  24  tag          16   as in a trunk packet, with bytes 0..23 as additional data
 *
 * Keys, windows and boots are those of the trunk, so a ping that is answered shows that trunk packets would arrive, both
 * ways. A pong is as long as its ping, and goes to where the answering relay sends its trunk packets.
 */
import { type Bytes, Reader, Writer } from "./bytes.ts";
import { fromHex, toHex } from "./encoding.ts";
import { invariant } from "./errors.ts";
import { TRANSACTION_LENGTH, type Transaction } from "./probe.ts";
import { Refusal } from "./refusal.ts";
import { PacketType } from "./registry.ts";
import { TAG_LENGTH } from "./seal.ts";
import type { RelayTag, TrunkMac, TrunkSender } from "./trunk.ts";

const TAG_AT = 16 + TRANSACTION_LENGTH;
const BOOT_MAX = 0xff_ffff;
export const TRUNK_PING_LENGTH = TAG_AT + TAG_LENGTH;

export interface TrunkPing extends TrunkSender {
  readonly kind: "trunkPing" | "trunkPong";
  readonly transaction: Transaction;
}

export function encodeTrunkPing(ping: TrunkPing, mac: TrunkMac): Bytes {
  const { kind, boot, sender, counter, transaction } = ping;
  invariant(boot >= 0 && boot <= BOOT_MAX, "boot count past 24 bits: give the relay a new key");
  const { bytes } = new Writer(TRUNK_PING_LENGTH)
    .u8(PacketType[kind])
    .u8(boot & 0xff)
    .u16(boot >>> 8)
    .u32(sender)
    .u64(counter)
    .put(fromHex(transaction) ?? new Uint8Array(0));
  mac.sign(boot, counter, bytes, 0, TAG_AT);
  return bytes;
}

/** What it says, unauthenticated: `verifyTrunk` comes before anything is done with it. */
export function trunkPing(datagram: Bytes): TrunkPing | Refusal {
  if (datagram.length < TRUNK_PING_LENGTH) return Refusal.tooShort;
  if (datagram.length > TRUNK_PING_LENGTH) return Refusal.tooLong;
  const reader = new Reader(datagram);
  const type = reader.u8();
  if (type !== PacketType.trunkPing && type !== PacketType.trunkPong) return Refusal.badField;
  const kind = type === PacketType.trunkPing ? "trunkPing" : "trunkPong";
  const boot = reader.u8() + reader.u16() * 0x100;
  const sender = reader.u32() as RelayTag;
  const counter = reader.u64();
  const transaction = toHex(reader.bytes(TRANSACTION_LENGTH)) as Transaction;
  return reader.ok ? { kind, boot, sender, counter, transaction } : Refusal.badField;
}
