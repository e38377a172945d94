/** Each delay is in the first bucket whose bound it does not pass. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { NO_QUEUE_DELAYS, QUEUE_DELAY_BOUNDS_MS, QueueDelays, sumOfDelays } from "./queue-delays.ts";

test("every delay is counted once, in its bucket", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 300, noNaN: true })), (delays) => {
      const counted = new QueueDelays();
      for (const delay of delays) counted.add(delay);
      const { counts, sumMs } = counted.snapshot();
      const bounds = [...QUEUE_DELAY_BOUNDS_MS, Number.POSITIVE_INFINITY];
      const wanted = bounds.map(
        (bound, i) => delays.filter((delay) => delay <= bound && delay > (bounds[i - 1] ?? -1)).length,
      );
      expect(counts).toEqual(wanted);
      expect(sumMs).toBeCloseTo(delays.reduce((sum, delay) => sum + delay, 0));
    }),
  );
});

test("threads' counts add up", () => {
  const [one, other] = [new QueueDelays(), new QueueDelays()];
  one.add(3);
  other.add(3);
  other.add(1_000);
  const { counts, sumMs } = sumOfDelays(one.snapshot(), other.snapshot());
  expect(counts).toEqual([0, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
  expect(sumMs).toBe(1_006);
  expect(sumOfDelays(NO_QUEUE_DELAYS, one.snapshot())).toEqual(one.snapshot());
});
