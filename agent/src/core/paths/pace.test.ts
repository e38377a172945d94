/** When packets that came at some pace are missed. */
import { expect, test } from "bun:test";
import { Pace } from "./pace.ts";

function paced(everyMs: number, count: number): { readonly pace: Pace; readonly lastMs: number } {
  const pace = new Pace();
  for (let i = 0; i < count; i++) pace.came(i * everyMs);
  return { pace, lastMs: (count - 1) * everyMs };
}

test("after twice their usual distance, and 200 ms at least", () => {
  for (const [everyMs, missedAfterMs] of [
    [20, 200],
    [100, 200],
    [200, 400],
    [400, 800],
  ] as const) {
    const { pace, lastMs } = paced(everyMs, 50);
    expect(pace.missedAtMs).toBeCloseTo(lastMs + missedAfterMs, 0);
  }
});

test("not after a few, nor where they come slowly", () => {
  expect(paced(20, 1).pace.missedAtMs).toBeUndefined();
  expect(paced(20, 3).pace.missedAtMs).toBeUndefined();
  expect(paced(600, 50).pace.missedAtMs).toBeUndefined();
  expect(paced(25_000, 50).pace.missedAtMs).toBeUndefined();
});

test("once, until the next one comes", () => {
  const { pace, lastMs } = paced(50, 50);
  pace.asked(lastMs + 100);
  expect(pace.missedAtMs).toBe(lastMs + 200);
  pace.asked(lastMs + 200);
  expect(pace.missedAtMs).toBeUndefined();
  pace.came(lastMs + 50);
  expect(pace.missedAtMs).toBeDefined();
});

test("a long silence does not make a slow pace of a fast one at once", () => {
  const { pace, lastMs } = paced(20, 50);
  pace.came(lastMs + 60_000);
  expect(pace.missedAtMs).toBeCloseTo(lastMs + 60_000 + 2 * (20 + 980 / 4), 0);
});
