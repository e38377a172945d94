/**
 * Cuts what the kernel hands over in one piece into the packets that a wire would have carried (what a network card
 * does for TCP segmentation offload and UDP GSO), in place: packets move apart within their memory, the last first, to
 * make room around each. Bytes in, bytes out; nothing is allocated. What it does not understand it refuses.
 */
import { WIREGUARD_TAG_LENGTH, WireGuardTransport, wireGuardPaddedLength } from "@burrow/protocol";
import type { PinnedMemory } from "../../udp/linux/system.ts";
import type { TunBatch } from "../batched.ts";
import { folded, sumOf } from "./checksum.ts";
import {
  Ipv4,
  Ipv6,
  isV4,
  OTHER_ZERO,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  pseudoSum,
  setIpLength,
  Tcp,
  TcpFlag,
  Udp,
} from "./packet.ts";
import { VIRTIO_NET_HDR_GSO_UDP_L4, VirtioHeader, VirtioNumber } from "./virtio-header.ts";

/** Packets of a batch: a super-packet cut into the least segments that Linux's TCP sends (48 bytes), and more. */
export const PACKETS_MAX = 4_096;

const HEAD_BYTES = WireGuardTransport.content;

/** Packets at known places of one memory, each with room around it (batched.ts). */
export class SplitBatch implements TunBatch {
  readonly memory: PinnedMemory;
  readonly #mtu: number;
  readonly #at = new Int32Array(PACKETS_MAX);
  readonly #length = new Int32Array(PACKETS_MAX);
  count = 0;
  /** Where the next packet goes: behind the room of the last. */
  next: number = HEAD_BYTES;

  constructor(memory: PinnedMemory, mtu: number) {
    this.memory = memory;
    this.#mtu = mtu;
  }

  bytes(i: number): Uint8Array<ArrayBuffer> {
    if (!(i >= 0 && i < this.count)) throw new RangeError(`no packet ${i} in a batch of ${this.count}`);
    const at = this.at(i);
    return this.memory.bytes.subarray(at, at + this.length(i));
  }

  at(i: number): number {
    return this.#at[i] ?? 0;
  }

  length(i: number): number {
    return this.#length[i] ?? 0;
  }

