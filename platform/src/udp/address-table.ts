/**
 * The address table: gives every IP address and port that a socket meets a small number (a handle), so that the
 * packet path carries and compares integers and allocates nothing for an address it has seen before.
 *
 * Bounded whatever arrives: an unpinned address is forgotten when room is needed, the longest unseen first; a
 * pinned one stays, and its handle is the dense index that others may key arrays by. Some of the room can never
 * be pinned, so strangers are always heard, and no handle met in a batch is forgotten within that batch.
 *
 * Where one program listens on several ports, an address also says by which of them it was met (its door): the same
 * host has another handle at each, and an answer leaves by the door that the question came in by.
 */
import { type Endpoint, endpoint, splitEndpoint } from "@burrow/protocol";
import { formatIpWords, isV4Words, parseIpWords } from "./ip-text.ts";

/**
 * Index of an address in its table, from 0. Valid while pinned; else until the callback that it was met in
 * returns: after that the number may stand for another address.
 */
export type AddressHandle = number & { readonly __brand: "AddressHandle" };

/** What stands for "no address". */
export const NO_ADDRESS = -1 as AddressHandle;

export interface AddressTableOptions {
  /** Addresses held at most. */
  readonly capacity?: number;
  /** How many of them can never be pinned; more than the largest batch. */
  readonly unpinnable?: number;
}

/** Some 0.5 MB: right for an agent. A relay chooses for its sessions; many sockets share one table. */
const CAPACITY_DEFAULT = 8_192;
const UNPINNABLE_DEFAULT = 2_048;

const NONE = -1;

/** Words of an entry, eight of them: the address in the first four, then these. */
const ENTRY_SHIFT = 3;
/** The port in the lower half, the door in the upper: one comparison for both. */
const PORT = 4;
const PORT_MASK = 0xffff;
const DOOR_SHIFT = 16;
/** The upper half, without its sign. */
export const DOORS_MAX = 0x8000;
const PINS = 5;
const CHAIN = 6;

export class AddressTable {
  readonly capacity: number;
  readonly #pinnedMax: number;
  /** Sources choose their addresses: a secret seed keeps them from choosing their buckets too. */
  readonly #seed: number;

  /** By handle: the address's four words, the port, the pins, and the next of its bucket: half a cache line. */
  readonly #entries: Uint32Array<ArrayBuffer>;
  readonly #texts: (Endpoint | undefined)[];
  readonly #hosts: (string | undefined)[];

  /** Hash buckets, each the head of a chain through the entries. */
  readonly #buckets: Int32Array<ArrayBuffer>;

  /** Unpinned handles from the longest unseen to the latest seen: a ring through a sentinel at `capacity`. */
  readonly #older: Int32Array<ArrayBuffer>;
  readonly #newer: Int32Array<ArrayBuffer>;

  readonly #scratch = new Uint32Array(4);
  #used = 0;
  #pinned = 0;
  #evictions = 0;

  constructor(options: AddressTableOptions = {}) {
    this.capacity = options.capacity ?? CAPACITY_DEFAULT;
    const unpinnable = options.unpinnable ?? Math.min(UNPINNABLE_DEFAULT, this.capacity >> 1);
    if (!(unpinnable >= 1 && unpinnable <= this.capacity))
      throw new Error("unpinnable must be 1 to capacity");
    this.#pinnedMax = this.capacity - unpinnable;
    this.#seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    this.#entries = new Uint32Array(this.capacity << ENTRY_SHIFT);
    this.#texts = new Array(this.capacity);
    this.#hosts = new Array(this.capacity);
    this.#buckets = new Int32Array(1 << Math.ceil(Math.log2(this.capacity * 2))).fill(NONE);
    this.#older = new Int32Array(this.capacity + 1);
    this.#newer = new Int32Array(this.capacity + 1);
    this.#older[this.capacity] = this.capacity;
    this.#newer[this.capacity] = this.capacity;
  }

  get size(): number {
    return this.#used;
  }

