/**
 * A histogram in Prometheus' text format (exposition format 0.0.4) from counts that were taken elsewhere: in typed
 * arrays of a packet loop, or by other machines. Times come in milliseconds and leave in seconds.
 */

export interface CountedDurations {
  readonly name: string;
  readonly help: string;
  /** Upper bounds of all buckets but the last, rising. */
  readonly boundsMs: readonly number[];
  /** By bucket, each its own; one more than bounds. */
  readonly counts: ArrayLike<number>;
  readonly sumMs: number;
}

export function histogramText({ name, help, boundsMs, counts, sumMs }: CountedDurations): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  let total = 0;
  for (const [bucket, boundMs] of [...boundsMs, Number.POSITIVE_INFINITY].entries()) {
    total += counts[bucket] ?? 0;
    const le = boundMs === Number.POSITIVE_INFINITY ? "+Inf" : String(boundMs / 1000);
    lines.push(`${name}_bucket{le="${le}"} ${total}`);
  }
  lines.push(`${name}_sum ${sumMs / 1000}`, `${name}_count ${total}`, "");
  return lines.join("\n");
}
