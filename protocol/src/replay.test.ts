/** The replay window against a set of everything ever seen. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { REPLAY_WINDOW_COUNTERS, ReplayWindow } from "./replay.ts";

test("a counter is taken once", () => {
  const window = new ReplayWindow();
  for (const counter of [0, 1, 5, 3, 2 ** 52]) {
    expect(window.isFresh(counter)).toBe(true);
    expect(window.accept(counter)).toBe(true);
    expect(window.isFresh(counter)).toBe(false);
    expect(window.accept(counter)).toBe(false);
  }
});

test("late packets are taken up to 2^13 behind and more, and no further than the window", () => {
  expect(REPLAY_WINDOW_COUNTERS).toBeGreaterThanOrEqual(2 ** 13);
  const newest = 1_000_000;
  const window = new ReplayWindow();
  window.accept(newest);
  expect(window.accept(newest - 2 ** 13)).toBe(true);
  const oldest = newest + 1 - REPLAY_WINDOW_COUNTERS;
  expect(window.accept(oldest - 1)).toBe(false);
  expect(window.accept(oldest)).toBe(true);
  expect(window.accept(oldest)).toBe(false);
});

test("after a jump of 2^13 and more nothing old is taken for seen, nor seen for new", () => {
  for (const jump of [31, 32, 33, 2 ** 13, REPLAY_WINDOW_COUNTERS, 2 ** 14, 2 ** 14 + 1, 2 ** 40]) {
    const window = new ReplayWindow();
    for (let counter = 0; counter < 100; counter++) window.accept(counter);
    expect(window.accept(99 + jump)).toBe(true);
    for (let counter = 100; counter < Math.min(99 + jump, 3_000); counter++) {
      expect(window.accept(counter)).toBe(99 + jump - counter < REPLAY_WINDOW_COUNTERS);
    }
    for (let counter = 0; counter < 100; counter++) expect(window.accept(counter)).toBe(false);
  }
});

test("reset forgets", () => {
  const window = new ReplayWindow();
  window.accept(77);
  window.reset();
  expect(window.accept(77)).toBe(true);
});

test("agrees with a set of all counters seen", () => {
  const step = fc.oneof(
    fc.integer({ min: -64, max: 64 }),
    fc.integer({ min: -20_000, max: 20_000 }),
    fc.integer({ min: 0, max: 2 ** 30 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let newest = 0;
      for (const offset of steps) {
        const counter = Math.max(0, newest + offset);
        const wanted = !seen.has(counter) && counter + REPLAY_WINDOW_COUNTERS > newest;
        expect(window.accept(counter)).toBe(wanted);
        if (wanted) seen.add(counter);
        if (wanted) newest = Math.max(newest, counter);
      }
    }),
  );
});
