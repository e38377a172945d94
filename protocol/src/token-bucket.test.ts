/** The token bucket: a burst, then its rate, and a clock that misbehaves. */
import { expect, test } from "bun:test";
import { TokenBucket } from "./token-bucket.ts";

const taken = (bucket: TokenBucket, now: number) => {
  let count = 0;
  while (count < 1_000 && bucket.take(now)) count++;
  return count;
};

test("a burst at once, then as many as the time gives, never more than a burst", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 1_000);
  expect(taken(bucket, 1_000)).toBe(5);
  expect(taken(bucket, 1_099)).toBe(0);
  expect(taken(bucket, 1_200)).toBe(2);
  expect(taken(bucket, 60_000)).toBe(5);
});

test("what takes several at once takes all of them or none", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 0);
  expect([bucket.take(0, 3), bucket.take(0, 3), bucket.take(0, 2), bucket.take(0, 1)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect(bucket.take(60_000, 6)).toBe(false);
});

test("a clock that is set back gives nothing, and its way forward once", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 10_000);
  expect(taken(bucket, 10_000)).toBe(5);
  expect(taken(bucket, 0)).toBe(0);
  expect(taken(bucket, 100)).toBe(1);
});
