/** Writing into preallocated buffers, and looking at them without a new view per packet. */

/** Little-endian. */
export function writeU32(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value;
  out[offset + 1] = value >>> 8;
  out[offset + 2] = value >>> 16;
  out[offset + 3] = value >>> 24;
}

/** Little-endian, for numbers below 2^53. */
export function writeU64(out: Uint8Array, offset: number, value: number): void {
  writeU32(out, offset, value % 0x1_0000_0000);
  writeU32(out, offset + 4, Math.floor(value / 0x1_0000_0000));
}

/** Lengths up to here get a view that is made once and kept: all packets of an ordinary MTU. */
const KEPT_VIEWS_LENGTH_MAX = 2_048;

/** A buffer, and views of its first `length` bytes. */
export class Scratch {
  readonly bytes: Uint8Array;
  readonly #views = new Array<Uint8Array | undefined>(KEPT_VIEWS_LENGTH_MAX + 1).fill(undefined);

  constructor(length: number) {
    // The ArrayBuffer first: an address taken of a bare typed array may not stay (native primitives take one).
    this.bytes = new Uint8Array(new ArrayBuffer(length));
  }

  view(length: number): Uint8Array {
    if (length > KEPT_VIEWS_LENGTH_MAX) return this.bytes.subarray(0, length);
    const kept = this.#views[length];
    if (kept !== undefined) return kept;
    const view = this.bytes.subarray(0, length);
    this.#views[length] = view;
    return view;
  }
}
