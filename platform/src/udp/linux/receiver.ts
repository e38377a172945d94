/**
 * The receiving half of a batched socket: one `recvmmsg` fills the slots, what the kernel had merged (UDP GRO) is
 * told apart again, and sources become handles straight from the bytes of their addresses. Nothing is allocated
 * per datagram.
 */
import { lastErrno } from "../../libc.ts";
import { type AddressHandle, type AddressTable, NO_ADDRESS } from "../address-table.ts";
import type { DatagramBatch, UdpCounters } from "../socket.ts";
import {
  CMSG_SPACE,
  Cmsghdr,
  callNumbers,
  Iovec,
  LinuxNumber,
  Mmsghdr,
  SEGMENTS_MAX,
  SockaddrIn,
  SockaddrIn6,
} from "./layout.ts";
import { PinnedMemory, pointer, system } from "./system.ts";

/** Messages of one call, each perhaps of many datagrams. */
const SLOTS = 64;
/** A merged message has at most 65,535 bytes. The odd rest keeps slots out of each other's cache sets. */
const SLOT_BYTES = 65_536 + 320;
/** Datagrams told apart of one call: what senders of the usual 64 segments can cause, twice over. */
const DATAGRAMS_MAX = SLOTS * SEGMENTS_MAX * 2;
const NAME_BYTES = 32;
/** The size of merged datagrams, and the traffic class. */
const CONTROL_BYTES = 2 * CMSG_SPACE;
const ECN_MASK = 3;
const MAPPED_PREFIX = 0xffff;
/** By so many bytes, besides source and length, datagrams of a run are alike. */
const RUN_HEAD_BYTES = 8;

/** The batch of a batched socket. Its bytes are those of the socket's slots, until the callback returns. */
export class ReceivedBatch implements DatagramBatch {
  readonly #memory: PinnedMemory;
  readonly #at = new Int32Array(DATAGRAMS_MAX);
  readonly #length = new Int32Array(DATAGRAMS_MAX);
  readonly #source = new Int32Array(DATAGRAMS_MAX);
  readonly #ecn = new Uint8Array(DATAGRAMS_MAX);
  count = 0;

  constructor(memory: PinnedMemory) {
    this.#memory = memory;
  }

  bytes(i: number): Uint8Array<ArrayBuffer> {
    if (!(i >= 0 && i < this.count)) throw new RangeError(`no packet ${i} in a batch of ${this.count}`);
    const at = this.#at[i] ?? 0;
    return this.#memory.bytes.subarray(at, at + (this.#length[i] ?? 0));
  }

  length(i: number): number {
    return this.#length[i] ?? 0;
  }

  /** All datagrams lie in this; */
  get memory(): PinnedMemory {
    return this.#memory;
  }

  /** datagram `i` from here on. */
  at(i: number): number {
    return this.#at[i] ?? 0;
  }

