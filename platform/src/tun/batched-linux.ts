/** The batched TUN device on Linux: virtio headers and segmentation offloads where the kernel has them (batched.ts). */
import { UserError } from "@burrow/protocol";
import { ERRNO, lastErrno } from "../libc.ts";
import { Iovec } from "../udp/linux/layout.ts";
import { closeDescriptor, PinnedMemory, pointer } from "../udp/linux/system.ts";
import type {
  BatchedTun,
  BatchedTunCounters,
  BatchedTunDoor,
  BatchedTunOptions,
  BatchedTunUse,
  TunOffloads,
} from "./batched.ts";
import { newTunCounters, tunDropReason } from "./device.ts";
import { openTunDescriptor, setTunOffload, TunFeature, tunLibrary } from "./kernel.ts";
import { checkTunOptions, configureTun } from "./linux.ts";
import { Coalescer, NONE, PIECES_OF_RUN_MAX } from "./offload/coalesce.ts";
import { PACKETS_MAX, SplitBatch, split } from "./offload/split.ts";
import { VirtioHeader } from "./offload/virtio-header.ts";

/** The most that one read brings, less than IP's limit or equal to it. */
const READ_BYTES_MAX = 65_535;
/** One batch: further reads until it has this much. Three full super-packets, which stay in a processor's cache. */
const BATCH_BYTES = 192 << 10;
/** The last read of a batch, cut into the smallest segments that TCP sends, with the room around each. */
const MEMORY_BYTES = BATCH_BYTES + (512 << 10);
/** Copies of packets that wait for a flush. */
const COPIES_BYTES = 256 << 10;

class LinuxBatchedTun implements BatchedTun {
  readonly fd: number;
  readonly name: string;
  readonly mtu: number;
  readonly counters: BatchedTunCounters = { ...newTunCounters(), reads: 0, writes: 0 };
  readonly #use: BatchedTunUse;
  /** As the kernel was asked; writing in large pieces ends when it refuses one. */
  #offloads: TunOffloads;

  readonly #batch: SplitBatch;
  readonly #readHeader = new PinnedMemory(VirtioHeader.size);
  readonly #readVector = new PinnedMemory(2 * Iovec.size);

  readonly #coalescer: Coalescer;
  readonly #writeHeader = new PinnedMemory(VirtioHeader.size);
  readonly #writeVector = new PinnedMemory((1 + PIECES_OF_RUN_MAX) * Iovec.size);
  #copies: PinnedMemory | undefined;
  #copied = 0;
  #gone = false;
  #closed = false;

  constructor({ fd, name, mtu, offloads }: BatchedTunDoor, use: BatchedTunUse) {
    this.fd = fd;
    this.name = name;
    this.mtu = mtu;
    this.#use = use;
    this.#offloads = offloads;
    this.#batch = new SplitBatch(new PinnedMemory(MEMORY_BYTES), mtu);
    this.#coalescer = new Coalescer(offloads);
    this.#readVector.setAddress(Iovec.base, this.#readHeader.address);
    this.#readVector.setAddress(Iovec.length, VirtioHeader.size);
    this.#readVector.setAddress(Iovec.size + Iovec.length, READ_BYTES_MAX);
    this.#writeVector.setAddress(Iovec.base, this.#writeHeader.address);
    this.#writeVector.setAddress(Iovec.length, VirtioHeader.size);
  }

  get offloads(): TunOffloads {
    return this.#offloads;
  }

  get isGone(): boolean {
    return this.#gone;
  }

