/**
 * How many agents are connected and where they are bound, for metrics and views that anybody may ask for: counted over
 * all agents at most once a second, however often it is asked.
 */
import { type RelayedBecause, type RelayId, relayedBecause } from "@burrow/protocol";
import type { AgentEntry } from "../core/agents.ts";

/** A count of 20,000 agents takes some milliseconds. */
export const CENSUS_LIFE_MS = 1_000;

export interface Guests {
  readonly agents: number;
  /** Round trips that they measured to it. */
  readonly rtt: {
    readonly samples: number;
    readonly p50Ms: number;
    readonly p90Ms: number;
    readonly p99Ms: number;
  } | null;
}

export interface Counts {
  readonly online: number;
  readonly offline: number;
  /** Ends of pairs that talk, as connected agents told them: by a direct path, and by why they have none. */
  readonly direct: number;
  readonly relayed: ReadonlyMap<RelayedBecause, number>;
  /** Connected agents by their home. */
  readonly guests: ReadonlyMap<RelayId, Guests>;
}

export class Census {
  readonly #agents: { all(): readonly AgentEntry[] };
  /** Monotonic milliseconds. */
  readonly #clock: () => number;
  #counts: Counts | undefined;
  #countedAtMs = 0;

  constructor(agents: { all(): readonly AgentEntry[] }, clock: () => number = () => performance.now()) {
    this.#agents = agents;
    this.#clock = clock;
  }

  take(): Counts {
    const now = this.#clock();
    if (this.#counts === undefined || now - this.#countedAtMs >= CENSUS_LIFE_MS) {
      this.#counts = count(this.#agents.all());
      this.#countedAtMs = now;
    }
    return this.#counts;
  }

  of(relay: RelayId): Guests {
    return this.take().guests.get(relay) ?? NOBODY;
  }
}

const NOBODY: Guests = { agents: 0, rtt: null };

function count(all: readonly AgentEntry[]): Counts {
  let online = 0;
  const homes = new Map<RelayId, { agents: number; readonly rtts: number[] }>();
  let direct = 0;
  const relayed = new Map<RelayedBecause, number>();
  for (const { record, presence, rtts, pairs } of all) {
    if (presence === undefined) continue;
    online++;
    direct += pairs?.direct ?? 0;
    for (const because of relayedBecause.options) {
      const count = pairs?.relayed[because];
      if (count !== undefined) relayed.set(because, (relayed.get(because) ?? 0) + count);
    }
    if (record.home === undefined) continue;
    const home = homes.get(record.home) ?? { agents: 0, rtts: [] };
    homes.set(record.home, home);
    home.agents++;
    const measured = rtts.find(({ relay }) => relay === record.home);
    if (measured !== undefined) home.rtts.push(measured.rttMs);
  }
  const guests = new Map<RelayId, Guests>();
  for (const [relay, { agents, rtts }] of homes) guests.set(relay, { agents, rtt: percentiles(rtts) });
  return { online, offline: all.length - online, direct, relayed, guests };
}

function percentiles(values: number[]): Guests["rtt"] {
  if (values.length === 0) return null;
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 0;
  return { samples: values.length, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}
