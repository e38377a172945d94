/** Round trips: smoothed, the least of late, and measured anew on another way. */
import { expect, test } from "bun:test";
import { RttEstimator } from "./rtt.ts";

test("nothing is known before the first sample, which counts as it is", () => {
  const rtt = new RttEstimator();
  expect([rtt.smoothedMs, rtt.leastMs, rtt.samples]).toEqual([undefined, undefined, 0]);
  rtt.sample(40);
  expect([rtt.smoothedMs, rtt.leastMs, rtt.jitterMs]).toEqual([40, 40, 20]);
});

test("the second and later samples move it by an eighth (RFC 6298 §2.3)", () => {
  const rtt = new RttEstimator();
  rtt.sample(40);
  rtt.sample(80);
  expect(rtt.smoothedMs).toBe(45);
  expect(rtt.jitterMs).toBe(25);
});

test("the least is of late: a way that became longer shows", () => {
  const rtt = new RttEstimator();
  rtt.sample(10);
  for (let i = 0; i < 7; i++) rtt.sample(100);
  expect(rtt.leastMs).toBe(10);
  rtt.sample(100);
  expect(rtt.leastMs).toBe(100);
});

test("after a restart the old value stands in until the first new sample, and then is gone", () => {
  const rtt = new RttEstimator();
  for (let i = 0; i < 5; i++) rtt.sample(10);
  rtt.restart();
  expect([rtt.leastMs, rtt.samples]).toEqual([10, 0]);
  rtt.sample(200);
  expect([rtt.leastMs, rtt.smoothedMs, rtt.samples]).toEqual([200, 200, 1]);
});
