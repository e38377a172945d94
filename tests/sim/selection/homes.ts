/** Homes over a day, for us and for the others, in the same worlds: how far above the best relay, and how often moved. */
import type { AgentId, RelayId } from "@burrow/protocol";
import { RelayRtts } from "../../../coordinator/src/core/selection/relay-rtts.ts";
import { type AgentOutcome, type RelayFleet, simulateAgent } from "./agent.ts";
import { anyRelay, type Baseline, firstToConnect, mapNearest, tailscale } from "./baselines.ts";
import type { Matrix } from "./matrix.ts";
import { normal, randomFrom, sample } from "./random.ts";
import { round, type Summary, summarize } from "./statistics.ts";
import {
  bestAt,
  DAY_MINUTES,
  makeResident,
  makeWorld,
  type Noise,
  type Resident,
  type World,
} from "./world.ts";

export interface HomesPlan {
  readonly seed: number;
  /** Sites with a relay, in turn. */
  readonly relayCounts: readonly number[];
  /** Different choices of sites, per count. */
  readonly worlds: number;
  /** Agents at each site that has no relay. */
  readonly agentsPerSite: number;
  readonly minutes: number;
  readonly noise: Noise;
  /** Whether relays measure one another, or the coordinator has only the map between them. */
  readonly relaysMeasure: boolean;
}

export interface Judged {
  readonly rule: string;
  /** Share of minutes at the best relay. */
  readonly agreement: number;
  readonly excessMs: Summary;
  readonly excessAt5sMs: Summary;
  readonly unservedShare: number;
  /** For a gain; after the first half hour. */
  readonly movesPerAgentDay: number;
  readonly movesPerAgentDayMax: number;
  readonly forcedMovesPerAgentDay?: number;
  readonly probesPerAgentHour: number;
  /** Of all minutes, for the plot. */
  readonly excess: readonly number[];
}

/** Everybody in one world, for pairs. */
export interface Populated {
  readonly world: World;
  readonly fleet: RelayFleet;
  readonly residents: readonly { readonly resident: Resident; readonly outcome: AgentOutcome }[];
}

const STEADY_AFTER_MINUTES = 30;
const BASELINES: readonly (readonly [string, Baseline])[] = [
  ["map-nearest", mapNearest],
  ["random", anyRelay],
  ["first-to-connect", firstToConnect],
  ["tailscale's rule", tailscale],
];

export function relayId(index: number): RelayId {
  return index.toString(16).padStart(16, "0") as RelayId;
}

export function simulateHomes(matrix: Matrix, plan: HomesPlan, askedMinutes: readonly number[]) {
  const judges = new Map(
    ["burrow", ...BASELINES.map(([name]) => name)].map((name) => [name, new Judge(name)]),
  );
  const populated: Populated[] = [];
  const asked = new Set(askedMinutes);
  let n = 0;
  for (const count of plan.relayCounts) {
    for (let i = 0; i < plan.worlds; i++) {
      const random = randomFrom(plan.seed, count, i);
      const sites = sample(random, matrix.sites.length, count);
      const world = makeWorld(matrix, plan.noise, sites, plan.minutes, random);
      const fleet = fleetOf(world, plan.seed + i, plan.relaysMeasure);
      const residents: { resident: Resident; outcome: AgentOutcome }[] = [];
      for (let site = 0; site < matrix.sites.length; site++) {
        if (sites.includes(site)) continue;
        for (let k = 0; k < plan.agentsPerSite; k++) {
          n++;
          const seed = [plan.seed, n, 7];
          const resident = makeResident(world, site, seed);
          const id = (n * 0x9e3779b1).toString(16).padStart(16, "0").slice(-16) as AgentId;
          const outcome = simulateAgent(resident, fleet, id, asked);
          residents.push({ resident, outcome });
          judges.get("burrow")?.add(resident, outcome);
          for (const [name, baseline] of BASELINES) judges.get(name)?.add(resident, baseline(resident, n));
        }
      }
      populated.push({ world, fleet, residents });
    }
  }
  return { judged: [...judges.values()].map((judge) => judge.result()), populated };
}

/** What the coordinator knows of the relays: places, and what they measured of one another. */
export function fleetOf(world: World, seed: number, relaysMeasure: boolean): RelayFleet {
  const { matrix, relays: sites } = world;
  const random = randomFrom(seed, 99);
  const rtts = new RelayRtts();
  for (const [from, site] of sites.entries()) {
    const measured = sites.map((other, to) => ({
      relay: relayId(to),
      rttMs: Math.max(0.1, (matrix.rttMs[site]?.[other] ?? 0) * (1 + 0.02 * Math.abs(normal(random)))),
    }));
    if (relaysMeasure) rtts.report(relayId(from), measured);
  }
  const relays = sites.map((site, i) => {
    const { name, at } = matrix.sites[site] ?? { name: "?", at: undefined };
    return { id: relayId(i), region: name, at, state: "healthy" as const };
  });
  return { relays, rtts };
}

interface Outcome {
  readonly homeByMinute: Int16Array;
  readonly homeAt5s: number;
  readonly moves: readonly number[];
  readonly forcedMoves?: number;
  readonly probes: number;
}

class Judge {
  readonly #rule: string;
  readonly #excess: number[] = [];
  readonly #at5s: number[] = [];
  #minutes = 0;
  #agreed = 0;
  #unserved = 0;
  #moves = 0;
  #movesMax = 0;
  #forced: number | undefined;
  #probes = 0;
  #steadyMinutes = 0;

  constructor(rule: string) {
    this.#rule = rule;
  }

  add(resident: Resident, outcome: Outcome): void {
    const { minutes, alive } = resident.world;
    const start = bestAt(resident, 0);
    const startMs = resident.trueMs[outcome.homeAt5s]?.[0];
    if (startMs !== undefined) this.#at5s.push(startMs - start.ms);
    for (let minute = 0; minute < minutes; minute++) {
      const home = outcome.homeByMinute[minute] ?? -1;
      const best = bestAt(resident, minute);
      if (best.relay === -1) continue;
      this.#minutes++;
      const ms = resident.trueMs[home]?.[minute];
      if (ms === undefined || alive[home]?.[minute] === 0) {
        this.#unserved++;
        continue;
      }
      this.#excess.push(ms - best.ms);
      if (home === best.relay) this.#agreed++;
    }
    const steady = outcome.moves.filter((minute) => minute >= STEADY_AFTER_MINUTES).length;
    this.#moves += steady;
    this.#movesMax = Math.max(this.#movesMax, steady);
    this.#steadyMinutes += Math.max(0, minutes - STEADY_AFTER_MINUTES);
    if (outcome.forcedMoves !== undefined) this.#forced = (this.#forced ?? 0) + outcome.forcedMoves;
    this.#probes += outcome.probes;
  }

  result(): Judged {
    const days = this.#steadyMinutes / DAY_MINUTES;
    return {
      rule: this.#rule,
      agreement: round(this.#agreed / this.#minutes, 3),
      excessMs: summarize(this.#excess),
      excessAt5sMs: summarize(this.#at5s),
      unservedShare: round(this.#unserved / this.#minutes, 5),
      movesPerAgentDay: days === 0 ? 0 : round(this.#moves / days, 3),
      movesPerAgentDayMax: this.#movesMax,
      ...(this.#forced === undefined
        ? {}
        : { forcedMovesPerAgentDay: days === 0 ? 0 : round(this.#forced / days, 3) }),
      probesPerAgentHour: round((this.#probes * 60) / Math.max(1, this.#minutes), 1),
      excess: this.#excess,
    };
  }
}
