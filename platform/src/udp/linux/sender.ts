/**
 * The sending half of a batched socket: what is queued leaves by `sendmmsg`, and datagrams of one length to one
 * destination as one message that the kernel (or the card) cuts up (UDP GSO). Datagrams of one destination stay in
 * order; between destinations there is none to keep.
 *
 * A queued datagram is a piece of memory: a copy in this queue's own, or a received datagram where it lies. Pieces
 * that touch become one. When the kernel takes no more, what is left is copied and waits.
 */
import { ERRNO, errnoName, lastErrno } from "../../libc.ts";
import type { AddressHandle, AddressTable } from "../address-table.ts";
import { dropReasonOf, type UdpCounters, type UdpDropReason } from "../socket.ts";
import {
  CMSG_LENGTH_U16,
  CMSG_LENGTH_U32,
  CMSG_SPACE,
  Cmsghdr,
  callNumbers,
  Iovec,
  LinuxNumber,
  Mmsghdr,
  RUN_BYTES_MAX_V4,
  RUN_BYTES_MAX_V6,
  SEGMENTS_MAX,
  SockaddrIn,
  SockaddrIn6,
} from "./layout.ts";
import type { ReceivedBatch } from "./receiver.ts";
import { PinnedMemory, pointer, system } from "./system.ts";

const SEND_FLAGS = LinuxNumber.MSG_DONTWAIT | LinuxNumber.MSG_NOSIGNAL;

export interface QueueSize {
  /** Runs that may wait for a flush, and the pieces of memory that they are made of. */
  readonly messages: number;
  readonly pieces: number;
}

export const MAJOR_QUEUE: QueueSize = { messages: 256, pieces: 2_048 };
export const MINOR_QUEUE: QueueSize = { messages: 16, pieces: 256 };

const NAME_BYTES = 32;
/** The size of the datagrams of a run, then the traffic class: a message is told of either, both or none. */
const CONTROL_BYTES = 2 * CMSG_SPACE;
/** Copies that may wait for the kernel: some 700 full datagrams. */
const COPIES_BYTES = 1 << 20;
/** An ICMP error of an earlier datagram fails a send at most this often before it counts as the send's own. */
const SEND_TRIES = 3;
const NONE = -1;

export class Sender {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #addresses: AddressTable;
  readonly #counters: UdpCounters;
  readonly #call: number;
  readonly #runBytesMax: number;
  readonly #queueSize: QueueSize;
  /** GSO is worth trying: the self-test passed, and no device has refused it since. */
  #segments: boolean;
  #blocked = false;

  /** Messages: to whom, the length of all datagrams but the last, how many, bytes, and the chain of pieces. */
  #messages = 0;
  readonly #to: Int32Array;
  readonly #size: Int32Array;
  readonly #count: Int32Array;
  readonly #bytes: Int32Array;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** 1 while another datagram of the same length may join. */
  readonly #open: Uint8Array;
  /** The ECN field that all of them leave with. */
  readonly #ecn: Uint8Array;
  /** By destination: the message that it may join, if that is still its. */
  readonly #latest: Int32Array;

  #pieces = 0;
  readonly #address: Float64Array;
  readonly #length: Int32Array;
  readonly #next: Int32Array;

  /** Copies of datagrams; two, so that what waits can move to the front. Made when first needed. */
  #copies: PinnedMemory | undefined;
  #spare: PinnedMemory | undefined;
  #copied = 0;
  readonly #keptAt: Int32Array;

  readonly #names: PinnedMemory;
  readonly #controls: PinnedMemory;
  readonly #iovecs: PinnedMemory;
  readonly #headers: PinnedMemory;

