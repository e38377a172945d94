/**
 * The only way bytes of a packet are read or written: cursors that check every bound.
 * A Reader never throws: the first read past the end makes `ok` false and every later read returns zeros.
 */
import { invariant } from "./errors.ts";

export type Bytes = Uint8Array;

const EMPTY = new Uint8Array(0);
const U32 = 0x1_0000_0000;

/** Reads little-endian numbers and byte runs, front to back. Check `ok` before believing a value. */
export class Reader {
  readonly #bytes: Bytes;
  #at: number;
  #ok = true;

  constructor(bytes: Bytes, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** False once a read went past the end. */
  get ok(): boolean {
    return this.#ok;
  }

  get remaining(): number {
    return this.#ok ? this.#bytes.length - this.#at : 0;
  }

  u8(): number {
    if (this.remaining < 1) return this.#fail();
    return this.#bytes[this.#at++] ?? 0;
  }

  u16(): number {
    if (this.remaining < 2) return this.#fail();
    return this.u8() + this.u8() * 0x100;
  }

  u32(): number {
    if (this.remaining < 4) return this.#fail();
    return this.u16() + this.u16() * 0x1_0000;
  }

  /** A 64-bit number; values past 2^53 - 1 fail, since no field of ours may reach them. */
  u64(): number {
    if (this.remaining < 8) return this.#fail();
    const low = this.u32();
    const value = low + this.u32() * U32;
    return Number.isSafeInteger(value) ? value : this.#fail();
  }

  /** A view (no copy) of the next `length` bytes. */
  view(length: number): Bytes {
    const start = this.#at;
    return this.#skip(length) ? this.#bytes.subarray(start, this.#at) : EMPTY;
  }

  /** A copy of the next `length` bytes, for values that outlive the packet. Of a few bytes it is cheaper than a view. */
  bytes(length: number): Bytes {
    const start = this.#at;
    return this.#skip(length) ? this.#bytes.slice(start, this.#at) : EMPTY;
  }

  /** Whether all that is left is zero. */
  isZero(): boolean {
    for (let at = this.#at; at < this.#bytes.length; at++) if (this.#bytes[at] !== 0) return false;
    return true;
  }

  /** All that is left, as a view. */
  rest(): Bytes {
    return this.view(this.remaining);
  }

  #skip(length: number): boolean {
    if (length < 0 || this.remaining < length) {
      this.#fail();
      return false;
    }
    this.#at += length;
    return true;
  }

  #fail(): 0 {
    this.#ok = false;
    return 0;
  }
}

/**
 * Writes front to back into a buffer of exactly the packet's size, a new one or the caller's. Writing past the end is a
 * programmer's error.
 */
export class Writer {
  readonly bytes: Bytes;
  #at = 0;

  constructor(target: number | Bytes) {
    this.bytes = typeof target === "number" ? new Uint8Array(target) : target;
  }

  u8(value: number): this {
    invariant(this.#at < this.bytes.length, "write past the end of a packet");
    invariant(isUnsigned(value, 0xff), "number does not fit 8 bits");
    this.bytes[this.#at++] = value;
    return this;
  }

  u16(value: number): this {
    invariant(isUnsigned(value, 0xffff), "number does not fit 16 bits");
    return this.u8(value & 0xff).u8(value >>> 8);
  }

  u32(value: number): this {
    invariant(isUnsigned(value, U32 - 1), "number does not fit 32 bits");
    return this.u16(value & 0xffff).u16(value >>> 16);
  }

  u64(value: number): this {
    invariant(Number.isSafeInteger(value) && value >= 0, "64-bit field outside the safe integers");
    return this.u32(value % U32).u32(Math.floor(value / U32));
  }

  put(run: Bytes): this {
    invariant(this.#at + run.length <= this.bytes.length, "write past the end of a packet");
    this.bytes.set(run, this.#at);
    this.#at += run.length;
    return this;
  }

  /** Leaves `length` bytes zero. */
  zeros(length: number): this {
    this.#at += length;
    return this;
  }

  /** The packet, which must have been filled to its last byte. */
  finish(): Bytes {
    invariant(this.#at === this.bytes.length, "packet not filled");
    return this.bytes;
  }
}

function isUnsigned(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

/** Compares without telling by its time how far the two agree. Different lengths are different. */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
