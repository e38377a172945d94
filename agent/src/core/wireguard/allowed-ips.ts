/**
 * Cryptokey routing (WireGuard §2): which peer owns an address. Longest prefix wins; one table for IPv4, one for IPv6.
 * A table is a hash map per prefix length in use, longest first, so whole addresses (/32, /128), which are nearly all
 * there is in a mesh, are found by the first probe and without allocating.
 */
import ipaddr from "ipaddr.js";

/** An address block: 4 or 16 address bytes. Bits past the prefix are ignored. */
export interface AllowedIp {
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** Reads `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`. Undefined when it is neither an address nor a block. */
export function parseAllowedIp(text: string): AllowedIp | undefined {
  if (ipaddr.isValidCIDR(text)) {
    const [address, prefixLength] = ipaddr.parseCIDR(text);
    return { address: Uint8Array.from(address.toByteArray()), prefixLength };
  }
  if (!ipaddr.IPv6.isValid(text) && !ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  const address = Uint8Array.from(ipaddr.parse(text).toByteArray());
  return { address, prefixLength: address.length * 8 };
}

export class AllowedIps<T> {
  readonly #v4 = new PrefixTable<T>();
  readonly #v6 = new PrefixTable<T>();
  /** What each owner was given; some of it may have gone to others since. */
  readonly #blocks = new Map<T, AllowedIp[]>();

  /** The block belongs to `owner` from now on, whoever had it before. */
  set(block: AllowedIp, owner: T): void {
    const { address, prefixLength } = block;
    this.#tableOf(address).set(prefixLength, word(address, 0), ...lowWords(address), owner);
    const blocks = this.#blocks.get(owner);
    if (blocks === undefined) this.#blocks.set(owner, [block]);
    else blocks.push(block);
  }

  removeOwner(owner: T): void {
    for (const { address, prefixLength } of this.#blocks.get(owner) ?? []) {
      this.#tableOf(address).remove(prefixLength, word(address, 0), ...lowWords(address), owner);
    }
    this.#blocks.delete(owner);
  }

  /** Who owns the address that lies at `offset` of a packet? */
  find4(packet: Uint8Array, offset: number): T | undefined {
    return this.#v4.find(word(packet, offset), 0, 0, 0);
  }

  find6(packet: Uint8Array, offset: number): T | undefined {
    const low = word(packet, offset + 12);
    return this.#v6.find(word(packet, offset), word(packet, offset + 4), word(packet, offset + 8), low);
  }

  #tableOf(address: Uint8Array): PrefixTable<T> {
    return address.length === 4 ? this.#v4 : this.#v6;
  }
}

interface Entry<T> {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  owner: T;
}

interface Level<T> {
  readonly prefixLength: number;
  readonly masks: readonly [number, number, number, number];
  readonly buckets: Map<number, Entry<T>[]>;
}

/** Addresses as four 32-bit words; IPv4 uses the first. */
class PrefixTable<T> {
  #levels: Level<T>[] = [];

  set(prefixLength: number, a: number, b: number, c: number, d: number, owner: T): void {
    const level = this.#level(prefixLength);
    const [ma, mb, mc, md] = level.masks;
    const entry: Entry<T> = { a: a & ma, b: b & mb, c: c & mc, d: d & md, owner };
    const found = lookUp(level, a, b, c, d);
    if (found !== undefined) {
      found.owner = owner;
      return;
    }
    const slot = mix(entry.a, entry.b, entry.c, entry.d);
    const bucket = level.buckets.get(slot);
    if (bucket === undefined) level.buckets.set(slot, [entry]);
    else bucket.push(entry);
  }

  find(a: number, b: number, c: number, d: number): T | undefined {
    for (const level of this.#levels) {
      const entry = lookUp(level, a, b, c, d);
      if (entry !== undefined) return entry.owner;
    }
    return undefined;
  }

  /** Removes the block if it is still this owner's. */
  remove(prefixLength: number, a: number, b: number, c: number, d: number, owner: T): void {
    const level = this.#levels.find((known) => known.prefixLength === prefixLength);
    if (level === undefined) return;
    const entry = lookUp(level, a, b, c, d);
    if (entry?.owner !== owner) return;
    const slot = mix(entry.a, entry.b, entry.c, entry.d);
    const kept = level.buckets.get(slot)?.filter((other) => other !== entry) ?? [];
    if (kept.length > 0) level.buckets.set(slot, kept);
    else level.buckets.delete(slot);
    if (level.buckets.size === 0) this.#levels = this.#levels.filter((other) => other !== level);
  }

  #level(prefixLength: number): Level<T> {
    const known = this.#levels.find((level) => level.prefixLength === prefixLength);
    if (known !== undefined) return known;
    const mask = (from: number) => maskOf(prefixLength - from);
    const masks = [mask(0), mask(32), mask(64), mask(96)] as const;
    const level: Level<T> = { prefixLength, masks, buckets: new Map() };
    this.#levels.push(level);
    this.#levels.sort((x, y) => y.prefixLength - x.prefixLength);
    return level;
  }
}

function lookUp<T>(level: Level<T>, a: number, b: number, c: number, d: number): Entry<T> | undefined {
  const masks = level.masks;
  const wa = a & masks[0];
  const wb = b & masks[1];
  const wc = c & masks[2];
  const wd = d & masks[3];
  const bucket = level.buckets.get(mix(wa, wb, wc, wd));
  if (bucket === undefined) return undefined;
  for (const entry of bucket) {
    if (entry.a === wa && entry.b === wb && entry.c === wc && entry.d === wd) return entry;
  }
  return undefined;
}

/** The first `bits` bits of a word, as a mask; negative counts as none, more than 32 as all. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : ~(0xffff_ffff >>> bits);
}

function mix(a: number, b: number, c: number, d: number): number {
  const high = Math.imul(a ^ Math.imul(b, 0x85eb_ca6b), 0x9e37_79b1);
  return high ^ Math.imul(c ^ Math.imul(d, 0xc2b2_ae35), 0x27d4_eb2f);
}

/** Big-endian, signed. */
function word(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] ?? 0) << 24) | ((bytes[offset + 1] ?? 0) << 16);
  return high | ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
}

function lowWords(address: Uint8Array): [number, number, number] {
  return address.length === 4 ? [0, 0, 0] : [word(address, 4), word(address, 8), word(address, 12)];
}
