/**
 * Where the fields of IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293) and UDP (RFC 768) headers are that change when a
 * packet is cut up or put together, and their checksums. Offsets of TCP and UDP are from their own header.
 */
import { folded, type Summable, sumOf } from "./checksum.ts";

export interface PacketMemory extends Summable {
  readonly view: DataView;
}

export const Ipv4 = {
  tos: 1,
  totalLength: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  headerLength: 20,
} as const;
export const Ipv6 = { payloadLength: 4, nextHeader: 6, hopLimit: 7, source: 8, headerLength: 40 } as const;
export const Tcp = {
  sequence: 4,
  acknowledgement: 8,
  dataOffset: 12,
  flags: 13,
  window: 14,
  checksum: 16,
  headerLength: 20,
} as const;
export const Udp = { length: 4, checksum: 6, headerLength: 8 } as const;

export const TcpFlag = { FIN: 0x01, PSH: 0x08, ACK: 0x10, CWR: 0x80 } as const;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** What a checksum of zero is sent as: the same number, and in UDP not "none" (RFC 768). */
export const OTHER_ZERO = 0xffff;

const ADDRESSES_V4_BYTES = 8;
const ADDRESSES_V6_BYTES = 32;

export function isV4(memory: PacketMemory, at: number): boolean {
  return (memory.bytes[at] ?? 0) >>> 4 === 4;
}

/** The sum of the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1), to which the transport's own bytes are to be added. */
export function pseudoSum(memory: PacketMemory, at: number, protocol: number, length: number): number {
  const addresses = isV4(memory, at)
    ? sumOf(memory, at + Ipv4.source, ADDRESSES_V4_BYTES)
    : sumOf(memory, at + Ipv6.source, ADDRESSES_V6_BYTES);
  return folded(addresses + (protocol << 8) + (((length & 0xff) << 8) | (length >>> 8)));
}

/** Writes the length into the IP header, and that header's checksum where it has one. */
export function setIpLength(memory: PacketMemory, at: number, headerLength: number, length: number): void {
  const { view } = memory;
  if (!isV4(memory, at)) {
    view.setUint16(at + Ipv6.payloadLength, length - Ipv6.headerLength, false);
    return;
  }
  view.setUint16(at + Ipv4.totalLength, length, false);
  view.setUint16(at + Ipv4.checksum, 0, true);
  view.setUint16(at + Ipv4.checksum, ~sumOf(memory, at, headerLength) & 0xffff, true);
}

/** Whether a TCP or UDP header at `transport` and its data up to `length` have the right checksum. */
export function hasRightChecksum(
  memory: PacketMemory,
  at: number,
  transport: number,
  length: number,
  protocol: number,
): boolean {
  const own = sumOf(memory, at + transport, length - transport);
  return folded(own + pseudoSum(memory, at, protocol, length - transport)) === 0xffff;
}

/** Writes the checksum of the whole transport packet into its field. */
export function setChecksum(
  memory: PacketMemory,
  at: number,
  transport: number,
  length: number,
  protocol: number,
  field: number,
): void {
  const own = length - transport;
  memory.view.setUint16(at + transport + field, 0, true);
  const sum = folded(sumOf(memory, at + transport, own) + pseudoSum(memory, at, protocol, own));
  memory.view.setUint16(at + transport + field, ~sum & 0xffff || OTHER_ZERO, true);
}
