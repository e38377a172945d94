/**
 * ICMP echo (RFC 792) inside the tunnel: asked by `burrow ping`, and answered here when no device does it.
 *
 *   IPv4 header, 20 bytes (RFC 791): version, length, TTL 64, protocol 1, addresses
 *   0  type      1   8 request, 0 reply        4  identifier  2   big-endian
 *   1  code      1   0                         6  sequence    2   big-endian
 *   2  checksum  2   RFC 1071                  8  data
 */
import { ipv4Word } from "@burrow/protocol";

const IPV4_HEADER_LENGTH = 20;
const ICMP_HEADER_LENGTH = 8;
const PROTOCOL_ICMP = 1;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const TTL = 64;
const DATA_LENGTH = 56;

export interface Echo {
  readonly kind: "request" | "reply";
  readonly source: string;
  readonly destination: string;
  readonly identifier: number;
  readonly sequence: number;
}

/** An echo request of 84 bytes, as ping sends it. Addresses are IPv4 texts. */
export function echoRequest(
  source: string,
  destination: string,
  identifier: number,
  sequence: number,
): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER_LENGTH + ICMP_HEADER_LENGTH + DATA_LENGTH);
  packet[0] = 0x45;
  writeU16(packet, 2, packet.length);
  packet[8] = TTL;
  packet[9] = PROTOCOL_ICMP;
  writeU32(packet, 12, ipv4Word(source));
  writeU32(packet, 16, ipv4Word(destination));
  packet[IPV4_HEADER_LENGTH] = ECHO_REQUEST;
  writeU16(packet, IPV4_HEADER_LENGTH + 4, identifier);
  writeU16(packet, IPV4_HEADER_LENGTH + 6, sequence);
  finishChecksums(packet);
  return packet;
}

/** Whether an echo may lie at `at`: nearly all packets are told to be none by two bytes. */
export function isPerhapsEcho(memory: Uint8Array, at: number): boolean {
  return memory[at + 9] === PROTOCOL_ICMP && memory[at] === 0x45;
}

/** The echo in an IPv4 packet without options or fragments; undefined for any other packet. */
export function parseEcho(packet: Uint8Array): Echo | undefined {
  if (packet.length < IPV4_HEADER_LENGTH + ICMP_HEADER_LENGTH) return undefined;
  if (packet[0] !== 0x45 || packet[9] !== PROTOCOL_ICMP || (readU16(packet, 6) & 0x3fff) !== 0)
    return undefined;
  const type = packet[IPV4_HEADER_LENGTH];
  if (type !== ECHO_REQUEST && type !== ECHO_REPLY) return undefined;
  return {
    kind: type === ECHO_REQUEST ? "request" : "reply",
    source: packet.subarray(12, 16).join("."),
    destination: packet.subarray(16, 20).join("."),
    identifier: readU16(packet, IPV4_HEADER_LENGTH + 4),
    sequence: readU16(packet, IPV4_HEADER_LENGTH + 6),
  };
}

/** The reply to an echo request: addresses swapped, data returned. */
export function echoReply(request: Uint8Array): Uint8Array {
  const reply = request.slice();
  reply.copyWithin(12, 16, 20);
  for (let i = 12; i < 16; i++) reply[i + 4] = request[i] ?? 0;
  reply[8] = TTL;
  reply[IPV4_HEADER_LENGTH] = ECHO_REPLY;
  finishChecksums(reply);
  return reply;
}

function finishChecksums(packet: Uint8Array): void {
  writeU16(packet, 10, 0);
  writeU16(packet, 10, checksum(packet, 0, IPV4_HEADER_LENGTH));
  writeU16(packet, IPV4_HEADER_LENGTH + 2, 0);
  writeU16(packet, IPV4_HEADER_LENGTH + 2, checksum(packet, IPV4_HEADER_LENGTH, packet.length));
}

/** RFC 1071, of the bytes from `from` up to `to`. */
function checksum(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i += 2) sum += readU16(bytes, i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  writeU16(bytes, at, value >>> 16);
  writeU16(bytes, at + 2, value & 0xffff);
}

function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}