  constructor(
    fd: number,
    family: 4 | 6,
    addresses: AddressTable,
    counters: UdpCounters,
    segments: boolean,
    size = MAJOR_QUEUE,
  ) {
    const { messages, pieces } = size;
    this.#queueSize = size;
    this.#to = new Int32Array(messages);
    this.#size = new Int32Array(messages);
    this.#count = new Int32Array(messages);
    this.#bytes = new Int32Array(messages);
    this.#first = new Int32Array(messages);
    this.#last = new Int32Array(messages);
    this.#open = new Uint8Array(messages);
    this.#ecn = new Uint8Array(messages);
    this.#address = new Float64Array(pieces);
    this.#length = new Int32Array(pieces);
    this.#next = new Int32Array(pieces);
    this.#keptAt = new Int32Array(messages);
    this.#names = new PinnedMemory(messages * NAME_BYTES);
    this.#controls = new PinnedMemory(messages * CONTROL_BYTES);
    this.#iovecs = new PinnedMemory(pieces * Iovec.size);
    this.#headers = new PinnedMemory(messages * Mmsghdr.size);
    this.#fd = fd;
    this.#family = family;
    this.#addresses = addresses;
    this.#counters = counters;
    this.#call = callNumbers()?.sendmmsg ?? -1;
    this.#runBytesMax = family === 4 ? RUN_BYTES_MAX_V4 : RUN_BYTES_MAX_V6;
    this.#segments = segments;
    this.#latest = new Int32Array(addresses.capacity).fill(NONE);
    for (let i = 0; i < messages; i++) {
      const header = i * Mmsghdr.size;
      const control = i * CONTROL_BYTES;
      const isV4 = family === 4;
      this.#names.view.setUint16(i * NAME_BYTES, isV4 ? LinuxNumber.AF_INET : LinuxNumber.AF_INET6, true);
      this.#headers.setAddress(header + Mmsghdr.name, this.#names.address + i * NAME_BYTES);
      this.#headers.u32[(header + Mmsghdr.nameLength) >> 2] = isV4 ? SockaddrIn.size : SockaddrIn6.size;
      this.#controls.setAddress(control + Cmsghdr.length, CMSG_LENGTH_U16);
      this.#controls.u32[(control + Cmsghdr.level) >> 2] = LinuxNumber.SOL_UDP;
      this.#controls.u32[(control + Cmsghdr.type) >> 2] = LinuxNumber.UDP_SEGMENT;
      const { IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS } = LinuxNumber;
      const service = control + CMSG_SPACE;
      this.#controls.setAddress(service + Cmsghdr.length, CMSG_LENGTH_U32);
      this.#controls.u32[(service + Cmsghdr.level) >> 2] = isV4 ? IPPROTO_IP : IPPROTO_IPV6;
      this.#controls.u32[(service + Cmsghdr.type) >> 2] = isV4 ? IP_TOS : IPV6_TCLASS;
    }
  }

