/** Machines with one identity: later each time, told of for a while, and forgotten when a channel held. */
import { expect, test } from "bun:test";
import { RIVAL_MEMORY_MS, Rivalry } from "./rivalry.ts";

test("each loss keeps away longer, up to minutes, and never for the same time as the rival", () => {
  const rivalry = new Rivalry();
  const pauses = Array.from({ length: 10 }, (_, i) => rivalry.lost(i * 1_000, i * 1_000 + 500, 0.5));
  expect(pauses.slice(0, 4)).toEqual([5_000, 10_000, 20_000, 40_000]);
  expect(pauses.at(-1)).toBe(120_000);
  expect(rivalry.at(10_000)).toEqual({ times: 10, lastMs: 9_500 });
  const [early, late] = [0, 0.99].map((random) => new Rivalry().lost(0, 1, random));
  expect(early).toBe(2_500);
  expect(late).toBeGreaterThan(7_400);
});

test("a channel that held for long begins anew", () => {
  const rivalry = new Rivalry();
  for (let i = 0; i < 5; i++) rivalry.lost(i, i + 1, 0.5);
  const later = 3 * RIVAL_MEMORY_MS;
  expect(rivalry.at(later)).toBeUndefined();
  expect(rivalry.lost(RIVAL_MEMORY_MS, later, 0.5)).toBe(5_000);
});
