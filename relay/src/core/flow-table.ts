/**
 * The flow table: (source, receiver index) → destination, the one look-up of the packet path.
 *
 * Open addressing with linear probing in typed arrays; removal shifts the run back, so there are no tombstones
 * (Knuth, TAOCP vol. 3, 6.4, algorithm R). An entry lies within one cache line. Nothing is allocated after construction.
 * Sources and destinations are named by serials that are never used twice, so entries of the gone need no hunting
 * down: they do not match.
 *
 * When it is full, what carries packets stays: first goes what a source holds without use beyond its share, of the
 * largest such holding, then what was unused for longest. So nobody pushes out others' flows by declaring many.
 */
import { FLOW_IDLE_S, FLOW_LIFETIME_S, FLOW_UNUSED_LIFETIME_S, FLOWS_WITHOUT_USE_SHARE } from "./limits.ts";

/** No such flow. */
export const NO_FLOW = -1;

/** Entries looked at when a full table needs room: the one of them that is missed the least goes. */
const EVICTION_SAMPLE = 16;

/** Words of an entry, eight of them: the source's serial (0 where the place is empty), the receiver index, */
const ENTRY_SHIFT = 3;
const SOURCE = 0;
const INDEX = 1;
/** the destination's slot and serial, when it was last used or declared, and what use it is. */
const SLOT = 2;
const SERIAL = 3;
const USED_S = 4;
const USE = 5;

/** Somebody's guess; the source's or both sides' word; packets go this way; they did, but not lately. */
const GUESSED = 0;
const PROVEN = 1;
const USED = 2;
const IDLE = 3;
/** Counts of a holder, by use. */
const HOLDER_SHIFT = 2;

export class FlowTable {
  readonly #max: number;
  readonly #mask: number;
  readonly #seed: number;

