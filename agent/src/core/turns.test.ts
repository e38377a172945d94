/** Turns: everybody gets one, and no mistake goes untold. */
import { expect, test } from "bun:test";
import { earliest, giveTurns } from "./turns.ts";

test("a mistake of one does not keep the others from their turn, and is told", () => {
  const had: number[] = [];
  const turn = (one: number) => {
    had.push(one);
    if (one % 2 === 0) throw new Error(`mistake of ${one}`);
  };
  expect(() => giveTurns([1, 2, 3, 4, 5], turn)).toThrow("mistake of 2");
  expect(had).toEqual([1, 2, 3, 4, 5]);
});

test("the earliest deadline is that of all who have one", () => {
  const waiting = (at: number | undefined) => ({ tick() {}, nextDeadline: () => at });
  expect(earliest([])).toBeUndefined();
  expect(earliest([waiting(undefined)])).toBeUndefined();
  expect(earliest([waiting(7), waiting(undefined), waiting(3)])).toBe(3);
});
