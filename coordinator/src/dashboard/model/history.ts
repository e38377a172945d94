/**
 * Curves of each relay: what its counters read, as rates. The coordinator's readings of the last hours come first, then
 * those that this page has heard itself.
 */
import type { ReadingView, RelayView } from "../../io/http/schemas/relay.ts";

export type Reading = ReadingView;

/** Two hours from the coordinator, and more than half an hour of the loads that come every two seconds. */
export const SAMPLES_MAX = 1_500;
/** Readings further apart than this have a gap between them: the relay, or this page, was away. */
export const GAP_MS = 45_000;

export interface Sample {
  readonly atMs: number;
  readonly sessions: number | null;
  /** Per second; null when not known: at the beginning, and after the relay's counters began anew. */
  readonly packets: number | null;
  readonly bytes: number | null;
  readonly drops: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

interface Series {
  readonly readings: Reading[];
  readonly samples: Sample[];
}

export class History {
  readonly #series = new Map<string, Series>();

  of(relay: string): readonly Sample[] {
    return this.#series.get(relay)?.samples ?? [];
  }

  forget(relay: string): void {
    this.#series.delete(relay);
  }

  /** The readings that the coordinator kept; what this page heard after the last of them stays. */
  recall(relay: string, kept: readonly Reading[]): void {
    const until = kept.at(-1)?.atMs ?? 0;
    const heard = this.#series.get(relay)?.readings.filter(({ atMs }) => atMs > until) ?? [];
    this.#series.delete(relay);
    for (const reading of [...kept, ...heard]) this.add(relay, reading);
  }

  add(relay: string, reading: Reading): void {
    const series = this.#series.get(relay) ?? { readings: [], samples: [] };
    this.#series.set(relay, series);
    const { readings, samples } = series;
    const last = readings.at(-1);
    if (last !== undefined && reading.atMs <= last.atMs) return;
    const isGap = last !== undefined && reading.atMs - last.atMs > GAP_MS;
    if (isGap) samples.push(unknownAt((last.atMs + reading.atMs) / 2));
    readings.push(reading);
    samples.push(sampleOf(reading, isGap ? undefined : last));
    if (readings.length > SAMPLES_MAX) readings.shift();
    while (samples.length > SAMPLES_MAX) samples.shift();
  }
}

export function readingOf(atMs: number, load: RelayView["load"], rtt: RelayView["rtt"]): Reading {
  const { sessions, packets, bytes } = load;
  const { p50Ms, p90Ms, p99Ms } = rtt ?? { p50Ms: null, p90Ms: null, p99Ms: null };
  const drops = Object.values(load.drops).reduce((sum, count) => sum + count, 0);
  return { atMs, sessions, packets, bytes, drops, p50Ms, p90Ms, p99Ms };
}

/** Counters that went back are those of a relay that has started anew: its rate is not known then. */
function sampleOf(reading: Reading, last: Reading | undefined): Sample {
  const perSecond = (counter: "packets" | "bytes" | "drops") => {
    if (last === undefined || reading[counter] < last[counter]) return null;
    return ((reading[counter] - last[counter]) * 1000) / (reading.atMs - last.atMs);
  };
  const { atMs, sessions, p50Ms, p90Ms, p99Ms } = reading;
  const rates = { packets: perSecond("packets"), bytes: perSecond("bytes"), drops: perSecond("drops") };
  return { atMs, sessions, ...rates, p50Ms, p90Ms, p99Ms };
}

function unknownAt(atMs: number): Sample {
  const [sessions, packets, bytes, drops] = [null, null, null, null];
  return { atMs, sessions, packets, bytes, drops, p50Ms: null, p90Ms: null, p99Ms: null };
}