  receive(): boolean {
    if (this.#closed || this.#gone) return false;
    const batch = this.#batch;
    batch.clear();
    while (batch.next < BATCH_BYTES && batch.count < PACKETS_MAX && this.#read()) {}
    const { count } = batch;
    if (count === 0) return false;
    this.counters.received += count;
    for (let i = 0; i < count; i++) this.counters.receivedBytes += batch.length(i);
    try {
      this.#use.onBatch(batch, this);
    } finally {
      batch.clear();
      this.flush();
    }
    return true;
  }

  borrow(memory: PinnedMemory, at: number, length: number): void {
    if (this.#closed || this.#gone) {
      this.counters.dropDown++;
      return;
    }
    const version = (memory.bytes[at] ?? 0) >>> 4;
    if (length < 1 || length > READ_BYTES_MAX || (version !== 4 && version !== 6)) {
      this.counters.dropMalformed++;
      return;
    }
    if (this.#coalescer.isFull) this.flush();
    this.#coalescer.add(memory, at, length);
  }

  write(packet: Uint8Array): void {
    if (packet.length > READ_BYTES_MAX) {
      this.counters.dropMalformed++;
      return;
    }
    if (this.#copied + packet.length > COPIES_BYTES || this.#coalescer.isFull) this.flush();
    this.#copies ??= new PinnedMemory(COPIES_BYTES);
    this.#copies.bytes.set(packet, this.#copied);
    this.borrow(this.#copies, this.#copied, packet.length);
    // The next begins where words do, as sums are quickest.
    this.#copied += (packet.length + 3) & ~3;
  }

  flush(): void {
    const coalescer = this.#coalescer;
    if (!this.#closed) for (let i = 0; i < coalescer.count; i++) this.#writeRun(i);
    coalescer.clear();
    this.#copied = 0;
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    closeDescriptor(this.fd);
  }

  /** Reads once to the batch's end. False when nothing waited. */
  #read(): boolean {
    const batch = this.#batch;
    this.#readVector.setAddress(Iovec.size + Iovec.base, batch.memory.address + batch.next);
    const got = Number(tunLibrary().readv(this.fd, pointer(this.#readVector.address), 2));
    if (got < 0) {
      const errno = lastErrno();
      if (errno === ERRNO.EBADFD) this.#gone = true;
      return errno === ERRNO.EINTR;
    }
    this.counters.reads++;
    const result = split(batch, got - VirtioHeader.size, this.#readHeader.view);
    if (result === "malformed") this.counters.dropMalformed++;
    else if (result === "full") this.counters.dropFull++;
    return true;
  }

  #writeRun(i: number): void {
    const coalescer = this.#coalescer;
    coalescer.finish(i, this.#writeHeader.view);
    let vectors = 1;
    for (let piece = coalescer.firstPiece(i); piece !== NONE; piece = coalescer.nextPiece(piece)) {
      this.#setVector(vectors++, coalescer.pieceAddress(piece), coalescer.pieceLength(piece));
    }
    const errno = this.#writeVectors(vectors);
    const packets = coalescer.packets(i);
    if (errno === ERRNO.EINVAL && packets > 1) {
      this.#writeSeparately(i);
      return;
    }
    if (errno === 0) {
      this.counters.written += packets;
      this.counters.writtenBytes += coalescer.bytes(i) + (packets - 1) * coalescer.headersLength(i);
    } else this.#countDrop(errno, packets);
  }

  /** For a kernel that promised more than it takes: from now on packets go to it one by one. */
  #writeSeparately(i: number): void {
    const coalescer = this.#coalescer;
    this.#offloads = NO_OFFLOADS;
    coalescer.joinNothing();
    coalescer.separate(i);
    this.#writeHeader.bytes.fill(0);
    for (let piece = coalescer.firstPiece(i); piece !== NONE; piece = coalescer.nextPiece(piece)) {
      const before = piece === coalescer.firstPiece(i) ? 0 : coalescer.headersLength(i);
      const length = before + coalescer.pieceLength(piece);
      this.#setVector(1, coalescer.pieceAddress(piece) - before, length);
      const errno = this.#writeVectors(2);
      if (errno !== 0) this.#countDrop(errno, 1);
      else {
        this.counters.written++;
        this.counters.writtenBytes += length;
      }
    }
  }

  #countDrop(errno: number, packets: number): void {
    if (errno === ERRNO.EBADFD) this.#gone = true;
    this.counters[tunDropReason(errno)] += packets;
  }

  #setVector(i: number, address: number, length: number): void {
    this.#writeVector.setAddress(i * Iovec.size + Iovec.base, address);
    this.#writeVector.u32[(i * Iovec.size + Iovec.length) >> 2] = length;
  }

  /** The errno, or 0. */
  #writeVectors(count: number): number {
    this.counters.writes++;
    for (;;) {
      if (Number(tunLibrary().writev(this.fd, pointer(this.#writeVector.address), count)) >= 0) return 0;
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) return errno;
    }
  }
}

/** Makes the interface and sets it up. Rejects with a UserError as `openTun` does. */
export async function prepareBatchedTun(options: BatchedTunOptions): Promise<BatchedTunDoor> {
  if (process.platform !== "linux") {
    throw new UserError(
      `TUN devices are for Linux only as yet, and this is ${process.platform}`,
      "use `--device wireguard:IFACE` with an existing WireGuard interface, or `--device none`",
    );
  }
  checkTunOptions(options);
  const fd = openTunDescriptor(options.name, true);
  try {
    const offloads = options.offloads === false ? NO_OFFLOADS : askForOffloads(fd);
    await configureTun(options);
    return { fd, name: options.name, mtu: options.mtu, offloads };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

const NO_OFFLOADS: TunOffloads = { tcp: false, udp: false };

function askForOffloads(fd: number): TunOffloads {
  const { CSUM, TSO4, TSO6, USO4, USO6 } = TunFeature;
  if (setTunOffload(fd, CSUM | TSO4 | TSO6 | USO4 | USO6)) return { tcp: true, udp: true };
  return { tcp: setTunOffload(fd, CSUM | TSO4 | TSO6), udp: false };
}

/** The device in the thread that calls this, which alone uses it from now on and closes it. */
export function adoptBatchedTun(door: BatchedTunDoor, use: BatchedTunUse): BatchedTun {
  return new LinuxBatchedTun(door, use);
}

/** Both in one thread. */
export async function openBatchedTun(options: BatchedTunOptions & BatchedTunUse): Promise<BatchedTun> {
  return adoptBatchedTun(await prepareBatchedTun(options), options);
}
