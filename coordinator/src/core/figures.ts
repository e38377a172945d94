/** Sums of what agents tell of themselves, for metrics. Agents may lie: figures are for people to look at, nothing more. */
import { type AgentFigures, DURATION_BOUNDS_MS, type Durations } from "@burrow/protocol";

export class FigureSums {
  readonly bytes = { direct: 0, relay: 0 };
  readonly timeToDirect: Durations = none();
  readonly failover: Durations = none();

  add({ bytes, timeToDirect, failover }: AgentFigures): void {
    this.bytes.direct += bytes.direct;
    this.bytes.relay += bytes.relay;
    addTo(this.timeToDirect, timeToDirect);
    addTo(this.failover, failover);
  }
}

function none(): Durations {
  return { counts: Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0), sumMs: 0 };
}

function addTo(sum: Durations, more: Durations): void {
  for (const [bucket, count] of more.counts.entries()) sum.counts[bucket] = (sum.counts[bucket] ?? 0) + count;
  sum.sumMs += more.sumMs;
}
