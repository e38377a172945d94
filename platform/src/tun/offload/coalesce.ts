/**
 * Puts packets of one flow together again before they are handed to the system: TCP segments that follow each other, and
 * datagrams of one length, become one super-packet, which passes the kernel's stack once (what a network card's
 * receive offload does; the rules are those of the kernel's GRO and of wireguard-go's tun/offload_linux.go).
 *
 * A run is a first packet whole, whose headers stand for all, and the data of the others where they lie; nothing is
 * copied and nothing allocated. Packets whose checksum is wrong travel alone, since the kernel believes a super-packet's.
 * Flows keep their order: a packet joins the latest run of its flow or begins the next.
 */
import type { PinnedMemory } from "../../udp/linux/system.ts";
import { areAlike, FlowKind, flowHash, headersOf, isTcpKind, kindOf, transportOf } from "./flow.ts";
import {
  hasRightChecksum,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  pseudoSum,
  setChecksum,
  setIpLength,
  Tcp,
  TcpFlag,
  Udp,
} from "./packet.ts";
import { VIRTIO_NET_HDR_GSO_UDP_L4, VirtioHeader, VirtioNumber } from "./virtio-header.ts";

export const RUNS_MAX = 1_024;
const PIECES_MAX = 2_048;
/** IP's own limit. */
const BYTES_MAX = 65_535;
/** UDP_MAX_SEGMENTS of kernels before 6.9; of TCP as many, since more do not fit but when they are tiny. */
export const PIECES_OF_RUN_MAX = 64;
/** Flows told apart at a time. One that loses its place to another begins a new run, no more. */
const FLOWS = 256;
export const NONE = -1;

/** What may still join a run. */
const Join = { nothing: 0, before: 1, both: 2 } as const;

export interface CoalesceOptions {
  readonly tcp: boolean;
  readonly udp: boolean;
}

export class Coalescer {
  #options: CoalesceOptions;

  /** Runs, in the order in which they are to be written. */
  #runs = 0;
  readonly #memory: (PinnedMemory | undefined)[] = new Array(RUNS_MAX).fill(undefined);
  /** Of the first packet: where it is, and what its headers are. */
  readonly #at = new Int32Array(RUNS_MAX);
  readonly #kind = new Uint8Array(RUNS_MAX);
  readonly #headers = new Int32Array(RUNS_MAX);
  /** The length of every packet's data but the last one's, what they have together, and how many they are. */
  readonly #size = new Int32Array(RUNS_MAX);
  readonly #data = new Int32Array(RUNS_MAX);
  readonly #count = new Int32Array(RUNS_MAX);
  readonly #join = new Uint8Array(RUNS_MAX);
  /** The first packet's sequence number, as a signed 32-bit one. */
  readonly #sequence = new Int32Array(RUNS_MAX);
  readonly #pushed = new Uint8Array(RUNS_MAX);
  readonly #checked = new Uint8Array(RUNS_MAX);
  readonly #first = new Int32Array(RUNS_MAX);
  readonly #last = new Int32Array(RUNS_MAX);
  /** By flow: its latest run, if that is still its. */
  readonly #latest = new Int32Array(FLOWS).fill(NONE);

  #pieces = 0;
  readonly #address = new Float64Array(PIECES_MAX);
  readonly #length = new Int32Array(PIECES_MAX);
  readonly #next = new Int32Array(PIECES_MAX);

  constructor(options: CoalesceOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#runs;
  }

  /** From now on every packet travels alone. */
  joinNothing(): void {
    this.#options = { tcp: false, udp: false };
  }

  get isFull(): boolean {
    return this.#runs === RUNS_MAX || this.#pieces === PIECES_MAX;
  }

