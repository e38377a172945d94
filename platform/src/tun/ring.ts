/**
 * A ring of packets in shared memory: one thread writes, one reads, neither allocates per packet.
 *
 * A record is a 32-bit length and the packet, padded to four bytes; it never wraps: where the rest of the ring is
 * too short for the largest packet, a SKIP mark sends the reader back to the start. Positions are counted without
 * end (modulo 2^32) and taken modulo the capacity, a power of two, so that full and empty differ.
 */

/** Shared words before the data. */
const HEAD = 0;
const TAIL = 1;
/** 1 from the writer's wake-up until the reader looks again: wake-ups coalesce. */
const WOKEN = 2;
/** 1 while the writer waits for room, so that the reader notifies only then. */
const STARVED = 3;
const STOP = 4;
const WORDS = 8;

const LENGTH_BYTES = 4;
const SKIP = -1;

const padded = (length: number) => (length + LENGTH_BYTES + 3) & ~3;

class RingView {
  protected readonly words: Int32Array<SharedArrayBuffer>;
  protected readonly lengths: Int32Array<SharedArrayBuffer>;
  readonly data: Uint8Array<SharedArrayBuffer>;
  protected readonly mask: number;

  constructor(shared: SharedArrayBuffer) {
    this.words = new Int32Array(shared, 0, WORDS);
    this.lengths = new Int32Array(shared, WORDS * 4);
    this.data = new Uint8Array(shared, WORDS * 4);
    this.mask = this.data.length - 1;
  }

  get stopped(): boolean {
    return Atomics.load(this.words, STOP) === 1;
  }
}

/** Memory for a ring of `capacity` bytes: a power of two, at least four of the largest packets. */
export function newRing(capacity: number): SharedArrayBuffer {
  if ((capacity & (capacity - 1)) !== 0) throw new Error("the ring's capacity must be a power of two");
  return new SharedArrayBuffer(WORDS * 4 + capacity);
}

/** The writer's end, in the reading worker: packets are read from the device straight into the ring. */
export class RingWriter extends RingView {
  readonly #packetMax: number;

  constructor(shared: SharedArrayBuffer, packetMax: number) {
    super(shared);
    if (padded(packetMax) * 4 > this.data.length) throw new Error("the ring is too small for its packets");
    this.#packetMax = packetMax;
  }

  /** Offset in `data` where a packet of `packetMax` bytes may be written, or -1 when there is no room. */
  reserve(): number {
    const need = padded(this.#packetMax);
    const tail = Atomics.load(this.words, TAIL);
    const used = (tail - Atomics.load(this.words, HEAD)) | 0;
    const at = tail & this.mask;
    const toEnd = this.data.length - at;
    if (toEnd >= need) return this.data.length - used >= need ? at + LENGTH_BYTES : -1;
    if (this.data.length - used < toEnd + need) return -1;
    this.lengths[at >> 2] = SKIP;
    Atomics.store(this.words, TAIL, (tail + toEnd) | 0);
    return LENGTH_BYTES;
  }

  /** Publishes the packet at the place last reserved. */
  commit(length: number): void {
    const tail = Atomics.load(this.words, TAIL);
    this.lengths[(tail & this.mask) >> 2] = length;
    Atomics.store(this.words, TAIL, (tail + padded(length)) | 0);
  }

  /** Whether the reader has to be told: at most once until it looks. */
  shouldWake(): boolean {
    return Atomics.exchange(this.words, WOKEN, 1) === 0;
  }

  /** Blocks until the reader made room or `stop` was called. */
  waitForRoom(): void {
    for (;;) {
      // Said before looking: a reader that makes room in between sets it back, and the wait returns at once.
      Atomics.store(this.words, STARVED, 1);
      if (this.reserve() !== -1 || this.stopped) break;
      Atomics.wait(this.words, STARVED, 1);
    }
    Atomics.store(this.words, STARVED, 0);
  }
}

/** The reader's end, on the main thread. Views that it gives are good until `release`. */
export class RingReader extends RingView {
  readonly #packets: Uint8Array[] = [];
  #next = 0;

  /** Takes up to `max` packets; call `release` before the next `take`. */
  take(max: number): readonly Uint8Array[] {
    const packets = this.#packets;
    packets.length = 0;
    let at = Atomics.load(this.words, HEAD);
    const tail = Atomics.load(this.words, TAIL);
    while (at !== tail && packets.length < max) {
      const offset = at & this.mask;
      const length = this.lengths[offset >> 2] ?? SKIP;
      if (length === SKIP) {
        at = (at + this.data.length - offset) | 0;
        continue;
      }
      packets.push(this.data.subarray(offset + LENGTH_BYTES, offset + LENGTH_BYTES + length));
      at = (at + padded(length)) | 0;
    }
    this.#next = at;
    return packets;
  }

  release(): void {
    this.#packets.length = 0;
    Atomics.store(this.words, HEAD, this.#next);
    if (Atomics.load(this.words, STARVED) === 1) {
      Atomics.store(this.words, STARVED, 0);
      Atomics.notify(this.words, STARVED);
    }
  }

  /** To be called before a `take` that follows a wake-up: from here on the writer wakes again. */
  rearm(): void {
    Atomics.store(this.words, WOKEN, 0);
  }

  get empty(): boolean {
    return Atomics.load(this.words, HEAD) === Atomics.load(this.words, TAIL);
  }

  stop(): void {
    Atomics.store(this.words, STOP, 1);
    Atomics.store(this.words, STARVED, 0);
    Atomics.notify(this.words, STARVED);
  }
}
