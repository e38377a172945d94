/** Curves of each relay: what its heartbeats told, as rates, for as long as this page has been open, in a ring each. */
import type { RelayView } from "../../io/http/schemas/relay.ts";

type Load = RelayView["load"];
type Rtt = RelayView["rtt"];

/** Loads come every two seconds: half an hour. */
export const SAMPLES_MAX = 900;

export interface Sample {
  readonly atMs: number;
  readonly sessions: number;
  /** Per second; null when not known: at the beginning, and after the relay's counters began anew. */
  readonly packets: number | null;
  readonly bytes: number | null;
  readonly drops: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

interface Series {
  readonly samples: Sample[];
  last: { readonly atMs: number; readonly load: Load };
}

export class History {
  readonly #series = new Map<string, Series>();

  of(relay: string): readonly Sample[] {
    return this.#series.get(relay)?.samples ?? [];
  }

  forget(relay: string): void {
    this.#series.delete(relay);
  }

  add(relay: string, atMs: number, load: Load, rtt: Rtt): void {
    const series = this.#series.get(relay);
    if (series !== undefined && atMs <= series.last.atMs) return;
    const rate = rateSince(series?.last, atMs);
    const sample: Sample = {
      atMs,
      sessions: load.sessions,
      packets: rate(load.packets, ({ packets }) => packets),
      bytes: rate(load.bytes, ({ bytes }) => bytes),
      drops: rate(dropsOf(load), dropsOf),
      p50Ms: rtt?.p50Ms ?? null,
      p90Ms: rtt?.p90Ms ?? null,
      p99Ms: rtt?.p99Ms ?? null,
    };
    if (series === undefined) {
      this.#series.set(relay, { samples: [sample], last: { atMs, load } });
      return;
    }
    series.last = { atMs, load };
    series.samples.push(sample);
    if (series.samples.length > SAMPLES_MAX) series.samples.shift();
  }
}

export function dropsOf({ drops }: Load): number {
  return Object.values(drops).reduce((sum, count) => sum + count, 0);
}

/** Counters that went back are those of a relay that has started anew: its rate is not known then. */
function rateSince(last: Series["last"] | undefined, atMs: number) {
  return (now: number, of: (load: Load) => number): number | null => {
    if (last === undefined) return null;
    const grown = now - of(last.load);
    return grown < 0 ? null : (grown * 1000) / (atMs - last.atMs);
  };
}