  /** Takes a packet where it lies, until `clear`. Its first byte says IPv4 or IPv6; not to be called when full. */
  add(memory: PinnedMemory, at: number, length: number): void {
    const slot = flowHash(memory, at, length) & (FLOWS - 1);
    const kind = kindOf(memory, at, length);
    const mayJoin = kind !== FlowKind.none && (isTcpKind(kind) ? this.#options.tcp : this.#options.udp);
    const run = this.#latest[slot] ?? NONE;
    if (mayJoin && run !== NONE && run < this.#runs && this.#kind[run] === kind) {
      if (this.#tryJoin(run, memory, at, length, kind)) return;
    }
    this.#latest[slot] = this.#begin(memory, at, length, mayJoin ? kind : FlowKind.none);
  }

  /** Packets of run `i`. */
  packets(i: number): number {
    return this.#count[i] ?? 0;
  }

  /** Bytes of run `i` as it is written. */
  bytes(i: number): number {
    return (this.#headers[i] ?? 0) + (this.#data[i] ?? 0);
  }

  /** The pieces of run `i`: the first packet, then the data of the others. `NONE` after the last. */
  firstPiece(i: number): number {
    return this.#first[i] ?? NONE;
  }

  nextPiece(piece: number): number {
    return this.#next[piece] ?? NONE;
  }

  pieceAddress(piece: number): number {
    return this.#address[piece] ?? 0;
  }

  pieceLength(piece: number): number {
    return this.#length[piece] ?? 0;
  }

  /** The length of the headers that lie before the data of each piece but the first. */
  headersLength(i: number): number {
    return this.#headers[i] ?? 0;
  }

  /** Writes what the kernel is to know of run `i`, and makes its first packet's headers those of the whole. */
  finish(i: number, header: DataView): void {
    const { VIRTIO_NET_HDR_F_NEEDS_CSUM } = VirtioNumber;
    const kind = (this.#kind[i] ?? FlowKind.none) as FlowKind;
    const memory = this.#memory[i];
    const isRun = memory !== undefined && this.packets(i) > 1;
    const transport = transportOf(kind);
    const isTcp = isTcpKind(kind);
    header.setUint8(VirtioHeader.flags, isRun ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
    header.setUint8(VirtioHeader.gsoType, isRun ? gsoTypeOf(kind) : 0);
    header.setUint16(VirtioHeader.headerLength, isRun ? this.headersLength(i) : 0, true);
    header.setUint16(VirtioHeader.segmentSize, isRun ? (this.#size[i] ?? 0) : 0, true);
    header.setUint16(VirtioHeader.checksumStart, isRun ? transport : 0, true);
    const field = isTcp ? Tcp.checksum : Udp.checksum;
    header.setUint16(VirtioHeader.checksumOffset, isRun ? field : 0, true);
    if (!isRun) return;
    const at = this.#at[i] ?? 0;
    const length = this.bytes(i);
    setIpLength(memory, at, transport, length);
    const protocol = isTcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    memory.view.setUint16(at + transport + field, pseudoSum(memory, at, protocol, length - transport), true);
    if (!isTcp) memory.view.setUint16(at + transport + Udp.length, length - transport, false);
    else if (this.#pushed[i] === 1) orByte(memory, at + transport + Tcp.flags, TcpFlag.PSH);
  }

  /** Takes back what `finish` wrote, for a kernel that refused the run: its packets are what they were. */
  separate(i: number): void {
    const memory = this.#memory[i];
    if (memory === undefined || this.packets(i) === 1) return;
    const kind = (this.#kind[i] ?? FlowKind.none) as FlowKind;
    const at = this.#at[i] ?? 0;
    const transport = transportOf(kind);
    const length = this.pieceLength(this.firstPiece(i));
    setIpLength(memory, at, transport, length);
    if (isTcpKind(kind)) {
      const flags = at + transport + Tcp.flags;
      // Only ever on a run's last packet.
      memory.bytes[flags] = (memory.bytes[flags] ?? 0) & ~TcpFlag.PSH;
      setChecksum(memory, at, transport, length, PROTOCOL_TCP, Tcp.checksum);
    } else {
      memory.view.setUint16(at + transport + Udp.length, length - transport, false);
      setChecksum(memory, at, transport, length, PROTOCOL_UDP, Udp.checksum);
    }
  }

  clear(): void {
    for (let i = 0; i < this.#runs; i++) this.#memory[i] = undefined;
    this.#runs = 0;
    this.#pieces = 0;
  }

  #begin(memory: PinnedMemory, at: number, length: number, kind: FlowKind): number {
    const i = this.#runs++;
    const headers = kind === FlowKind.none ? 0 : headersOf(memory, at, kind);
    this.#memory[i] = memory;
    this.#at[i] = at;
    this.#kind[i] = kind;
    this.#headers[i] = headers;
    this.#size[i] = length - headers;
    this.#data[i] = length - headers;
    this.#count[i] = 1;
    this.#checked[i] = 0;
    this.#pushed[i] = 0;
    this.#join[i] = kind === FlowKind.none ? Join.nothing : Join.both;
    if (isTcpKind(kind)) {
      const tcp = at + transportOf(kind);
      this.#sequence[i] = memory.view.getInt32(tcp + Tcp.sequence, false);
      if (isPushed(memory, tcp)) this.#close(i);
    }
    const piece = this.#newPiece(memory.address + at, length);
    this.#first[i] = piece;
    this.#last[i] = piece;
    return i;
  }

  /** Data was pushed: it is not to wait for more, and the flag can only stand on the last packet. */
  #close(i: number): void {
    this.#pushed[i] = 1;
    this.#join[i] = Join.before;
  }

  #tryJoin(i: number, memory: PinnedMemory, at: number, length: number, kind: FlowKind): boolean {
    const first = this.#memory[i];
    const headers = this.headersLength(i);
    if (this.#join[i] === Join.nothing || first === undefined) return false;
    if (headersOf(memory, at, kind) !== headers || this.bytes(i) + length - headers > BYTES_MAX) return false;
    if (this.packets(i) === PIECES_OF_RUN_MAX) return false;
    if (!areAlike(first, this.#at[i] ?? 0, memory, at, kind, headers)) return false;
    const size = length - headers;
    if (!isTcpKind(kind)) {
      if (this.#join[i] !== Join.both || size > (this.#size[i] ?? 0)) return false;
      if (!this.#isRight(i, memory, at, length, kind)) return false;
      this.#append(i, memory, at, headers, size);
      return true;
    }
    const tcp = at + transportOf(kind);
    const sequence = memory.view.getInt32(tcp + Tcp.sequence, false);
    const from = this.#sequence[i] ?? 0;
    if (((from + (this.#data[i] ?? 0)) | 0) === sequence) {
      if (this.#join[i] !== Join.both || size > (this.#size[i] ?? 0)) return false;
      if (!this.#isRight(i, memory, at, length, kind)) return false;
      this.#append(i, memory, at, headers, size);
      if (isPushed(memory, tcp)) this.#close(i);
      return true;
    }
    if (((sequence + size) | 0) !== from || isPushed(memory, tcp)) return false;
    // It arrived late. All but the last are of one length: a single packet may be the shorter last.
    const known = this.#size[i] ?? 0;
    if (this.packets(i) === 1 ? size < known : size !== known) return false;
    if (!this.#isRight(i, memory, at, length, kind)) return false;
    this.#prepend(i, memory, at, headers, size, sequence);
    return true;
  }

  /** Whether the new packet's checksum is right, and the first one's, which nobody has looked at while it was alone. */
  #isRight(i: number, memory: PinnedMemory, at: number, length: number, kind: FlowKind): boolean {
    const transport = transportOf(kind);
    const protocol = isTcpKind(kind) ? PROTOCOL_TCP : PROTOCOL_UDP;
    const first = this.#memory[i];
    if (this.#checked[i] === 0 && first !== undefined) {
      this.#checked[i] = 1;
      if (!hasRightChecksum(first, this.#at[i] ?? 0, transport, this.bytes(i), protocol)) {
        this.#join[i] = Join.nothing;
        return false;
      }
    }
    return hasRightChecksum(memory, at, transport, length, protocol);
  }

  #append(i: number, memory: PinnedMemory, at: number, headers: number, size: number): void {
    const piece = this.#newPiece(memory.address + at + headers, size);
    this.#next[this.#last[i] ?? 0] = piece;
    this.#last[i] = piece;
    this.#grow(i, size);
    if (size < (this.#size[i] ?? 0)) this.#join[i] = Join.before;
  }

  #prepend(
    i: number,
    memory: PinnedMemory,
    at: number,
    headers: number,
    size: number,
    sequence: number,
  ): void {
    // What was the first becomes data like the others.
    const old = this.#first[i] ?? 0;
    this.#address[old] = (this.#address[old] ?? 0) + headers;
    this.#length[old] = (this.#length[old] ?? 0) - headers;
    const piece = this.#newPiece(memory.address + at, headers + size);
    this.#next[piece] = old;
    this.#first[i] = piece;
    if (size > (this.#size[i] ?? 0)) this.#join[i] = Join.before;
    this.#size[i] = size;
    this.#memory[i] = memory;
    this.#at[i] = at;
    this.#sequence[i] = sequence;
    this.#grow(i, size);
  }

  #grow(i: number, size: number): void {
    this.#data[i] = (this.#data[i] ?? 0) + size;
    this.#count[i] = (this.#count[i] ?? 0) + 1;
  }

  #newPiece(address: number, length: number): number {
    const piece = this.#pieces++;
    this.#address[piece] = address;
    this.#length[piece] = length;
    this.#next[piece] = NONE;
    return piece;
  }
}

function gsoTypeOf(kind: FlowKind): number {
  if (kind === FlowKind.tcp4) return VirtioNumber.VIRTIO_NET_HDR_GSO_TCPV4;
  return kind === FlowKind.tcp6 ? VirtioNumber.VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_UDP_L4;
}

function isPushed(memory: PinnedMemory, tcp: number): boolean {
  return ((memory.bytes[tcp + Tcp.flags] ?? 0) & TcpFlag.PSH) !== 0;
}

function orByte(memory: PinnedMemory, at: number, bits: number): void {
  memory.bytes[at] = (memory.bytes[at] ?? 0) | bits;
}
