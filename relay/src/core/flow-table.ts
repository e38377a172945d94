/**
 * The flow table: (source, receiver index) → destination, the one look-up of the packet path.
 *
 * Open addressing with linear probing in typed arrays; removal shifts the run back, so there are no tombstones
 * (Knuth, TAOCP vol. 3, 6.4, algorithm R). Nothing is allocated after construction. Sources and destinations
 * are named by serials that are never used twice, so entries of the gone need no hunting down: they do not match.
 */
import { FLOW_LIFETIME_S, FLOW_UNUSED_LIFETIME_S } from "./limits.ts";

/** No such flow. */
export const NO_FLOW = -1;

/** Entries looked at when a full table needs room: the oldest of them goes. */
const EVICTION_SAMPLE = 16;

export class FlowTable {
  readonly #max: number;
  readonly #mask: number;
  readonly #seed: number;

  /** Serial of the source; 0 where the place is empty. */
  readonly #source: Int32Array;
  readonly #index: Uint32Array;
  readonly #slot: Int32Array;
  readonly #serial: Int32Array;
  readonly #usedS: Uint32Array;
  /** 1 once a packet went this way. */
  readonly #proven: Uint8Array;

  #size = 0;
  #evictions = 0;
  #sweepAt = 0;
  #evictAt = 0;

  /** `flowsMax`: entries; the arrays are a third or more larger. `seed`: secret, since strangers choose indices. */
  constructor(flowsMax: number, seed: number) {
    const places = 2 ** Math.ceil(Math.log2(flowsMax * 1.33));
    this.#max = flowsMax;
    this.#mask = places - 1;
    this.#seed = seed | 0;
    this.#source = new Int32Array(places);
    this.#index = new Uint32Array(places);
    this.#slot = new Int32Array(places);
    this.#serial = new Int32Array(places);
    this.#usedS = new Uint32Array(places);
    this.#proven = new Uint8Array(places);
  }

  get size(): number {
    return this.#size;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** The place of a flow, valid until the next `put`, `remove` or `sweep`. */
  find(source: number, receiverIndex: number): number {
    let at = this.#home(source, receiverIndex);
    for (;;) {
      const there = this.#source[at];
      if (there === 0) return NO_FLOW;
      if (there === source && this.#index[at] === receiverIndex) return at;
      at = (at + 1) & this.#mask;
    }
  }

  destinationSlot(at: number): number {
    return this.#slot[at] ?? NO_FLOW;
  }

  destinationSerial(at: number): number {
    return this.#serial[at] ?? 0;
  }

  /** A packet went this way: the flow is worth its full lifetime from now. */
  touch(at: number, nowS: number): void {
    this.#usedS[at] = nowS;
    this.#proven[at] = 1;
  }

  isStale(at: number, nowS: number): boolean {
    const lifetimeS = this.#proven[at] === 1 ? FLOW_LIFETIME_S : FLOW_UNUSED_LIFETIME_S;
    return nowS - (this.#usedS[at] ?? 0) > lifetimeS;
  }

  /** Sets a flow, over whatever it was. `proven`: the source itself declared it. */
  put(
    source: number,
    receiverIndex: number,
    slot: number,
    serial: number,
    nowS: number,
    proven: boolean,
  ): void {
    let at = this.find(source, receiverIndex);
    if (at === NO_FLOW) {
      if (this.#size >= this.#max) this.#evict();
      at = this.#home(source, receiverIndex);
      while (this.#source[at] !== 0) at = (at + 1) & this.#mask;
      this.#size++;
    }
    this.#source[at] = source;
    this.#index[at] = receiverIndex;
    this.#slot[at] = slot;
    this.#serial[at] = serial;
    this.#usedS[at] = nowS;
    this.#proven[at] = proven ? 1 : 0;
  }

  /** Looks at the next `places` places and removes what is stale; a bounded piece of work. */
  sweep(places: number, nowS: number): void {
    for (let i = 0; i < places; i++) {
      const at = this.#sweepAt;
      // After a removal the place may hold the next of its run: look again before moving on.
      if (this.#source[at] !== 0 && this.isStale(at, nowS)) this.#remove(at);
      else this.#sweepAt = (at + 1) & this.#mask;
    }
  }

  get places(): number {
    return this.#mask + 1;
  }

  #evict(): void {
    let victim = NO_FLOW;
    let oldest = Number.POSITIVE_INFINITY;
    for (let seen = 0, at = this.#evictAt; seen < EVICTION_SAMPLE; at = (at + 1) & this.#mask) {
      this.#evictAt = (at + 1) & this.#mask;
      if (this.#source[at] === 0) continue;
      seen++;
      const usedS = (this.#usedS[at] ?? 0) + (this.#proven[at] === 1 ? FLOW_LIFETIME_S : 0);
      if (usedS < oldest) {
        oldest = usedS;
        victim = at;
      }
    }
    this.#evictions++;
    this.#remove(victim);
  }

  #remove(hole: number): void {
    let empty = hole;
    let at = hole;
    for (;;) {
      at = (at + 1) & this.#mask;
      if (this.#source[at] === 0) break;
      const home = this.#home(this.#source[at] ?? 0, this.#index[at] ?? 0);
      // Move it back only if its home does not lie between the hole and its place.
      if (((at - home) & this.#mask) >= ((at - empty) & this.#mask)) {
        this.#copy(at, empty);
        empty = at;
      }
    }
    this.#source[empty] = 0;
    this.#size--;
  }

  #copy(from: number, to: number): void {
    this.#source[to] = this.#source[from] ?? 0;
    this.#index[to] = this.#index[from] ?? 0;
    this.#slot[to] = this.#slot[from] ?? 0;
    this.#serial[to] = this.#serial[from] ?? 0;
    this.#usedS[to] = this.#usedS[from] ?? 0;
    this.#proven[to] = this.#proven[from] ?? 0;
  }

  /** Murmur3's finalizer (Appleby, public domain) over both halves of the key. */
  #home(source: number, receiverIndex: number): number {
    let hash = Math.imul(source ^ this.#seed, 0xcc9e2d51) ^ receiverIndex;
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
    return hash & this.#mask;
  }
}
