/**
 * Which packets may travel as one: of one TCP or UDP flow, and alike in all that cutting them up again would copy from
 * the first (as the kernel's GRO asks, net/ipv4/tcp_offload.c). Reads headers where they lie; says nothing of order.
 */
import { Ipv4, Ipv6, type PacketMemory, PROTOCOL_TCP, PROTOCOL_UDP, Tcp, TcpFlag, Udp } from "./packet.ts";

/** What a packet is to one who puts packets together. A number, since it is stored by the thousand. */
export const FlowKind = { none: 0, tcp4: 1, tcp6: 2, udp4: 3, udp6: 4 } as const;
export type FlowKind = (typeof FlowKind)[keyof typeof FlowKind];

const MORE_FRAGMENTS_AND_OFFSET = 0x3fff;
const FLAGS_ALLOWED = TcpFlag.ACK | TcpFlag.PSH;

export const isTcpKind = (kind: FlowKind): boolean => kind === FlowKind.tcp4 || kind === FlowKind.tcp6;

/** Where the transport header begins: kinds other than `none` have no IP options and no extension headers. */
export const transportOf = (kind: FlowKind): number =>
  kind === FlowKind.tcp4 || kind === FlowKind.udp4 ? Ipv4.headerLength : Ipv6.headerLength;

/** Where its data begins. */
export function headersOf(memory: PacketMemory, at: number, kind: FlowKind): number {
  const transport = transportOf(kind);
  if (!isTcpKind(kind)) return transport + Udp.headerLength;
  return transport + (((memory.bytes[at + transport + Tcp.dataOffset] ?? 0) >>> 4) << 2);
}

/** `none` for whatever has to travel alone: fragments, options, no data, flags that mean more than "data". */
export function kindOf(memory: PacketMemory, at: number, length: number): FlowKind {
  const { bytes, view } = memory;
  const version = (bytes[at] ?? 0) >>> 4;
  let protocol = 0;
  if (version === 4) {
    if (length < Ipv4.headerLength || bytes[at] !== 0x45) return FlowKind.none;
    if (view.getUint16(at + Ipv4.totalLength, false) !== length) return FlowKind.none;
    // The bit that RFC 791 reserves has to be zero as well: only DF may be set.
    if ((view.getUint16(at + Ipv4.fragment, false) & (MORE_FRAGMENTS_AND_OFFSET | 0x8000)) !== 0)
      return FlowKind.none;
    protocol = bytes[at + Ipv4.protocol] ?? 0;
  } else {
    if (version !== 6 || length < Ipv6.headerLength) return FlowKind.none;
    if (view.getUint16(at + Ipv6.payloadLength, false) + Ipv6.headerLength !== length) return FlowKind.none;
    protocol = bytes[at + Ipv6.nextHeader] ?? 0;
  }
  const transport = version === 4 ? Ipv4.headerLength : Ipv6.headerLength;
  if (protocol === PROTOCOL_TCP) {
    if (length <= transport + Tcp.headerLength) return FlowKind.none;
    // With the low half of the byte before: reserved bits, of which Accurate ECN uses one.
    const word = view.getUint16(at + transport + Tcp.dataOffset, false);
    const headers = transport + ((word >>> 12) << 2);
    if (headers < transport + Tcp.headerLength || length <= headers) return FlowKind.none;
    if ((word & 0xfff & ~FLAGS_ALLOWED) !== 0 || (word & TcpFlag.ACK) === 0) return FlowKind.none;
    return version === 4 ? FlowKind.tcp4 : FlowKind.tcp6;
  }
  if (protocol !== PROTOCOL_UDP || length <= transport + Udp.headerLength) return FlowKind.none;
  if (view.getUint16(at + transport + Udp.length, false) !== length - transport) return FlowKind.none;
  // No checksum: it would get one.
  if (view.getUint16(at + transport + Udp.checksum, false) === 0) return FlowKind.none;
  return version === 4 ? FlowKind.udp4 : FlowKind.udp6;
}

/**
 * A number that packets of one flow have in common, whichever way they are told apart. Of any IP packet, since
 * those that travel alone have to keep their place in their flow too.
 */
export function flowHash(memory: PacketMemory, at: number, length: number): number {
  const { view } = memory;
  let hash = 0;
  if (isVersion4(memory, at)) {
    if (length < Ipv4.headerLength + 4) return 0;
    hash =
      view.getInt32(at + Ipv4.source, true) ^
      Math.imul(view.getInt32(at + Ipv4.source + 4, true), 0x85ebca6b);
    hash ^= view.getInt32(at + Ipv4.headerLength, true);
  } else {
    if (length < Ipv6.headerLength + 4) return 0;
    for (let i = 0; i < 32; i += 4)
      hash = Math.imul(hash ^ view.getInt32(at + Ipv6.source + i, true), 0x85ebca6b);
    hash ^= view.getInt32(at + Ipv6.headerLength, true);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x9e3779b1);
  return hash >>> 16;
}

const isVersion4 = ({ bytes }: PacketMemory, at: number): boolean => (bytes[at] ?? 0) >>> 4 === 4;

/** Whether two packets of one kind, with headers of one length, could have been cut from one. */
export function areAlike(
  a: PacketMemory,
  atA: number,
  b: PacketMemory,
  atB: number,
  kind: FlowKind,
  headers: number,
): boolean {
  const transport = transportOf(kind);
  if (transport === Ipv4.headerLength) {
    // Version and service; DF; time to live and protocol; addresses. Lengths, identification and checksum differ.
    if (a.bytes[atA + Ipv4.tos] !== b.bytes[atB + Ipv4.tos]) return false;
    if (a.view.getUint16(atA + Ipv4.fragment) !== b.view.getUint16(atB + Ipv4.fragment)) return false;
    if (a.view.getUint16(atA + Ipv4.ttl) !== b.view.getUint16(atB + Ipv4.ttl)) return false;
    if (!sameWords(a, atA + Ipv4.source, b, atB + Ipv4.source, 8)) return false;
  } else {
    if (a.view.getInt32(atA) !== b.view.getInt32(atB)) return false;
    if (a.view.getUint16(atA + Ipv6.nextHeader) !== b.view.getUint16(atB + Ipv6.nextHeader)) return false;
    if (!sameWords(a, atA + Ipv6.source, b, atB + Ipv6.source, 32)) return false;
  }
  const inA = atA + transport;
  const inB = atB + transport;
  if (a.view.getInt32(inA) !== b.view.getInt32(inB)) return false;
  if (!isTcpKind(kind)) return true;
  if (a.view.getInt32(inA + Tcp.acknowledgement) !== b.view.getInt32(inB + Tcp.acknowledgement)) return false;
  if (a.bytes[inA + Tcp.dataOffset] !== b.bytes[inB + Tcp.dataOffset]) return false;
  if (a.view.getUint16(inA + Tcp.window) !== b.view.getUint16(inB + Tcp.window)) return false;
  const options = headers - transport - Tcp.headerLength;
  return sameWords(a, inA + Tcp.headerLength, b, inB + Tcp.headerLength, options);
}

function sameWords(a: PacketMemory, atA: number, b: PacketMemory, atB: number, length: number): boolean {
  for (let i = 0; i < length; i += 4) if (a.view.getInt32(atA + i) !== b.view.getInt32(atB + i)) return false;
  return true;
}
