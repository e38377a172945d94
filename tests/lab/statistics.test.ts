/** Percentiles as the lab judges by them. */
import { expect, test } from "bun:test";
import { columns, formatSpread, spreadOf } from "./statistics.ts";

test("a percentile is always a value that was measured", () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(spreadOf(values)).toEqual({ count: 100, p50: 50, p95: 95, max: 100 });
});

test("the 95th of ten is the worst", () => {
  expect(spreadOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 500])?.p95).toBe(500);
  expect(spreadOf([7])).toEqual({ count: 1, p50: 7, p95: 7, max: 7 });
});

test("nothing measured is no number", () => {
  expect(spreadOf([])).toBeUndefined();
  expect(formatSpread(undefined)).toBe("not measured");
});

test("columns are as wide as their widest cell", () => {
  expect(columns([["a", "bb"], ["ccc", "d"], ["e"]])).toBe("a    bb\nccc  d\ne");
});
