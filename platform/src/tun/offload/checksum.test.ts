/** Sums at every alignment against the byte-by-byte definition. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { PinnedMemory } from "../../udp/linux/system.ts";
import { sumOf } from "./checksum.ts";
import { naiveChecksum } from "./testing.ts";

const swapped = (word: number) => ((word & 0xff) << 8) | (word >>> 8);

function expectSame(memory: PinnedMemory, at: number, length: number): void {
  const expected = ~naiveChecksum(memory.bytes.subarray(at, at + length)) & 0xffff;
  const got = swapped(sumOf(memory, at, length));
  // Zero has two forms; which of them is told by whether all bytes were zero.
  expect(got % 0xffff).toBe(expected % 0xffff);
  if (memory.bytes.subarray(at, at + length).some((byte) => byte !== 0)) expect(got).not.toBe(0);
}

test("every offset and every short length", () => {
  const memory = new PinnedMemory(256);
  for (let i = 0; i < 256; i++) memory.bytes[i] = (i * 151 + 7) & 255;
  for (let at = 0; at < 16; at++) for (let length = 0; length < 100; length++) expectSame(memory, at, length);
});

test("64 KB of ones do not overflow, at any offset", () => {
  const memory = new PinnedMemory(65_536 + 8);
  memory.bytes.fill(0xff);
  for (let at = 0; at < 8; at++)
    for (const length of [65_535, 65_534, 65_533]) expectSame(memory, at, length);
});

test("random bytes", () => {
  const some = fc.uint8Array({ minLength: 0, maxLength: 3_000 });
  fc.assert(
    fc.property(some, fc.nat(7), (bytes, at) => {
      const memory = new PinnedMemory(4_096);
      memory.bytes.fill(0xee);
      memory.bytes.set(bytes, at);
      expectSame(memory, at, bytes.length);
    }),
  );
});
