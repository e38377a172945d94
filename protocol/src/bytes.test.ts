/** The cursors: nothing is read or written past the end, and numbers that do not fit are not bent to fit. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { run } from "../testing/support.ts";
import { equalBytes, Reader, Writer } from "./bytes.ts";

test("numbers are little-endian, both ways, as DataView has them", () => {
  const any = fc.record({
    u8: fc.integer({ min: 0, max: 0xff }),
    u16: fc.integer({ min: 0, max: 0xffff }),
    u32: fc.integer({ min: 0, max: 0xffff_ffff }),
    u64: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(any, ({ u8, u16, u32, u64 }) => {
      const bytes = new Writer(15).u8(u8).u16(u16).u32(u32).u64(u64).finish();
      const view = new DataView(bytes.buffer);
      expect(view.getUint8(0)).toBe(u8);
      expect(view.getUint16(1, true)).toBe(u16);
      expect(view.getUint32(3, true)).toBe(u32);
      expect(view.getBigUint64(7, true)).toBe(BigInt(u64));
      const reader = new Reader(bytes);
      expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([u8, u16, u32, u64]);
      expect(reader.ok).toBe(true);
      expect(reader.remaining).toBe(0);
    }),
  );
});

test("a read past the end fails for good, gives zeros, and never throws", () => {
  const read = fc.constantFrom("u8", "u16", "u32", "u64", "view", "bytes", "rest" as const);
  const steps = fc.array(fc.tuple(read, fc.nat({ max: 40 })), { maxLength: 20 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), steps, (bytes, calls) => {
      const reader = new Reader(bytes.map((byte) => byte & 0x0f));
      for (const [call, length] of calls) {
        const before = reader.ok;
        const value = call === "view" || call === "bytes" ? reader[call](length) : reader[call]();
        if (!before) expect(reader.ok).toBe(false);
        if (!reader.ok) {
          expect(typeof value === "number" ? value : value.length).toBe(0);
          expect(reader.remaining).toBe(0);
        }
      }
    }),
  );
});

test("a length taken from a packet allocates nothing that is not there", () => {
  const reader = new Reader(run(0, 8));
  expect(reader.bytes(0xffff_ffff).length).toBe(0);
  expect(reader.ok).toBe(false);
  expect(new Reader(run(0, 8)).view(-1).length).toBe(0);
});

test("64-bit numbers past 2^53 - 1 fail", () => {
  const bytes = new Uint8Array(8).fill(0xff, 0, 6);
  bytes[6] = 0x1f;
  expect(new Reader(bytes).u64()).toBe(Number.MAX_SAFE_INTEGER);
  bytes[6] = 0x20;
  const reader = new Reader(bytes);
  expect(reader.u64()).toBe(0);
  expect(reader.ok).toBe(false);
});

test("a view shares the packet's memory, bytes do not", () => {
  const packet = run(0, 4);
  const view = new Reader(packet).view(2);
  const copy = new Reader(packet).bytes(2);
  packet[0] = 99;
  expect(view[0]).toBe(99);
  expect(copy[0]).toBe(0);
});

test("a writer takes no number that does not fit, no byte too many, and no gap at the end", () => {
  for (const value of [-1, 256, 0.5, Number.NaN]) expect(() => new Writer(1).u8(value)).toThrow("8 bits");
  expect(() => new Writer(2).u16(65_536)).toThrow("16 bits");
  expect(() => new Writer(4).u32(2 ** 32)).toThrow("32 bits");
  expect(() => new Writer(8).u64(2 ** 53)).toThrow("safe");
  expect(() => new Writer(8).u64(-1)).toThrow("safe");
  expect(() => new Writer(1).u16(1)).toThrow("past the end");
  expect(() => new Writer(1).put(run(0, 2))).toThrow("past the end");
  expect(() => new Writer(2).u8(1).finish()).toThrow("not filled");
  expect(() => new Writer(2).zeros(3).finish()).toThrow("not filled");
});

test("equal bytes are equal, in length too", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(equalBytes(a, a.slice())).toBe(true);
    }),
  );
});