  u32(i: number, at: number): number {
    if (at + 4 > (this.#length[i] ?? 0)) return 0;
    return this.#memory.view.getUint32((this.#at[i] ?? 0) + at, true);
  }

  source(i: number): AddressHandle {
    return (this.#source[i] ?? NO_ADDRESS) as AddressHandle;
  }

  runEnd(i: number): number {
    const { count } = this;
    const { view } = this.#memory;
    const lengths = this.#length;
    const sources = this.#source;
    const length = lengths[i] ?? 0;
    if (length < RUN_HEAD_BYTES) return i + 1;
    const source = sources[i];
    const at = this.#at[i] ?? 0;
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    let end = i + 1;
    for (; end < count && sources[end] === source && lengths[end] === length; end++) {
      const there = this.#at[end] ?? 0;
      if (view.getUint32(there + 4, true) !== high || view.getUint32(there, true) !== low) break;
    }
    return end;
  }

  /** The ECN field that datagram `i` came with (RFC 3168 §5); 0 from sockets that do not ask for it. */
  ecn(i: number): number {
    return this.#ecn[i] ?? 0;
  }

  /** Where the kernel finds datagram `i`. */
  address(i: number): number {
    return this.#memory.address + (this.#at[i] ?? 0);
  }

  /** Adds a message of `length` bytes as the datagrams of `segment` that it is made of. How many there was room for. */
  push(at: number, length: number, segment: number, source: AddressHandle, ecn: number): number {
    const first = this.count;
    let i = first;
    for (let done = 0; i < DATAGRAMS_MAX && (done < length || i === first); done += segment) {
      this.#at[i] = at + done;
      this.#length[i] = Math.min(segment, length - done);
      this.#source[i] = source;
      this.#ecn[i] = ecn;
      i++;
    }
    this.count = i;
    return i - first;
  }
}

/** What one `recvmmsg` fills, laid out once. */
class ReceiveMemory {
  readonly slots = new PinnedMemory(SLOTS * SLOT_BYTES);
  readonly names = new PinnedMemory(SLOTS * NAME_BYTES);
  readonly controls = new PinnedMemory(SLOTS * CONTROL_BYTES);
  readonly headers = new PinnedMemory(SLOTS * Mmsghdr.size);
  readonly batch = new ReceivedBatch(this.slots);
  readonly #iovecs = new PinnedMemory(SLOTS * Iovec.size);

  constructor() {
    for (let i = 0; i < SLOTS; i++) {
      const iovec = i * Iovec.size;
      this.#iovecs.setAddress(iovec + Iovec.base, this.slots.address + i * SLOT_BYTES);
      this.#iovecs.setAddress(iovec + Iovec.length, SLOT_BYTES);
      const header = i * Mmsghdr.size;
      this.headers.setAddress(header + Mmsghdr.name, this.names.address + i * NAME_BYTES);
      this.headers.setAddress(header + Mmsghdr.iov, this.#iovecs.address + iovec);
      this.headers.setAddress(header + Mmsghdr.iovCount, 1);
      this.headers.setAddress(header + Mmsghdr.control, this.controls.address + i * CONTROL_BYTES);
      this.arm(header);
    }
  }

  /** What the kernel overwrites in every call. */
  arm(header: number): void {
    this.headers.u32[(header + Mmsghdr.nameLength) >> 2] = NAME_BYTES;
    this.headers.u32[(header + Mmsghdr.controlLength) >> 2] = CONTROL_BYTES;
  }
}

let memory: ReceiveMemory | undefined;

/**
 * One for all sockets of a thread, since a batch is over before the next is received: it stays in the cache, and
 * hundreds of sockets cost no more than one.
 */
function sharedMemory(): ReceiveMemory {
  memory ??= new ReceiveMemory();
  return memory;
}

export class Receiver {
  readonly batch: ReceivedBatch;
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #door: number;
  readonly #addresses: AddressTable;
  readonly #counters: UdpCounters;
  readonly #call: number;

  readonly #memory = sharedMemory();
  readonly #ecnLevel: number;
  readonly #ecnType: number;
  /** Of the present message: the size of the datagrams that were merged (where none were, more than any has), and ECN. */
  #segment = SLOT_BYTES;
  #ecn = 0;

  constructor(fd: number, family: 4 | 6, door: number, addresses: AddressTable, counters: UdpCounters) {
    this.#fd = fd;
    this.#family = family;
    this.#door = door;
    this.#addresses = addresses;
    this.#counters = counters;
    this.#call = callNumbers()?.recvmmsg ?? -1;
    this.batch = this.#memory.batch;
    const { IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS } = LinuxNumber;
    [this.#ecnLevel, this.#ecnType] = family === 4 ? [IPPROTO_IP, IP_TOS] : [IPPROTO_IPV6, IPV6_TCLASS];
  }

  /** Fills the batch with what waits, as far as one call brings it. The errno when there was nothing, else 0. */
  receive(): number {
    const { batch } = this;
    batch.count = 0;
    const flags = LinuxNumber.MSG_DONTWAIT;
    const address = pointer(this.#memory.headers.address);
    const messages = system().syscall(this.#call, this.#fd, address, SLOTS, flags, 0);
    if (messages < 0) return lastErrno();
    const words = this.#memory.headers.u32;
    let source: AddressHandle = NO_ADDRESS;
    for (let i = 0; i < messages; i++) {
      const header = i * Mmsghdr.size;
      if (i === 0 || !this.#isSameName(i - 1, i)) source = this.#sourceOf(i);
      const length = words[(header + Mmsghdr.length) >> 2] ?? 0;
      const isCut = ((words[(header + Mmsghdr.flags) >> 2] ?? 0) & LinuxNumber.MSG_TRUNC) !== 0;
      this.#readControls(i, words[(header + Mmsghdr.controlLength) >> 2] ?? 0);
      this.#split(i, length, source, isCut);
      words[(header + Mmsghdr.nameLength) >> 2] = NAME_BYTES;
      words[(header + Mmsghdr.controlLength) >> 2] = CONTROL_BYTES;
    }
    return 0;
  }

  #split(slot: number, length: number, source: AddressHandle, isCut: boolean): void {
    const counters = this.#counters;
    const segment = this.#segment;
    // A datagram may be empty; a merged one is not.
    const datagrams = length <= segment ? 1 : Math.ceil(length / segment);
    counters.received += datagrams;
    counters.receivedBytes += length;
    if (isCut) counters.dropTruncated += datagrams;
    else if (source === NO_ADDRESS) counters.dropUnanswerable += datagrams;
    else {
      const taken = this.batch.push(slot * SLOT_BYTES, length, segment, source, this.#ecn);
      counters.dropTruncated += datagrams - taken;
    }
  }

  /** What the kernel says beside the bytes: each entry has one number and takes CMSG_SPACE. */
  #readControls(i: number, length: number): void {
    this.#segment = SLOT_BYTES;
    this.#ecn = 0;
    const words = this.#memory.controls.u32;
    const first = i * CONTROL_BYTES;
    const end = first + length;
    for (let at = first; at + CMSG_SPACE <= end; at += CMSG_SPACE) {
      const level = words[(at + Cmsghdr.level) >> 2];
      const type = words[(at + Cmsghdr.type) >> 2];
      const value = words[(at + Cmsghdr.data) >> 2] ?? 0;
      if (level === LinuxNumber.SOL_UDP && type === LinuxNumber.UDP_GRO) this.#segment = Math.max(1, value);
      // Of IPv4 only the first byte is written.
      else if (level === this.#ecnLevel && type === this.#ecnType) this.#ecn = value & ECN_MASK;
    }
  }

  #isSameName(i: number, j: number): boolean {
    const words = this.#memory.names.u32;
    const a = (i * NAME_BYTES) >> 2;
    const b = (j * NAME_BYTES) >> 2;
    if (words[a] !== words[b] || words[a + 1] !== words[b + 1]) return false;
    if (this.#family === 4) return true;
    for (let k = 2; k < SockaddrIn6.scope >> 2; k++) if (words[a + k] !== words[b + k]) return false;
    return true;
  }

  #sourceOf(i: number): AddressHandle {
    const { view } = this.#memory.names;
    const at = i * NAME_BYTES;
    const port = view.getUint16(at + SockaddrIn.port, false);
    if (this.#family === 4) {
      const address = view.getUint32(at + SockaddrIn.address, false);
      return this.#addresses.internWords(0, 0, MAPPED_PREFIX, address, port, this.#door);
    }
    const from = at + SockaddrIn6.address;
    return this.#addresses.internWords(
      view.getUint32(from, false),
      view.getUint32(from + 4, false),
      view.getUint32(from + 8, false),
      view.getUint32(from + 12, false),
      port,
      this.#door,
    );
  }
}
