/**
 * The hot path's unit of work: packets that came together and lie in one piece of memory, in order. They are named by
 * where they lie, so that nothing is allocated for each, and they are sealed and opened in place.
 */
import { WIREGUARD_PADDING, WIREGUARD_TAG_LENGTH, WireGuardTransport, WireGuardType } from "@burrow/protocol";
import { Ecn } from "./ecn.ts";

/** Whoever is handed packets has them until the call returns, and may change them where they lie. */
export interface Packets {
  readonly memory: Uint8Array;
  readonly count: number;
  /** Of datagrams: the ECN field that the IP headers around them came with, or are to leave with. All have the same. */
  readonly ecn: number;
  offset(i: number): number;
  length(i: number): number;
}

/** What is sealed in place needs room before it, for the header, and behind it, for padding and the tag. */
export const SEAL_HEADROOM: number = WireGuardTransport.content;
export const SEAL_TAILROOM = WIREGUARD_PADDING - 1 + WIREGUARD_TAG_LENGTH;

/** More than a device or a socket hands over at a time, most of the time; what is more goes in several runs. */
const RUN_MAX = 1_024;

/** Packets picked out of one piece of memory. Filled anew again and again: whoever is handed one keeps nothing of it. */
export class PacketRun implements Packets {
  memory: Uint8Array = new Uint8Array(0);
  count = 0;
  ecn: number = Ecn.notCapable;
  readonly #offsets = new Int32Array(RUN_MAX);
  readonly #lengths = new Int32Array(RUN_MAX);

  begin(memory: Uint8Array, ecn: number = Ecn.notCapable): this {
    this.memory = memory;
    this.count = 0;
    this.ecn = ecn;
    return this;
  }

  get isFull(): boolean {
    return this.count === RUN_MAX;
  }

  push(offset: number, length: number): void {
    this.#offsets[this.count] = offset;
    this.#lengths[this.count] = length;
    this.count++;
  }

  offset(i: number): number {
    return this.#offsets[i] ?? 0;
  }

  length(i: number): number {
    return this.#lengths[i] ?? 0;
  }
}

/** One packet that lies alone. */
export class OnePacket implements Packets {
  readonly memory: Uint8Array;
  readonly count = 1;
  readonly ecn: number;

  constructor(bytes: Uint8Array, ecn: number = Ecn.notCapable) {
    this.memory = bytes;
    this.ecn = ecn;
  }

  offset(): number {
    return 0;
  }

  length(): number {
    return this.memory.length;
  }
}

/** One packet after another, copied to where there is room around it. Each takes the place of the last. */
export class RoomyCopy implements Packets {
  readonly memory: Uint8Array;
  readonly count = 1;
  readonly ecn = Ecn.notCapable;
  #length = 0;

  constructor(lengthMax: number) {
    // The ArrayBuffer first: an address taken of a bare typed array may not stay (native primitives take one).
    this.memory = new Uint8Array(new ArrayBuffer(SEAL_HEADROOM + lengthMax + SEAL_TAILROOM));
  }

  /** `packet` is no longer than `lengthMax`. */
  of(packet: Uint8Array): this {
    this.memory.set(packet, SEAL_HEADROOM);
    this.#length = packet.length;
    return this;
  }

  offset(): number {
    return SEAL_HEADROOM;
  }

  length(): number {
    return this.#length;
  }
}

/** Packet `i`, for whoever needs its bytes by themselves. */
export function bytesOf(packets: Packets, i: number): Uint8Array {
  const at = packets.offset(i);
  return packets.memory.subarray(at, at + packets.length(i));
}

/** As `classify` tells them apart, without taking each out: PCP begins with 2 as well. */
export function areAllWireGuard(datagrams: Packets): boolean {
  const { memory } = datagrams;
  for (let i = 0; i < datagrams.count; i++) {
    if (datagrams.length(i) < 4) return false;
    const at = datagrams.offset(i);
    const first = memory[at] ?? 0;
    if (first < WireGuardType.initiation || first > WireGuardType.transport) return false;
    if (memory[at + 1] !== 0 || memory[at + 2] !== 0 || memory[at + 3] !== 0) return false;
  }
  return true;
}
