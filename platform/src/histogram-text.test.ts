/** The text that Prometheus reads: cumulative buckets, seconds, and a sum and a count that agree with them. */
import { expect, test } from "bun:test";
import { histogramText } from "./histogram-text.ts";

test("counts of buckets become cumulative ones, milliseconds seconds", () => {
  const text = histogramText({
    name: "waited_seconds",
    help: "How long",
    boundsMs: [0.5, 20],
    counts: new Float64Array([3, 0, 2]),
    sumMs: 1_500,
  });
  expect(text).toBe(`# HELP waited_seconds How long
# TYPE waited_seconds histogram
waited_seconds_bucket{le="0.0005"} 3
waited_seconds_bucket{le="0.02"} 3
waited_seconds_bucket{le="+Inf"} 5
waited_seconds_sum 1.5
waited_seconds_count 5
`);
});
