/**
 * What cutting up and putting together should come to, written for clarity alone: packets are built from their fields,
 * checksums are summed byte by byte, and nothing is shared with the code under test.
 */
import { PinnedMemory } from "../../udp/linux/system.ts";

export interface Fields {
  readonly version: 4 | 6;
  readonly protocol: "tcp" | "udp";
  /** Tells flows apart: part of addresses and ports. */
  readonly flow: number;
  readonly tos: number;
  readonly ttl: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  /** A multiple of four bytes. */
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

/** RFC 1071, as it says. */
export function naiveChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

const u16 = (value: number) => [(value >>> 8) & 255, value & 255];
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value & 0xffff)];

function addressesOf({ version, flow }: Fields): number[] {
  if (version === 4) return [100, 64, 0, flow, 100, 64, 1, 2];
  return [0xfd, 0x77, ...new Array(13).fill(0), flow, 0xfd, 0x77, ...new Array(13).fill(1), 2];
}

export const headerLengths = ({ version, protocol, options }: Fields) => ({
  ip: version === 4 ? 20 : 40,
  all: (version === 4 ? 20 : 40) + (protocol === "tcp" ? 20 + options.length : 8),
});

/** The packet on the wire. `bare`: as the kernel gives it unfinished, with the sum of the pseudo header alone. */
export function build(fields: Fields, bare = false): Uint8Array<ArrayBuffer> {
  const { version, protocol, flow, options, data } = fields;
  const ports = [...u16(1000 + flow), ...u16(443)];
  const own = protocol === "tcp" ? 20 + options.length : 8;
  const transportLength = own + data.length;
  const transport = Uint8Array.from(
    protocol === "udp"
      ? [...ports, ...u16(transportLength), 0, 0, ...data]
      : [
          ...[...ports, ...u32(fields.sequence), ...u32(fields.acknowledgement)],
          ...[(own >> 2) << 4, fields.flags, ...u16(fields.window), 0, 0, 0, 0],
          ...options,
          ...data,
        ],
  );
  const number = protocol === "tcp" ? 6 : 17;
  const pseudo = [...addressesOf(fields), ...u32(transportLength), 0, 0, 0, number];
  const field = protocol === "tcp" ? 16 : 6;
  const sum = bare
    ? ~naiveChecksum(Uint8Array.from(pseudo)) & 0xffff
    : naiveChecksum(Uint8Array.from([...pseudo, ...transport])) || 0xffff;
  transport.set(u16(sum), field);
  const header =
    version === 4
      ? Uint8Array.from([
          ...[0x45, fields.tos, ...u16(20 + transportLength), ...u16(fields.id)],
          ...[fields.dontFragment ? 0x40 : 0, 0, fields.ttl, number, 0, 0, ...addressesOf(fields)],
        ])
      : Uint8Array.from([
          ...[0x60 | (fields.tos >> 4), (fields.tos & 15) << 4, 0, 0, ...u16(transportLength)],
          ...[number, fields.ttl, ...addressesOf(fields)],
        ]);
  if (version === 4) header.set(u16(naiveChecksum(header)), 10);
  const packet = new Uint8Array(header.length + transport.length);
  packet.set(header);
  packet.set(transport, header.length);
  return packet;
}

/** The packets that a card would send for one of these fields, `size` bytes of data each. */
export function cutUp(fields: Fields, size: number): Uint8Array<ArrayBuffer>[] {
  const packets: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < fields.data.length; at += size) {
    const isFirst = at === 0;
    const isLast = at + size >= fields.data.length;
    let { flags } = fields;
    if (!isFirst) flags &= ~0x80;
    if (!isLast) flags &= ~0x09;
    packets.push(
      build({
        ...fields,
        flags,
        id: (fields.id + packets.length) & 0xffff,
        sequence: (fields.sequence + at) >>> 0,
        data: fields.data.subarray(at, at + size),
      }),
    );
  }
  return packets;
}

/** Memory with these bytes at an offset, among others that are not to be touched. */
export function memoryOf(bytes: Uint8Array, at: number, size: number): PinnedMemory {
  const memory = new PinnedMemory(size);
  memory.bytes.fill(0xee);
  memory.bytes.set(bytes, at);
  return memory;
}
