/** What the tunnel's headers say of congestion, in and out: RFC 6040's tables, and checksums that stay right. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { combineEcn, Ecn, ecnOf } from "./ecn.ts";

const { notCapable, capable1, capable0, congested } = Ecn;

/** A header with this ECN field, at an odd place of its memory. */
function header(version: 4 | 6, service: number, filling: number): Uint8Array {
  const memory = new Uint8Array(1 + (version === 4 ? 20 : 40)).fill(filling);
  if (version === 6) {
    memory.set([0x60 | (service >>> 4), ((service & 15) << 4) | (filling & 15)], 1);
    return memory;
  }
  memory.set([0x45, service], 1);
  memory.set([0, 0], 1 + 10);
  const sum = ~onesSum(memory.subarray(1)) & 0xffff;
  memory.set([sum >>> 8, sum & 255], 1 + 10);
  return memory;
}

/** RFC 1071: 0xffff over a header with its right checksum. */
function onesSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** RFC 6040 §4.2, figure 4, but for the packet that it drops: inner, outer, what is passed on. */
const TABLE = [
  [notCapable, notCapable, notCapable],
  [notCapable, capable0, notCapable],
  [notCapable, capable1, notCapable],
  [notCapable, congested, notCapable],
  [capable0, notCapable, capable0],
  [capable0, capable0, capable0],
  [capable0, capable1, capable1],
  [capable0, congested, congested],
  [capable1, notCapable, capable1],
  [capable1, capable0, capable1],
  [capable1, capable1, capable1],
  [capable1, congested, congested],
  [congested, notCapable, congested],
  [congested, capable0, congested],
  [congested, capable1, congested],
  [congested, congested, congested],
] as const;

test("inner and outer make one, and nothing else of the header changes", () => {
  fc.assert(
    fc.property(fc.constantFrom(4, 6), fc.nat(63), fc.nat(255), (version, codePoint, filling) => {
      for (const [inner, outer, expected] of TABLE) {
        const memory = header(version, (codePoint << 2) | inner, filling);
        expect(ecnOf(memory, 1)).toBe(inner);
        combineEcn(memory, 1, outer);
        expect(ecnOf(memory, 1)).toBe(expected);
        if (version === 4) expect(onesSum(memory.subarray(1))).toBe(0xffff);
        const wanted = header(version, (codePoint << 2) | expected, filling);
        // IPv4's checksum has two zeros, and either is right.
        if (version === 4) memory.set(wanted.subarray(11, 13), 11);
        expect(memory).toEqual(wanted);
      }
    }),
  );
});