  readonly #entries: Int32Array;
  /** By source, hashed, and use: entries. Sources whose hashes meet are one holder: a quarter as many holders as places. */
  readonly #held: Int32Array;
  readonly #holderMask: number;
  /** More than this of one use, other than USED, is first to go. */
  readonly #share: number;

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
    this.#entries = new Int32Array(places << ENTRY_SHIFT);
    this.#holderMask = (places >> 2) - 1;
    this.#held = new Int32Array((this.#holderMask + 1) << HOLDER_SHIFT);
    this.#share = flowsMax * FLOWS_WITHOUT_USE_SHARE;
  }

  get size(): number {
    return this.#size;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** The place of a flow, valid until the next `put`, `remove` or `sweep`. */
  find(source: number, receiverIndex: number): number {
    const index = receiverIndex | 0;
    const entries = this.#entries;
    let at = this.#home(source, index);
    for (;;) {
      const entry = at << ENTRY_SHIFT;
      const there = entries[entry];
      if (there === 0) return NO_FLOW;
      if (there === source && entries[entry + INDEX] === index) return at;
      at = (at + 1) & this.#mask;
    }
  }

  destinationSlot(at: number): number {
    return this.#entries[(at << ENTRY_SHIFT) + SLOT] ?? NO_FLOW;
  }

  destinationSerial(at: number): number {
    return this.#entries[(at << ENTRY_SHIFT) + SERIAL] ?? 0;
  }

  /** A packet went this way: the flow is worth its full lifetime from now. */
  touch(at: number, nowS: number): void {
    const entry = at << ENTRY_SHIFT;
    this.#entries[entry + USED_S] = nowS;
    if (this.#entries[entry + USE] !== USED) this.#turn(entry, USED);
  }

  isStale(at: number, nowS: number): boolean {
    const entry = at << ENTRY_SHIFT;
    const lifetimeS = this.#entries[entry + USE] === GUESSED ? FLOW_UNUSED_LIFETIME_S : FLOW_LIFETIME_S;
    return nowS - (this.#entries[entry + USED_S] ?? 0) > lifetimeS;
  }

  /** Sets a flow, over whatever it was; one in use stays so. `proven`: the source itself declared it. */
  put(
    source: number,
    receiverIndex: number,
    slot: number,
    serial: number,
    nowS: number,
    proven: boolean,
  ): void {
    let at = this.find(source, receiverIndex);
    const isNew = at === NO_FLOW;
    if (isNew) {
      if (this.#size >= this.#max) this.#evict(nowS);
      at = this.#home(source, receiverIndex | 0);
      while (!this.#isEmpty(at)) at = (at + 1) & this.#mask;
      this.#size++;
    }
    const entry = at << ENTRY_SHIFT;
    const use = proven ? PROVEN : GUESSED;
    if (isNew) {
      this.#entries[entry + SOURCE] = source;
      this.#entries[entry + INDEX] = receiverIndex;
      this.#entries[entry + USE] = use;
      this.#count(entry, 1);
    } else if (this.#entries[entry + USE] !== USED || this.#entries[entry + SERIAL] !== serial) {
      this.#turn(entry, use);
    }
    this.#entries[entry + SLOT] = slot;
    this.#entries[entry + SERIAL] = serial;
    this.#entries[entry + USED_S] = nowS;
  }

  /** Looks at the next `places` places, removes what is stale and notes what is no longer used; bounded work. */
  sweep(places: number, nowS: number): void {
    for (let i = 0; i < places; i++) {
      const at = this.#sweepAt;
      // After a removal the place may hold the next of its run: look again before moving on.
      if (!this.#isEmpty(at) && this.isStale(at, nowS)) {
        this.#remove(at);
        continue;
      }
      if (!this.#isEmpty(at)) this.#noteIdle(at << ENTRY_SHIFT, nowS);
      this.#sweepAt = (at + 1) & this.#mask;
    }
  }

  get places(): number {
    return this.#mask + 1;
  }

  /** Of a few entries: the stale, then of the largest holding without use beyond a share, then the longest unused. */
  #evict(nowS: number): void {
    let victim = NO_FLOW;
    let most = -1;
    let oldest = Number.POSITIVE_INFINITY;
    for (let seen = 0, at = this.#evictAt; seen < EVICTION_SAMPLE; at = (at + 1) & this.#mask) {
      this.#evictAt = (at + 1) & this.#mask;
      if (this.#isEmpty(at)) continue;
      seen++;
      const entry = at << ENTRY_SHIFT;
      this.#noteIdle(entry, nowS);
      const usedS = this.#entries[entry + USED_S] ?? 0;
      const excess = this.isStale(at, nowS) ? Number.POSITIVE_INFINITY : this.#excess(entry);
      if (excess < most || (excess === most && usedS >= oldest)) continue;
      most = excess;
      oldest = usedS;
      victim = at;
    }
    this.#evictions++;
    this.#remove(victim);
  }

  /** How many like this one its source holds, where that is more than its share and they carry nothing; else 0. */
  #excess(entry: number): number {
    if (this.#entries[entry + USE] === USED) return 0;
    const held = this.#held[this.#counter(entry)] ?? 0;
    return held > this.#share ? held : 0;
  }

  #noteIdle(entry: number, nowS: number): void {
    if (this.#entries[entry + USE] !== USED) return;
    if (nowS - (this.#entries[entry + USED_S] ?? 0) > FLOW_IDLE_S) this.#turn(entry, IDLE);
  }

  #turn(entry: number, use: number): void {
    this.#count(entry, -1);
    this.#entries[entry + USE] = use;
    this.#count(entry, 1);
  }

  #count(entry: number, by: number): void {
    const at = this.#counter(entry);
    this.#held[at] = (this.#held[at] ?? 0) + by;
  }

  #counter(entry: number): number {
    const holder = this.#home(this.#entries[entry + SOURCE] ?? 0, 0) & this.#holderMask;
    return (holder << HOLDER_SHIFT) + (this.#entries[entry + USE] ?? 0);
  }

  #remove(hole: number): void {
    this.#count(hole << ENTRY_SHIFT, -1);
    let empty = hole;
    let at = hole;
    for (;;) {
      at = (at + 1) & this.#mask;
      if (this.#isEmpty(at)) break;
      const entry = at << ENTRY_SHIFT;
      const home = this.#home(this.#entries[entry + SOURCE] ?? 0, this.#entries[entry + INDEX] ?? 0);
      // Move it back only if its home does not lie between the hole and its place.
      if (((at - home) & this.#mask) >= ((at - empty) & this.#mask)) {
        this.#copy(at, empty);
        empty = at;
      }
    }
    this.#entries[(empty << ENTRY_SHIFT) + SOURCE] = 0;
    this.#size--;
  }

  #isEmpty(at: number): boolean {
    return this.#entries[(at << ENTRY_SHIFT) + SOURCE] === 0;
  }

  #copy(from: number, to: number): void {
    const entry = from << ENTRY_SHIFT;
    this.#entries.copyWithin(to << ENTRY_SHIFT, entry, entry + (1 << ENTRY_SHIFT));
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
