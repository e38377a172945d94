/** Numbers in preallocated buffers. */

/** Little-endian. */
export function writeU32(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value;
  out[offset + 1] = value >>> 8;
  out[offset + 2] = value >>> 16;
  out[offset + 3] = value >>> 24;
}

/** Little-endian, for numbers below 2^53. */
export function writeU64(out: Uint8Array, offset: number, value: number): void {
  writeU32(out, offset, value);
  writeU32(out, offset + 4, Math.floor(value / 0x1_0000_0000));
}

/** Little-endian. */
export function readU32(bytes: Uint8Array, offset: number): number {
  const low = (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8) | ((bytes[offset + 2] ?? 0) << 16);
  return (low | ((bytes[offset + 3] ?? 0) << 24)) >>> 0;
}

/** Little-endian. Past 2^53 it is inexact, and far past whatever is believed. */
export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) + readU32(bytes, offset + 4) * 0x1_0000_0000;
}
