/** Answers that change only when they have held. */
import { expect, test } from "bun:test";
import { Settled } from "./settled.ts";

test("changes when the other answer has held for as long as it must, both ways", () => {
  const settled = new Settled(100);
  expect(settled.look(true, 0)).toBe(false);
  expect(settled.look(true, 99)).toBe(false);
  expect(settled.look(true, 100)).toBe(true);
  expect(settled.look(false, 150)).toBe(true);
  expect(settled.look(false, 249)).toBe(true);
  expect(settled.look(false, 250)).toBe(false);
});

test("begins anew with each interruption, but not with a moment without an answer", () => {
  const settled = new Settled(100);
  settled.look(true, 0);
  settled.look(false, 50);
  expect(settled.look(true, 100)).toBe(false);
  settled.look(undefined, 150);
  expect(settled.look(true, 200)).toBe(true);
});
