/** Loss as a path's latest probes show it. */
import { expect, test } from "bun:test";
import type { Transaction } from "@burrow/protocol";
import { LossEstimator } from "./loss.ts";

/** One probe a second; x is lost, others arrive. */
function after(fates: string, loss = new LossEstimator()): LossEstimator {
  for (const [i, fate] of [...fates].entries()) {
    const transaction = `${i}` as Transaction;
    loss.sent(transaction, i * 1_000);
    if (fate !== "x") loss.arrived(transaction);
  }
  loss.settle(fates.length * 1_000);
  return loss;
}

test("three of the latest 32 are chance, four are an eighth", () => {
  expect(after("x..x..x").share).toBe(0);
  expect(after("x..x..x..x").share).toBe(0.125);
});

test("what is older than 32 probes is forgotten, and all of it by a reset", () => {
  expect(after(`xx.xx${".".repeat(27)}`).share).toBe(0.125);
  expect(after(`xx.xx${".".repeat(28)}`).share).toBe(0);
  const loss = after("x.x.x.x.");
  loss.reset();
  expect(loss.share).toBe(0);
});

test("one loses more than another when chance hardly explains the difference", () => {
  const [clean, some, many] = [".", "x..x..x", "x.x.x.x.x.x.x"].map((fates) => after(fates)) as [
    LossEstimator,
    LossEstimator,
    LossEstimator,
  ];
  expect([some.isMoreThan(clean), many.isMoreThan(clean), many.isMoreThan(some)]).toEqual([
    false,
    true,
    true,
  ]);
  expect(many.isMoreThan(after("x.x.x.x"))).toBe(false);
});

test("an outage counts as two, however long", () => {
  expect(after("xxxxxxxxxxxx.").share).toBe(0);
  expect(after("xxxx.xxxx.").share).toBe(0.125);
});

test("a probe is not lost before its time, and those after it wait for its fate", () => {
  const loss = new LossEstimator();
  const ids = ["a", "b", "c", "d", "e", "f", "g"] as Transaction[];
  for (const [i, id] of ids.entries()) loss.sent(id, i);
  for (const id of ["b", "d", "f"] as Transaction[]) loss.arrived(id);
  loss.settle(0);
  expect(loss.share).toBe(0);
  loss.arrived("a" as Transaction);
  loss.settle(7);
  expect(loss.share).toBe(0);
  after("x", loss);
  expect(loss.share).toBe(0.125);
});
