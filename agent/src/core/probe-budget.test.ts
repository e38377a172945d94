/** One rate for all probes of an agent: what cannot wait is let through, and punching takes the rest, but has a floor. */
import { expect, test } from "bun:test";
import { PROBES_AT_ONCE_MAX, ProbeBudget } from "./probe-budget.ts";

/** What the most eager puncher sends in `ms`, beside `urgent` other probes every `everyMs`. */
function punchedIn(ms: number, budget: ProbeBudget, urgent = 0, everyMs = 1): number {
  let sent = 0;
  for (let now = 1_000; now < 1_000 + ms; now += 0.5) {
    if (now % everyMs === 0) for (let probe = 0; probe < urgent; probe++) budget.spend(now);
    for (let left = budget.leftForPunching(now); left > 0; left--, sent++) {
      budget.spendOnPunching(now);
      budget.spend(now);
    }
  }
  return sent;
}

test("a burst, and then one each millisecond", () => {
  const budget = new ProbeBudget();
  expect(budget.leftForPunching(0)).toBe(PROBES_AT_ONCE_MAX);
  expect(punchedIn(1_000, budget)).toBeLessThanOrEqual(1_000 + PROBES_AT_ONCE_MAX);
});

test("what cannot wait is taken from punching, one for one", () => {
  const alone = punchedIn(1_000, new ProbeBudget());
  expect(punchedIn(1_000, new ProbeBudget(), 1, 5)).toBe(alone - 200);
  expect(punchedIn(1_000, new ProbeBudget(), 7, 10)).toBe(alone - 700);
});

test("beside paths that take everything and more, punching has its quarter, and no more", () => {
  for (const urgent of [1, 2, 10]) {
    const punched = punchedIn(10_000, new ProbeBudget(), urgent);
    expect(punched).toBeGreaterThanOrEqual(2_500);
    expect(punched).toBeLessThanOrEqual(2_500 + PROBES_AT_ONCE_MAX);
  }
});

test("a burst beyond the rate holds the whole rate up for a tenth of a second at most, and silence saves up nothing", () => {
  const budget = new ProbeBudget();
  for (let probe = 0; probe < PROBES_AT_ONCE_MAX; probe++) budget.spendOnPunching(0);
  for (let probe = 0; probe < 60_000; probe++) budget.spend(0);
  expect(budget.leftForPunching(0)).toBe(0);
  expect(budget.leftForPunching(100)).toBe(PROBES_AT_ONCE_MAX);
  for (let probe = 0; probe < 50; probe++) budget.spendOnPunching(200);
  expect(budget.leftForPunching(200)).toBe(PROBES_AT_ONCE_MAX);
  for (let probe = 0; probe < 50; probe++) budget.spend(200);
  expect(budget.leftForPunching(239)).toBe(0);
  expect(budget.leftForPunching(241)).toBe(1);
  expect(budget.leftForPunching(60_000)).toBe(PROBES_AT_ONCE_MAX);
});