  get pinned(): number {
    return this.#pinned;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /**
   * The handle of an address held as four words (IPv4 as ::ffff:a.b.c.d), met at a door below DOORS_MAX. NO_ADDRESS
   * for port 0: none can answer it.
   */
  internWords(w0: number, w1: number, w2: number, w3: number, port: number, door = 0): AddressHandle {
    if (port === 0) return NO_ADDRESS;
    const portAndDoor = port | (door << DOOR_SHIFT);
    const bucket = this.#bucketOf(w0, w1, w2, w3, portAndDoor);
    const entries = this.#entries;
    for (let at = this.#buckets[bucket] ?? NONE; at !== NONE; at = this.#after(at)) {
      const entry = at << ENTRY_SHIFT;
      if (
        entries[entry + 3] === w3 &&
        entries[entry + PORT] === portAndDoor &&
        entries[entry] === w0 &&
        entries[entry + 1] === w1 &&
        entries[entry + 2] === w2
      ) {
        if (entries[entry + PINS] === 0) {
          this.#unlink(at);
          this.#linkNewest(at);
        }
        return at as AddressHandle;
      }
    }
    return this.#insert(w0, w1, w2, w3, portAndDoor, bucket);
  }

  /** The handle of an address as text, as sockets report it. NO_ADDRESS when it is none. */
  intern(address: string, port: number, door = 0): AddressHandle {
    const words = this.#scratch;
    if (!parseIpWords(address, words)) return NO_ADDRESS;
    return this.internWords(words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0, port, door);
  }

  internEndpoint(of: Endpoint, door = 0): AddressHandle {
    const { address, port } = splitEndpoint(of);
    return this.intern(address, port, door);
  }

  endpoint(handle: AddressHandle): Endpoint {
    let text = this.#texts[handle];
    if (text === undefined) {
      text = endpoint(this.#format(handle), this.port(handle));
      this.#texts[handle] = text;
    }
    return text;
  }

  /** The address without its port, as text. */
  host(handle: AddressHandle): string {
    let host = this.#hosts[handle];
    if (host === undefined) {
      host = splitEndpoint(this.endpoint(handle)).address;
      this.#hosts[handle] = host;
    }
    return host;
  }

  port(handle: AddressHandle): number {
    return (this.#entries[(handle << ENTRY_SHIFT) + PORT] ?? 0) & PORT_MASK;
  }

  /** By which of several sockets the address was met; 0 where nobody said. */
  door(handle: AddressHandle): number {
    return (this.#entries[(handle << ENTRY_SHIFT) + PORT] ?? 0) >>> DOOR_SHIFT;
  }

  /** The 32-bit word `index` (0 to 3) of the address in IPv6 form. */
  word(handle: AddressHandle, index: number): number {
    return this.#entries[(handle << ENTRY_SHIFT) + index] ?? 0;
  }

  family(handle: AddressHandle): 4 | 6 {
    return isV4Words(this.word(handle, 0), this.word(handle, 1), this.word(handle, 2)) ? 4 : 6;
  }

  /** Keeps the handle's meaning until as many `unpin`s. False, and not kept, when all that may be pinned is. */
  pin(handle: AddressHandle): boolean {
    const pins = this.#entries[(handle << ENTRY_SHIFT) + PINS];
    if (pins === undefined || handle < 0 || handle >= this.#used)
      throw new Error(`no such address handle: ${handle}`);
    if (pins === 0) {
      if (this.#pinned >= this.#pinnedMax) return false;
      this.#pinned++;
      this.#unlink(handle);
    }
    this.#entries[(handle << ENTRY_SHIFT) + PINS] = pins + 1;
    return true;
  }

  unpin(handle: AddressHandle): void {
    const pins = this.#entries[(handle << ENTRY_SHIFT) + PINS];
    if (pins === undefined || pins === 0) throw new Error(`address handle is not pinned: ${handle}`);
    this.#entries[(handle << ENTRY_SHIFT) + PINS] = pins - 1;
    if (pins === 1) {
      this.#pinned--;
      this.#linkNewest(handle);
    }
  }

  #insert(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    portAndDoor: number,
    bucket: number,
  ): AddressHandle {
    const at = this.#used < this.capacity ? this.#used++ : this.#evict();
    const entry = at << ENTRY_SHIFT;
    this.#entries[entry] = w0;
    this.#entries[entry + 1] = w1;
    this.#entries[entry + 2] = w2;
    this.#entries[entry + 3] = w3;
    this.#entries[entry + PORT] = portAndDoor;
    this.#texts[at] = undefined;
    this.#hosts[at] = undefined;
    this.#entries[entry + CHAIN] = this.#buckets[bucket] ?? NONE;
    this.#buckets[bucket] = at;
    this.#linkNewest(at);
    return at as AddressHandle;
  }

  /** Forgets the unpinned address that was not seen for longest; there is always one. */
  #evict(): number {
    const victim = this.#newer[this.capacity] ?? NONE;
    this.#evictions++;
    this.#unlink(victim);
    const entry = victim << ENTRY_SHIFT;
    const entries = this.#entries;
    const bucket = this.#bucketOf(
      entries[entry] ?? 0,
      entries[entry + 1] ?? 0,
      entries[entry + 2] ?? 0,
      entries[entry + 3] ?? 0,
      entries[entry + PORT] ?? 0,
    );
    const next = this.#after(victim);
    let at = this.#buckets[bucket] ?? NONE;
    if (at === victim) this.#buckets[bucket] = next;
    else {
      while (this.#after(at) !== victim) at = this.#after(at);
      entries[(at << ENTRY_SHIFT) + CHAIN] = next;
    }
    return victim;
  }

  /** The next in the chain of its bucket, or NONE. */
  #after(at: number): number {
    return (this.#entries[(at << ENTRY_SHIFT) + CHAIN] ?? NONE) | 0;
  }

  #unlink(at: number): void {
    const older = this.#older[at] ?? NONE;
    const newer = this.#newer[at] ?? NONE;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  #linkNewest(at: number): void {
    const sentinel = this.capacity;
    const newest = this.#older[sentinel] ?? sentinel;
    this.#older[at] = newest;
    this.#newer[at] = sentinel;
    this.#newer[newest] = at;
    this.#older[sentinel] = at;
  }

  /** Murmur3's mixing (Appleby, public domain) over the words, the port and the door. */
  #bucketOf(w0: number, w1: number, w2: number, w3: number, portAndDoor: number): number {
    let hash = this.#seed;
    hash = mix(hash, w0);
    hash = mix(hash, w1);
    hash = mix(hash, w2);
    hash = mix(hash, w3);
    hash = mix(hash, portAndDoor);
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
    return hash & (this.#buckets.length - 1);
  }

  #format(handle: AddressHandle): string {
    return formatIpWords(
      this.word(handle, 0),
      this.word(handle, 1),
      this.word(handle, 2),
      this.word(handle, 3),
    );
  }
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const mixed = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
