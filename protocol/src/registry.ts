/**
 * The one registry of first bytes on the UDP port, and the one place that tells whose packet a datagram is.
 *
 *   0x01..0x04 + three zero bytes   WireGuard (§5.4), forwarded untouched; no STUN method has such a type
 *   0x00..0x3f                      STUN (RFC 8489 §5: the first two bits are zero), never ours
 *   0xb1..0xb8                      Burrow, below; of RFC 7983's ranges in that of RTP, which never comes here
 *
 * A number given here once is never used for anything else, not even after its packet is gone.
 */
import type { Bytes } from "./bytes.ts";

export const PacketType = {
  bind: 0xb1,
  bound: 0xb2,
  probe: 0xb3,
  probeAck: 0xb4,
  trunk: 0xb5,
  trunkPing: 0xb6,
  trunkPong: 0xb7,
  introduction: 0xb8,
} as const;

export const PROTOCOL_VERSION = 1;

export type PacketKind = keyof typeof PacketType | "wireguard" | "unknown";

const KINDS = new Map<number, PacketKind>(
  Object.entries(PacketType).map(([kind, byte]) => [byte, kind as PacketKind]),
);

/** Whose packet is this? Looks at the first four bytes only; says nothing of the packet being well formed. */
export function classify(datagram: Bytes): PacketKind {
  const first = datagram[0];
  if (first === undefined) return "unknown";
  if (first >= 1 && first <= 4) {
    const reservedAreZero = datagram[1] === 0 && datagram[2] === 0 && datagram[3] === 0;
    return reservedAreZero ? "wireguard" : "unknown";
  }
  return KINDS.get(first) ?? "unknown";
}
