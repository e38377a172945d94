/** One packet for a queue that stands, more if it goes on, none for one that is emptied now and then. */
import { expect, test } from "bun:test";
import { StandingQueue } from "./standing-queue.ts";

/** Moments of drops when the queue is looked at every millisecond and found short where `isShort` says so. */
function drops(lastMs: number, isShort: (ms: number) => boolean): number[] {
  const queue = new StandingQueue();
  const at: number[] = [];
  for (let ms = 0; ms <= lastMs; ms++) {
    if (isShort(ms)) queue.isShort();
    else if (queue.isLong(ms)) at.push(ms);
  }
  return at;
}

test("a queue that is short once in a while loses nothing", () => {
  expect(drops(10_000, (ms) => ms % 99 === 0)).toEqual([]);
});

test("one that never does loses a packet each interval, ever sooner", () => {
  const at = drops(1_000, () => false);
  expect(at.slice(0, 3)).toEqual([100, 200, 271]);
  const gaps = at.slice(1).map((ms, i) => ms - (at[i] ?? 0));
  expect(gaps.every((gap, i) => i === 0 || gap <= (gaps[i - 1] ?? 0))).toBe(true);
});

test("a burst that is worked off within the interval loses nothing, however long the silence before", () => {
  expect(drops(100_000, (ms) => ms % 10_000 > 90)).toEqual([]);
});

test("what stands again soon is met sooner than what stands for the first time", () => {
  const once = drops(2_000, (ms) => ms > 1_000);
  const again = drops(2_000, (ms) => ms > 1_000 && ms < 1_010);
  const second = again.filter((ms) => ms > 1_010);
  expect(once.every((ms) => ms <= 1_000)).toBe(true);
  expect((second[1] ?? 0) - (second[0] ?? 0)).toBeLessThan(50);
});
