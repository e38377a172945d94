/** The packet ring: every packet once, in order, for any lengths and any rhythm of reader and writer. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { newRing, RingReader, RingWriter } from "./ring.ts";

test("carries every packet once and in order, and is full before it overwrites", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 6 })), {
        maxLength: 400,
      }),
      (steps) => {
        const shared = newRing(512);
        const writer = new RingWriter(shared, 100);
        const reader = new RingReader(shared);
        const waiting: string[] = [];
        let written = 0;
        const takeUpTo = (max: number) => {
          for (const packet of reader.take(max))
            expect(Buffer.from(packet).toString("hex")).toBe(waiting.shift() as string);
          reader.release();
        };
        for (const [length, takes] of steps) {
          const at = writer.reserve();
          if (at === -1) expect(waiting.length).toBeGreaterThan(0);
          else {
            writer.data.fill(written++ & 255, at, at + length);
            waiting.push(Buffer.from(writer.data.subarray(at, at + length)).toString("hex"));
            writer.commit(length);
          }
          takeUpTo(takes);
        }
        takeUpTo(Number.POSITIVE_INFINITY);
        expect(waiting).toEqual([]);
        expect(reader.empty).toBe(true);
        expect(writer.reserve()).not.toBe(-1);
      },
    ),
  );
});

test("wakes once until the reader looks again", () => {
  const shared = newRing(512);
  const writer = new RingWriter(shared, 100);
  const reader = new RingReader(shared);
  expect([writer.shouldWake(), writer.shouldWake()]).toEqual([true, false]);
  reader.rearm();
  expect(writer.shouldWake()).toBe(true);
});

test("sizes that cannot work are refused", () => {
  expect(() => newRing(500)).toThrow();
  expect(() => new RingWriter(newRing(256), 100)).toThrow();
});
