/** When operators are told that two machines have one identity: not of one change of network, and not all the time. */
import { expect, test } from "bun:test";
import { Rivals } from "./rivals.ts";

const MINUTE_MS = 60_000;

test("three within a minute are told of, and then for ten minutes no more", () => {
  const rivals = new Rivals();
  const told = [0, 2_000, 6_000, 14_000, 30_000].map((now) => rivals.replaced("ann", now));
  expect(told).toEqual([false, false, true, false, false]);
  const later = Array.from({ length: 20 }, (_, i) => rivals.replaced("ann", MINUTE_MS * (11 + i / 20)));
  expect(later.filter(Boolean)).toHaveLength(1);
});

test("a machine that changes its network now and then is no two", () => {
  const rivals = new Rivals();
  const told = Array.from({ length: 50 }, (_, i) => rivals.replaced("bob", i * 2 * MINUTE_MS));
  expect(told).not.toContain(true);
});

test("nobody can make it remember without bounds", () => {
  const rivals = new Rivals();
  for (let i = 0; i < 3_000; i++) rivals.replaced(`agent ${i}`, i);
  // The first is forgotten: its third time counts as the first.
  expect(rivals.replaced("agent 0", 3_000)).toBe(false);
  expect(rivals.replaced("agent 0", 3_001)).toBe(false);
  expect(rivals.replaced("agent 0", 3_002)).toBe(true);
});