  /** The kernel took no more at the last flush. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  get usesSegments(): boolean {
    return this.#segments;
  }

  /** Queues a copy. False when there is no room for it, even after a flush. */
  copy(to: AddressHandle, bytes: Uint8Array): boolean {
    if (this.#copied + bytes.length > COPIES_BYTES || this.#isFull()) {
      this.flush();
      if (this.#copied + bytes.length > COPIES_BYTES || this.#isFull()) return false;
    }
    this.#copies ??= new PinnedMemory(COPIES_BYTES);
    this.#copies.bytes.set(bytes, this.#copied);
    this.#add(to, this.#copies.address + this.#copied, bytes.length, 0);
    this.#copied += bytes.length;
    return true;
  }

  /** Queues memory as it lies, which must stay so until the next flush, to leave with this ECN field. False as in `copy`. */
  borrow(to: AddressHandle, address: number, length: number, ecn: number): boolean {
    if (this.#isFull()) {
      this.flush();
      if (this.#isFull()) return false;
    }
    this.#add(to, address, length, ecn);
    return true;
  }

  /** Queues datagrams `from` to `end - 1` of a batch, all of one length, as `borrow` would, unmarked. How many there was room for. */
  borrowRun(to: AddressHandle, batch: ReceivedBatch, from: number, end: number): number {
    let i = from;
    while (i < end) {
      if (!this.borrow(to, batch.address(i), batch.length(i), 0)) break;
      i++;
      if (i < end) i = this.#joinRun(this.#latest[to] ?? 0, batch, i, end);
    }
    return i - from;
  }

  flush(): void {
    let at = 0;
    let tries = 0;
    this.#blocked = false;
    if (this.#messages > 0) this.#layOut();
    while (at < this.#messages) {
      const headers = pointer(this.#headers.address + at * Mmsghdr.size);
      const sent = system().syscall(this.#call, this.#fd, headers, this.#messages - at, SEND_FLAGS, 0);
      if (sent > 0) {
        this.#countSent(at, at + sent);
        at += sent;
        tries = 0;
        continue;
      }
      const errno = lastErrno();
      if (errno === ERRNO.EINTR) continue;
      if (errno === ERRNO.EAGAIN) {
        this.#blocked = true;
        break;
      }
      if (errno === ERRNO.ECONNREFUSED && ++tries < SEND_TRIES) {
        this.#counters.icmpErrors++;
        continue;
      }
      if ((this.#count[at] ?? 0) > 1) this.#sendPlainly(at, errno);
      else this.#counters[dropReasonOf(errnoName(errno))]++;
      at++;
      tries = 0;
    }
    this.#keep(at);
  }

  /** What waits will never leave: counts it under this reason. */
  discard(reason: UdpDropReason): void {
    for (let i = 0; i < this.#messages; i++) this.#counters[reason] += this.#count[i] ?? 0;
    this.#messages = 0;
    this.#pieces = 0;
    this.#copied = 0;
  }

  #isFull(): boolean {
    const { messages, pieces } = this.#queueSize;
    return this.#messages === messages || this.#pieces === pieces;
  }

  #add(to: AddressHandle, address: number, length: number, ecn: number): void {
    const known = this.#latest[to] ?? NONE;
    if (known !== NONE && known < this.#messages && this.#to[known] === to && this.#open[known] === 1) {
      if (this.#ecn[known] === ecn && this.#join(known, address, length)) return;
    }
    const i = this.#messages++;
    this.#to[i] = to;
    this.#size[i] = length;
    this.#count[i] = 1;
    this.#bytes[i] = length;
    this.#open[i] = this.#segments && length > 0 ? 1 : 0;
    this.#ecn[i] = ecn;
    this.#latest[to] = i;
    this.#writeName(i, to);
    const piece = this.#newPiece(address, length);
    this.#first[i] = piece;
    this.#last[i] = piece;
  }

  #join(i: number, address: number, length: number): boolean {
    const size = this.#size[i] ?? 0;
    const bytes = (this.#bytes[i] ?? 0) + length;
    const count = (this.#count[i] ?? 0) + 1;
    if (length > size || length === 0 || bytes > this.#runBytesMax) return false;
    this.#bytes[i] = bytes;
    this.#count[i] = count;
    // A shorter one can only be the last.
    if (length < size || count === SEGMENTS_MAX) this.#open[i] = 0;
    const last = this.#last[i] ?? 0;
    const lastLength = this.#length[last] ?? 0;
    if ((this.#address[last] ?? 0) + lastLength === address) {
      this.#length[last] = lastLength + length;
    } else {
      const piece = this.#newPiece(address, length);
      this.#next[last] = piece;
      this.#last[i] = piece;
    }
    return true;
  }

  /** Appends as many of the datagrams to message `i` as may join it; all are as long as its first. The first left over. */
  #joinRun(i: number, batch: ReceivedBatch, from: number, end: number): number {
    if (this.#open[i] !== 1) return from;
    const length = batch.length(from);
    if (length !== this.#size[i]) return from;
    const room = Math.floor((this.#runBytesMax - (this.#bytes[i] ?? 0)) / length);
    const last = Math.min(end, from + Math.min(room, SEGMENTS_MAX - (this.#count[i] ?? 0)));
    let piece = this.#last[i] ?? 0;
    let next = (this.#address[piece] ?? 0) + (this.#length[piece] ?? 0);
    let at = from;
    for (; at < last; at++) {
      const address = batch.address(at);
      if (address === next) this.#length[piece] = (this.#length[piece] ?? 0) + length;
      else {
        if (this.#pieces === this.#queueSize.pieces) break;
        const added = this.#newPiece(address, length);
        this.#next[piece] = added;
        piece = added;
      }
      next = address + length;
    }
    this.#last[i] = piece;
    this.#bytes[i] = (this.#bytes[i] ?? 0) + (at - from) * length;
    this.#count[i] = (this.#count[i] ?? 0) + (at - from);
    if (this.#count[i] === SEGMENTS_MAX) this.#open[i] = 0;
    return at;
  }

  #newPiece(address: number, length: number): number {
    const piece = this.#pieces++;
    this.#address[piece] = address;
    this.#length[piece] = length;
    this.#next[piece] = NONE;
    return piece;
  }

  #layOut(): void {
    let iovec = 0;
    for (let i = 0; i < this.#messages; i++) {
      const header = i * Mmsghdr.size;
      const words = this.#headers.u32;
      this.#headers.setAddress(header + Mmsghdr.iov, this.#iovecs.address + iovec * Iovec.size);
      const before = iovec;
      for (let piece = this.#first[i] ?? NONE; piece !== NONE; piece = this.#next[piece] ?? NONE) {
        this.#iovecs.setAddress(iovec * Iovec.size + Iovec.base, this.#address[piece] ?? 0);
        this.#iovecs.u32[(iovec * Iovec.size + Iovec.length) >> 2] = this.#length[piece] ?? 0;
        iovec++;
      }
      words[(header + Mmsghdr.iovCount) >> 2] = iovec - before;
      const isRun = (this.#count[i] ?? 0) > 1;
      if (isRun) this.#controls.view.setUint16(i * CONTROL_BYTES + Cmsghdr.data, this.#size[i] ?? 0, true);
      this.#setControls(i, isRun);
    }
  }

  /** What message `i` tells the kernel beside its bytes. */
  #setControls(i: number, isRun: boolean): void {
    const header = i * Mmsghdr.size;
    const first = i * CONTROL_BYTES;
    const ecn = this.#ecn[i] ?? 0;
    if (ecn !== 0) this.#controls.u32[(first + CMSG_SPACE + Cmsghdr.data) >> 2] = ecn;
    const begin = isRun ? 0 : CMSG_SPACE;
    const end = ecn === 0 ? CMSG_SPACE : CONTROL_BYTES;
    this.#headers.setAddress(header + Mmsghdr.control, this.#controls.address + first + begin);
    this.#headers.u32[(header + Mmsghdr.controlLength) >> 2] = end - begin;
  }

  #writeName(i: number, to: AddressHandle): void {
    const { view } = this.#names;
    const at = i * NAME_BYTES;
    const table = this.#addresses;
    view.setUint16(at + SockaddrIn.port, table.port(to), false);
    if (this.#family === 4) {
      view.setUint32(at + SockaddrIn.address, table.word(to, 3), false);
      return;
    }
    const from = at + SockaddrIn6.address;
    for (let word = 0; word < 4; word++) view.setUint32(from + word * 4, table.word(to, word), false);
  }

  #countSent(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.#counters.sent += this.#count[i] ?? 0;
      this.#counters.sentBytes += this.#bytes[i] ?? 0;
    }
  }

  /** A run that was refused as such: each datagram on its own, so that each has its own answer. */
  #sendPlainly(i: number, errno: number): void {
    // What a device without checksum offload answers (udp_send_skb in net/ipv4/udp.c): it will not learn.
    if (errno === ERRNO.EIO) this.#segments = false;
    const words = this.#headers.u32;
    const header = i * Mmsghdr.size;
    const size = this.#size[i] ?? 0;
    this.#setControls(i, false);
    words[(header + Mmsghdr.iovCount) >> 2] = 1;
    const whole = new PinnedMemory(this.#bytes[i] ?? 0);
    this.#gather(i, whole.address);
    const iovec = new PinnedMemory(Iovec.size);
    this.#headers.setAddress(header + Mmsghdr.iov, iovec.address);
    for (let at = 0; at < (this.#bytes[i] ?? 0); at += size) {
      const length = Math.min(size, (this.#bytes[i] ?? 0) - at);
      iovec.setAddress(Iovec.base, whole.address + at);
      iovec.u32[Iovec.length >> 2] = length;
      this.#sendAlone(header, length);
    }
  }

  #sendAlone(header: number, length: number): void {
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      const address = pointer(this.#headers.address + header);
      if (system().syscall(this.#call, this.#fd, address, 1, SEND_FLAGS, 0) === 1) {
        this.#counters.sent++;
        this.#counters.sentBytes += length;
        return;
      }
      const errno = lastErrno();
      if (errno === ERRNO.EAGAIN) this.#blocked = true;
      if (errno !== ERRNO.EINTR && errno !== ERRNO.ECONNREFUSED) {
        this.#counters[dropReasonOf(errnoName(errno))]++;
        return;
      }
    }
    this.#counters.dropUnreachable++;
  }

  #gather(i: number, target: number): void {
    let at = target;
    for (let piece = this.#first[i] ?? NONE; piece !== NONE; piece = this.#next[piece] ?? NONE) {
      const length = this.#length[piece] ?? 0;
      system().memmove(pointer(at), pointer(this.#address[piece] ?? 0), length);
      at += length;
    }
  }

  /** Copies the messages from `from` on to the front, as far as there is room; forgets the rest. */
  #keep(from: number): void {
    const messages = this.#messages;
    this.#messages = 0;
    if (from === messages) {
      this.#pieces = 0;
      this.#copied = 0;
      return;
    }
    const spare = this.#spare ?? new PinnedMemory(COPIES_BYTES);
    let used = 0;
    for (let i = from; i < messages; i++) {
      const bytes = this.#bytes[i] ?? 0;
      if (used + bytes > COPIES_BYTES) {
        this.#counters.dropQueueFull += this.#count[i] ?? 0;
        continue;
      }
      this.#gather(i, spare.address + used);
      const to = this.#messages++;
      this.#to[to] = this.#to[i] ?? NONE;
      this.#size[to] = this.#size[i] ?? 0;
      this.#count[to] = this.#count[i] ?? 0;
      this.#bytes[to] = bytes;
      this.#open[to] = 0;
      this.#ecn[to] = this.#ecn[i] ?? 0;
      this.#keptAt[to] = used;
      // The name as it was written: by now the handle may stand for somebody else.
      this.#names.bytes.copyWithin(to * NAME_BYTES, i * NAME_BYTES, (i + 1) * NAME_BYTES);
      used += bytes;
    }
    this.#pieces = 0;
    for (let i = 0; i < this.#messages; i++) {
      const piece = this.#newPiece(spare.address + (this.#keptAt[i] ?? 0), this.#bytes[i] ?? 0);
      this.#first[i] = piece;
      this.#last[i] = piece;
    }
    this.#spare = this.#copies;
    this.#copies = spare;
    this.#copied = used;
  }
}
