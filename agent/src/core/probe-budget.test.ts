/** One rate for all probes of an agent: what cannot wait is let through, and what can wait takes the rest. */
import { expect, test } from "bun:test";
import { PROBES_AT_ONCE_MAX, ProbeBudget } from "./probe-budget.ts";

/** Probes that could wait and left within a second, from the most eager asker, beside `urgentEveryMs`. */
function waitingIn(ms: number, budget: ProbeBudget, urgentEveryMs: number): number {
  let sent = 0;
  for (let now = 1_000; now < 1_000 + ms; now += 0.5) {
    if (urgentEveryMs > 0 && now % urgentEveryMs === 0) budget.spend(now);
    for (let left = budget.left(now); left > 0; left--, sent++) budget.spend(now);
  }
  return sent;
}

test("a burst, and then one each millisecond", () => {
  const budget = new ProbeBudget();
  expect(budget.left(0)).toBe(PROBES_AT_ONCE_MAX);
  expect(waitingIn(1_000, budget, 0)).toBeLessThanOrEqual(1_000 + PROBES_AT_ONCE_MAX);
});

test("what cannot wait is taken from what can, one for one", () => {
  const alone = waitingIn(1_000, new ProbeBudget(), 0);
  expect(waitingIn(1_000, new ProbeBudget(), 5)).toBe(alone - 200);
});

test("after more than the rate allows nothing that can wait leaves until that is paid for, and silence saves up nothing", () => {
  const budget = new ProbeBudget();
  for (let probe = 0; probe < 500; probe++) budget.spend(0);
  expect(budget.left(489)).toBe(0);
  expect(budget.left(491)).toBe(1);
  expect(budget.left(60_000)).toBe(PROBES_AT_ONCE_MAX);
});
