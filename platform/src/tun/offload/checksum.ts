/**
 * The Internet checksum (RFC 1071) over long memory. Sums are of little-endian 16-bit words, whose complement is
 * stored as little-endian too: the result is the same bytes in either order (RFC 1071 §2 B), and words need no swap.
 */

/** What memory looks like to those who sum it: the same bytes twice. */
export interface Summable {
  readonly bytes: Uint8Array;
  readonly i32: Int32Array;
}

/** Adds the carries: 0 to 0xffff, for sums below 2^32. */
export function folded(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** The sum of up to 64 KB at any offset, folded. An odd last byte counts as followed by zero. */
export function sumOf(memory: Summable, at: number, length: number): number {
  if (length <= 0) return 0;
  if ((at & 1) === 0) return evenSum(memory, at, length);
  // One byte further on every byte has the other half of its word.
  const shifted = evenSum(memory, at + 1, length - 1);
  return folded((memory.bytes[at] ?? 0) + (((shifted & 0xff) << 8) | (shifted >>> 8)));
}

function evenSum({ bytes, i32 }: Summable, from: number, length: number): number {
  const end = from + length;
  let at = from;
  // Halves apart: of 64 KB neither sum reaches 2^30, and integers stay integers.
  let low = 0;
  let high = 0;
  if ((at & 2) !== 0 && length >= 2) {
    low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    at += 2;
  }
  let word = at >> 2;
  const words = end >> 2;
  for (const unrolled = words - 3; word < unrolled; word += 4) {
    const a = i32[word] ?? 0;
    const b = i32[word + 1] ?? 0;
    const c = i32[word + 2] ?? 0;
    const d = i32[word + 3] ?? 0;
    low = (low + (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff)) | 0;
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
  }
  for (; word < words; word++) {
    const a = i32[word] ?? 0;
    low = (low + (a & 0xffff)) | 0;
    high = (high + (a >>> 16)) | 0;
  }
  if ((at & 3) === 0) at = Math.max(at, words << 2);
  for (; at + 1 < end; at += 2) low = (low + ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8))) | 0;
  if (at < end) low = (low + (bytes[at] ?? 0)) | 0;
  return folded(low + high);
}
