/** Writes down now and then what each relay that lives has told of itself. */
import { READINGS_INTERVAL_MS, type Reading, Readings } from "../core/readings.ts";
import type { RelayEntry, RelayRegistry } from "../core/relays.ts";
import type { Census } from "./census.ts";

export interface ReadingClerkParts {
  readonly relays: RelayRegistry;
  readonly census: Census;
  readonly now: () => number;
  readonly intervalMs?: number | undefined;
}

export class ReadingClerk {
  readonly readings = new Readings();
  readonly #parts: ReadingClerkParts;
  /** Loads that are written down: a relay that says nothing new gets no reading, and its curve a gap. */
  readonly #written = new WeakSet<object>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(parts: ReadingClerkParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.#write(), this.#parts.intervalMs ?? READINGS_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #write(): void {
    const { relays, census, now } = this.#parts;
    this.readings.keepOnly((relay) => relays.get(relay) !== undefined);
    for (const { record, load } of relays.all()) {
      if (load === undefined || this.#written.has(load)) continue;
      this.#written.add(load);
      this.readings.add(record.id, readingOf(load, census.of(record.id).rtt, now()));
    }
  }
}

function readingOf(
  { sessions, packets, bytes, drops }: NonNullable<RelayEntry["load"]>,
  rtt: ReturnType<Census["of"]>["rtt"],
  atMs: number,
): Reading {
  return {
    atMs,
    sessions,
    packets,
    bytes,
    drops: Object.values(drops).reduce((sum, count) => sum + count, 0),
    p50Ms: rtt?.p50Ms ?? null,
    p90Ms: rtt?.p90Ms ?? null,
    p99Ms: rtt?.p99Ms ?? null,
  };
}