  /** From one packet of this length to the next: as long as its sealed form. */
  stride(length: number): number {
    return HEAD_BYTES + wireGuardPaddedLength(length, this.#mtu) + WIREGUARD_TAG_LENGTH;
  }

  /** Whether so many packets more of up to this length find a place. */
  hasRoom(packets: number, length: number): boolean {
    return (
      this.count + packets <= PACKETS_MAX &&
      this.next + packets * this.stride(length) <= this.memory.bytes.length
    );
  }

  /** Takes the packet at `next`, which is there already. */
  push(length: number): void {
    this.#at[this.count] = this.next;
    this.#length[this.count++] = length;
    this.next += this.stride(length);
  }

  clear(): void {
    this.count = 0;
    this.next = HEAD_BYTES;
  }
}

export type SplitResult = "split" | "malformed" | "full";

/**
 * Takes what was read to `batch.next`, `length` bytes described by a virtio header, into the batch as packets that are
 * finished: lengths, identification, sequence numbers, flags, checksums.
 */
export function split(batch: SplitBatch, length: number, header: DataView): SplitResult {
  const type = header.getUint8(VirtioHeader.gsoType) & ~VirtioNumber.VIRTIO_NET_HDR_GSO_ECN;
  const flags = header.getUint8(VirtioHeader.flags);
  const start = header.getUint16(VirtioHeader.checksumStart, true);
  if (type === VirtioNumber.VIRTIO_NET_HDR_GSO_NONE) {
    if ((flags & VirtioNumber.VIRTIO_NET_HDR_F_NEEDS_CSUM) === 0) return take(batch, length);
    return complete(batch, length, start, header.getUint16(VirtioHeader.checksumOffset, true));
  }
  const { memory, next: at } = batch;
  const wants4 = type === VirtioNumber.VIRTIO_NET_HDR_GSO_TCPV4;
  const isTcp = wants4 || type === VirtioNumber.VIRTIO_NET_HDR_GSO_TCPV6;
  if (!isTcp && type !== VIRTIO_NET_HDR_GSO_UDP_L4) return "malformed";
  const v4 = isV4(memory, at);
  if (isTcp && v4 !== wants4) return "malformed";
  const startLeast = v4 ? ((memory.bytes[at] ?? 0) & 15) << 2 : Ipv6.headerLength;
  if (start < startLeast || startLeast < Ipv4.headerLength || (v4 && start !== startLeast))
    return "malformed";
  if (start + (isTcp ? Tcp.headerLength : Udp.headerLength) > length) return "malformed";
  const own = isTcp ? ((memory.bytes[at + start + Tcp.dataOffset] ?? 0) >>> 4) << 2 : Udp.headerLength;
  const size = header.getUint16(VirtioHeader.segmentSize, true);
  if ((isTcp && own < Tcp.headerLength) || start + own >= length || size === 0) return "malformed";
  return cut(batch, length, start, start + own, size, isTcp);
}

function take(batch: SplitBatch, length: number): SplitResult {
  if (!batch.hasRoom(1, length)) return "full";
  batch.push(length);
  return "split";
}

/** Finishes the checksum whose field holds the sum of the pseudo header already. */
function complete(batch: SplitBatch, length: number, start: number, offset: number): SplitResult {
  if (start + offset + 2 > length) return "malformed";
  const sum = sumOf(batch.memory, batch.next + start, length - start);
  batch.memory.view.setUint16(batch.next + start + offset, ~sum & 0xffff || OTHER_ZERO, true);
  return take(batch, length);
}

/** `start` is where the transport header is, `headers` where the data begins, both from the packet's beginning. */
function cut(
  batch: SplitBatch,
  length: number,
  start: number,
  headers: number,
  size: number,
  isTcp: boolean,
): SplitResult {
  const { memory, next: at } = batch;
  const data = length - headers;
  const count = Math.ceil(data / size);
  const full = headers + Math.min(size, data);
  if (!batch.hasRoom(count, full)) return "full";
  const stride = batch.stride(full);
  for (let i = count - 1; i > 0; i--) {
    const from = at + headers + i * size;
    const to = at + i * stride;
    const bytes = Math.min(size, data - i * size);
    memory.bytes.copyWithin(to + headers, from, from + bytes);
    memory.bytes.copyWithin(to, at, at + headers);
  }
  const protocol = isTcp ? PROTOCOL_TCP : PROTOCOL_UDP;
  // Of the pseudo header only the length differs.
  const addresses = pseudoSum(memory, at, protocol, 0);
  for (let i = 0; i < count; i++) {
    const bytes = headers + Math.min(size, data - i * size);
    const packet = batch.next;
    numberPacket(batch, packet, start, i, i * size, i === count - 1, isTcp);
    setIpLength(memory, packet, start, bytes);
    const transport = bytes - start;
    if (!isTcp) memory.view.setUint16(packet + start + Udp.length, transport, false);
    const field = packet + start + (isTcp ? Tcp.checksum : Udp.checksum);
    memory.view.setUint16(field, 0, true);
    const own = sumOf(memory, packet + start, transport);
    const sum = folded(own + addresses + (((transport & 0xff) << 8) | (transport >>> 8)));
    memory.view.setUint16(field, ~sum & 0xffff || OTHER_ZERO, true);
    batch.push(bytes);
  }
  return "split";
}

/** What counts from packet to packet: IPv4's identification, TCP's sequence, and flags that belong to one end. */
function numberPacket(
  { memory }: SplitBatch,
  packet: number,
  start: number,
  i: number,
  offset: number,
  isLast: boolean,
  isTcp: boolean,
): void {
  const { view, bytes } = memory;
  if (isV4(memory, packet)) {
    view.setUint16(packet + Ipv4.id, view.getUint16(packet + Ipv4.id, false) + i, false);
  }
  if (!isTcp) return;
  const sequence = packet + start + Tcp.sequence;
  view.setUint32(sequence, view.getUint32(sequence, false) + offset, false);
  let cleared = 0;
  if (i > 0) cleared |= TcpFlag.CWR;
  if (!isLast) cleared |= TcpFlag.FIN | TcpFlag.PSH;
  const flags = packet + start + Tcp.flags;
  bytes[flags] = (bytes[flags] ?? 0) & ~cleared;
}
