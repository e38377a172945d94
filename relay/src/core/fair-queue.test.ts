/** Shares, order and bounds of the fair queue, on its own and against a plain model. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FairQueue, NO_PLACE } from "./fair-queue.ts";

/** Sends `packets` of each pair, so that a pair's n-th packet has the destination pair * 1000 + n. */
function fill(queue: FairQueue, counts: readonly number[], length = 1000): void {
  for (const [pair, count] of counts.entries()) {
    for (let n = 0; n < count; n++) queue.push(pair, pair * 1000 + n, length);
  }
}

function drain(queue: FairQueue, most = Number.POSITIVE_INFINITY): number[] {
  const out: number[] = [];
  while (out.length < most) {
    const place = queue.shift();
    if (place === NO_PLACE) break;
    out.push(queue.destination(place));
  }
  return out;
}

describe("shares", () => {
  test("ten packets against one: the one goes out in the first round, and the order within a pair stays", () => {
    const queue = new FairQueue(1024, 64);
    fill(queue, [100, 10]);
    const out = drain(queue, 20);
    expect(out.filter((to) => to >= 1000).length).toBeGreaterThanOrEqual(9);
    const rest = [...out, ...drain(queue)];
    for (const pair of [0, 1]) {
      const own = rest.filter((to) => Math.floor(to / 1000) === pair);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
    expect(rest.length).toBe(110);
    expect(queue.size).toBe(0);
  });

  test("bytes are shared, not packets", () => {
    const queue = new FairQueue(4096, 64);
    for (let n = 0; n < 1500; n++) queue.push(0, n, 100);
    for (let n = 0; n < 150; n++) queue.push(1, 10_000 + n, 1500);
    const out = drain(queue, 800);
    const large = out.filter((to) => to >= 10_000).length;
    expect(large * 1500).toBeGreaterThan(0.8 * (out.length - large) * 100);
    expect(large * 1500).toBeLessThan(1.25 * (out.length - large) * 100);
  });

  test("a pair that floods loses its own packets only", () => {
    const queue = new FairQueue(256, 64);
    let quiet = 0;
    for (let n = 0; n < 100_000; n++) {
      queue.push(5, 5, 1400);
      if (n % 10 === 0) queue.push(9, 9, 1400);
      // The way out takes a fifth of what comes.
      if (n % 5 === 0) quiet += drain(queue, 1)[0] === 9 ? 1 : 0;
    }
    expect(quiet).toBeGreaterThan(9_990);
    expect(queue.lost).toBeGreaterThan(80_000 - 256);
    expect(queue.size).toBeLessThanOrEqual(256);
  });
});

test("whatever is pushed comes out once, in order within its queue, unless it is counted as lost", () => {
  const step = fc.oneof(
    fc.record({ pair: fc.nat(40), length: fc.integer({ min: 0, max: 1600 }) }),
    fc.constant("shift" as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const queue = new FairQueue(16, 8);
      const lastOut = new Map<number, number>();
      const queueOf = new Map<number, number>();
      let pushed = 0;
      let out = 0;
      const take = () => {
        const place = queue.shift();
        if (place === NO_PLACE) return false;
        out++;
        const id = queue.destination(place);
        const of = queueOf.get(id) ?? -1;
        expect(lastOut.get(of) ?? -1).toBeLessThan(id);
        lastOut.set(of, id);
        return true;
      };
      for (const one of steps) {
        if (one === "shift") take();
        else {
          queueOf.set(pushed, one.pair & 7);
          queue.push(one.pair, pushed++, one.length);
        }
        expect(queue.size).toBeLessThanOrEqual(16);
        expect(pushed).toBe(out + queue.size + queue.lost);
      }
      while (take()) {}
      expect(pushed).toBe(out + queue.lost);
    }),
    { numRuns: 1000 },
  );
});
