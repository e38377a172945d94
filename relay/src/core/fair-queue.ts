/**
 * Who goes next when the way out is full: deficit round robin over queues of pairs (Shreedhar and Varghese, 1995),
 * so that a pair gets its share whatever the others send. Pairs are hashed to queues; two that meet share one
 * (McKenney's stochastic fairness queueing, 1990). When all places are taken the longest queue loses packets, from its
 * head, several at once (as fq_codel does, RFC 8290 §4.1.3), so that the search for it is paid rarely.
 *
 * Knows packets as places, destinations and lengths; the bytes are the shell's. Allocates nothing after construction.
 */

/** No packet, or no room. */
export const NO_PLACE = -1;

/** Bytes that a queue may send in its turn: at least one full packet. */
const QUANTUM_BYTES = 1_600;
/** Packets that the longest queue loses at once: at most so many, and at most half of what it has. */
const LOSS_MAX = 64;
const NONE = -1;

export class FairQueue {
  readonly #queues: number;

  /** By place. */
  readonly #next: Int32Array;
  readonly #to: Int32Array;
  readonly #length: Int32Array;
  #free = 0;

  /** By queue: its packets, its bytes, what it may still send in this round, and the next in the ring. */
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #bytes: Int32Array;
  readonly #deficit: Int32Array;
  readonly #ring: Int32Array;
  /** The queue before the one whose turn it is. */
  #before = NONE;

  #size = 0;
  #lost = 0;
  #lostBytes = 0;

  /** `places`: packets that may wait; `queues`: a power of two. */
  constructor(places: number, queues: number) {
    this.#queues = queues;
    this.#next = Int32Array.from({ length: places }, (_, i) => (i + 1 < places ? i + 1 : NONE));
    this.#to = new Int32Array(places);
    this.#length = new Int32Array(places);
    this.#head = new Int32Array(queues).fill(NONE);
    this.#tail = new Int32Array(queues).fill(NONE);
    this.#bytes = new Int32Array(queues);
    this.#deficit = new Int32Array(queues);
    this.#ring = new Int32Array(queues).fill(NONE);
  }

  /** Packets that wait. */
  get size(): number {
    return this.#size;
  }

  /** Packets that had to make room, since the beginning. */
  get lost(): number {
    return this.#lost;
  }

  get lostBytes(): number {
    return this.#lostBytes;
  }

  /** The place for a packet of a pair: the caller copies its bytes there. */
  push(pairHash: number, to: number, lengthBytes: number): number {
    if (this.#free === NONE) this.#makeRoom();
    const place = this.#free;
    this.#free = this.#next[place] ?? NONE;
    const queue = pairHash & (this.#queues - 1);
    this.#next[place] = NONE;
    this.#to[place] = to;
    this.#length[place] = lengthBytes;
    const tail = this.#tail[queue] ?? NONE;
    if (tail === NONE) {
      this.#head[queue] = place;
      this.#deficit[queue] = QUANTUM_BYTES;
      this.#join(queue);
    } else this.#next[tail] = place;
    this.#tail[queue] = place;
    this.#bytes[queue] = (this.#bytes[queue] ?? 0) + lengthBytes;
    this.#size++;
    return place;
  }

  /** The place of the packet whose turn it is, or NO_PLACE. Its bytes stay until the next `push`. */
  shift(): number {
    if (this.#before === NONE) return NO_PLACE;
    for (;;) {
      const queue = this.#ring[this.#before] ?? NONE;
      const place = this.#head[queue] ?? NONE;
      const length = this.#length[place] ?? 0;
      const deficit = this.#deficit[queue] ?? 0;
      if (deficit >= length) {
        this.#deficit[queue] = deficit - length;
        this.#take(queue, place);
        if (this.#head[queue] === NONE) this.#leave(this.#before, queue);
        return place;
      }
      this.#deficit[queue] = deficit + QUANTUM_BYTES;
      this.#before = queue;
    }
  }

  destination(place: number): number {
    return this.#to[place] ?? NONE;
  }

  length(place: number): number {
    return this.#length[place] ?? 0;
  }

  #take(queue: number, place: number): void {
    const next = this.#next[place] ?? NONE;
    this.#head[queue] = next;
    if (next === NONE) this.#tail[queue] = NONE;
    this.#bytes[queue] = (this.#bytes[queue] ?? 0) - (this.#length[place] ?? 0);
    this.#next[place] = this.#free;
    this.#free = place;
    this.#size--;
  }

  /** Behind all that are in the ring; the turn stays with whose it was. */
  #join(queue: number): void {
    if (this.#before === NONE) this.#ring[queue] = queue;
    else {
      this.#ring[queue] = this.#ring[this.#before] ?? NONE;
      this.#ring[this.#before] = queue;
    }
    this.#before = queue;
  }

  #leave(before: number, queue: number): void {
    const after = this.#ring[queue] ?? NONE;
    this.#ring[queue] = NONE;
    if (after === queue) this.#before = NONE;
    else this.#ring[before] = after;
  }

  #makeRoom(): void {
    let longest = NONE;
    let longestBefore = this.#before;
    let before = this.#before;
    do {
      const queue = this.#ring[before] ?? NONE;
      if (longest === NONE || (this.#bytes[queue] ?? 0) > (this.#bytes[longest] ?? 0)) {
        longest = queue;
        longestBefore = before;
      }
      before = queue;
    } while (before !== this.#before);
    const enough = (this.#bytes[longest] ?? 0) >> 1;
    for (let n = 0; n < LOSS_MAX; n++) {
      const place = this.#head[longest] ?? NONE;
      this.#lostBytes += this.#length[place] ?? 0;
      this.#lost++;
      this.#take(longest, place);
      if ((this.#bytes[longest] ?? 0) <= enough || this.#head[longest] === NONE) break;
    }
    if (this.#head[longest] === NONE) {
      this.#leave(longestBefore, longest);
      if (this.#before === longest) this.#before = longestBefore;
    }
  }
}
