/** The rate classes of tickets: each but the first holds an agent to what its name says. */
import { expect, test } from "bun:test";
import { RATE_CLASS } from "@burrow/protocol";
import { RATE_CLASSES } from "./limits.ts";
import { RateLimiter } from "./token-buckets.ts";

test("an agent of the default class gets its gigabit a second, and no more", () => {
  const limiter = new RateLimiter(4, RATE_CLASSES);
  let now = 1_000_000;
  limiter.reset(2, 3, now);
  while (limiter.take(2, 1, 1_400, now));
  let bytes = 0;
  for (const end = now + 1_000; now < end; now += 1) while (limiter.take(2, 1, 1_400, now)) bytes += 1_400;
  expect(bytes / 125_000_000).toBeWithin(0.98, 1.01);
});

test("small packets fill the rate as well, and class 0 knows no limit that an agent could meet", () => {
  const limiter = new RateLimiter(4, RATE_CLASSES);
  let now = 1_000_000;
  limiter.reset(1, 3, now);
  while (limiter.take(1, 1, 32, now));
  let packets = 0;
  for (const end = now + 100; now < end; now += 1) while (limiter.take(1, 1, 32, now)) packets++;
  expect(packets / 62_500).toBeWithin(0.97, 1.02);
  limiter.reset(0, 0, now);
  for (let i = 0; i < 100_000; i++) expect(limiter.take(0, 1, 1_400, now)).toBe(true);
});

test("a run takes its tokens whole or not at all", () => {
  const limiter = new RateLimiter(4, [
    { packets: { perSecond: 10, burst: 10 }, bytes: { perSecond: 1_000, burst: 1_000 } },
  ]);
  limiter.reset(0, 0, 0);
  expect(limiter.take(0, 11, 1, 0)).toBe(false);
  expect(limiter.take(0, 2, 501, 0)).toBe(false);
  expect(limiter.take(0, 8, 100, 0)).toBe(true);
  expect(limiter.take(0, 3, 1, 0)).toBe(false);
  expect(limiter.take(0, 2, 100, 0)).toBe(true);
  expect(limiter.take(0, 1, 0, 0)).toBe(false);
});

test.each([
  ["10M", 10],
  ["100M", 100],
  ["1G", 1_000],
  ["10G", 10_000],
] as const)("the class that is called %s lets %i Mbit/s through", (name, megabits) => {
  const limiter = new RateLimiter(4, RATE_CLASSES);
  let now = 1_000_000;
  limiter.reset(3, RATE_CLASS[name], now);
  while (limiter.take(3, 1, 1_400, now));
  let bytes = 0;
  for (const end = now + 500; now < end; now += 1) while (limiter.take(3, 1, 1_400, now)) bytes += 1_400;
  expect((bytes * 16) / (megabits * 1e6)).toBeWithin(0.97, 1.01);
});
