/**
 * One agent through its days: tickets from the coordinator's selection, samples on the schedule of the agent's relay
 * links, homes by the agent's rule. What is decided is decided by the real modules; here is only the clock.
 */
import type { AgentId, RelayId } from "@burrow/protocol";
import { type HomeOption, Homing } from "../../../agent/src/core/relays/homing.ts";
import { RttEstimator } from "../../../agent/src/core/rtt.ts";
import {
  type RankableRelay,
  type Ranked,
  rankFor,
  rankRelays,
} from "../../../coordinator/src/core/ranking.ts";
import { ToldCrowds } from "../../../coordinator/src/core/selection/crowds.ts";
import { seedOf } from "../../../coordinator/src/core/selection/hash.ts";
import type { RelayRtts } from "../../../coordinator/src/core/selection/relay-rtts.ts";
import { selectMore, selectRelays } from "../../../coordinator/src/core/selection.ts";
import { MINUTE_MS, measure, type Resident } from "./world.ts";

/** agent/src/core/relays: relay-link.ts, relay-links.ts and reporter.ts have these and say why. */
const KEEPALIVE_MS = 15_000;
const MEASURE_INTERVAL_MS = 60_000;
const FIRST_SAMPLES = 3;
const FIRST_SAMPLES_INTERVAL_MS = 120;
const RETRY_MIN_MS = 150;
const RETRY_MAX_MS = 10_000;
const SILENT_AFTER_BINDS = 3;
const SETTLING_MS = 1_500;
const REPORT_INTERVAL_MS = 60_000;
/** To the coordinator and back, tickets included. */
const COORDINATOR_MS = 120;

interface Link {
  readonly relay: number;
  readonly rtt: RttEstimator;
  samples: number;
  smoothedMs: number;
  unanswered: number;
  /** Since its last answer it has been silent for too long. */
  silent: boolean;
  nextMs: number;
}

export interface AgentOutcome {
  /** Index of the home relay in each minute; −1 without one. */
  readonly homeByMinute: Int16Array;
  /** At 5 seconds. */
  readonly homeAt5s: number;
  /** Moves for a gain, with their minute. */
  readonly moves: readonly number[];
  readonly forcedMoves: number;
  readonly probes: number;
  readonly measuredRelays: number;
  /** What it knew at the asked minutes. */
  readonly knowledge: ReadonlyMap<number, ReadonlyMap<RelayId, number>>;
}

export interface RelayFleet {
  readonly relays: readonly RankableRelay[];
  readonly rtts: RelayRtts;
}

export function simulateAgent(
  resident: Resident,
  fleet: RelayFleet,
  id: string,
  askedMinutes: ReadonlySet<number>,
  /** This probe, counted from 1, is lost whatever the world says. */
  lostProbe = 0,
): AgentOutcome {
  const agent = new SimulatedAgent(resident, fleet, id, lostProbe);
  return agent.run(askedMinutes);
}

class SimulatedAgent {
  readonly #resident: Resident;
  readonly #fleet: RelayFleet;
  readonly #seed: number;
  readonly #byMap: readonly Ranked[];
  readonly #links = new Map<number, Link>();
  readonly #lostProbe: number;
  readonly #homing = new Homing();
  readonly #indexOf: ReadonlyMap<RelayId, number>;
  readonly #moves: number[] = [];
  #forcedMoves = 0;
  #probes = 0;
  #firstAnswerMs: number | undefined;
  readonly #told = new ToldCrowds();
  #penalties: ReadonlyMap<RelayId, number> = new Map();
  #crowds: ReadonlyMap<RelayId, number> = new Map();
  readonly #id: AgentId;
  readonly #ranks: ReadonlyMap<RelayId, number>;
  #nextReportMs = Number.POSITIVE_INFINITY;

  constructor(resident: Resident, fleet: RelayFleet, id: string, lostProbe: number) {
    this.#lostProbe = lostProbe;
    this.#resident = resident;
    this.#fleet = fleet;
    this.#id = id as AgentId;
    this.#seed = seedOf(id);
    this.#byMap = rankRelays(resident.origin, fleet.relays, { seed: this.#seed });
    // The ranking that agents are told is one for all of a place.
    this.#ranks = new Map(rankRelays(resident.origin, fleet.relays).map(({ relay }, i) => [relay.id, i]));
    this.#indexOf = new Map(fleet.relays.map((relay, i) => [relay.id, i]));
  }

  run(askedMinutes: ReadonlySet<number>): AgentOutcome {
    const { minutes } = this.#resident.world;
    const homeByMinute = new Int16Array(minutes).fill(-1);
    const knowledge = new Map<number, ReadonlyMap<RelayId, number>>();
    let homeAt5s = -1;
    let minute = 0;
    this.#grant(selectRelays(this.#resident.origin, this.#byMap), COORDINATOR_MS);
    this.#tell(this.#byMap, true);
    for (let now = this.#nextMs(); now < minutes * MINUTE_MS; now = this.#nextMs()) {
      if (homeAt5s === -1 && now > 5_000) homeAt5s = this.#home();
      // Each minute is judged at its middle.
      while (minute < minutes && now > (minute + 0.5) * MINUTE_MS) {
        homeByMinute[minute] = this.#home();
        if (askedMinutes.has(minute)) knowledge.set(minute, this.#measured());
        minute++;
      }
      this.#step(now);
    }
    for (; minute < minutes; minute++) homeByMinute[minute] = this.#home();
    return {
      homeByMinute,
      homeAt5s,
      moves: this.#moves,
      forcedMoves: this.#forcedMoves,
      probes: this.#probes,
      measuredRelays: this.#links.size,
      knowledge,
    };
  }

  #home(): number {
    const { home } = this.#homing.homes;
    return home === undefined ? -1 : (this.#indexOf.get(home) ?? -1);
  }

  #nextMs(): number {
    let next = this.#nextReportMs;
    for (const link of this.#links.values()) if (link.nextMs < next) next = link.nextMs;
    return next;
  }

  #step(now: number): void {
    if (this.#nextReportMs <= now) this.#report(now);
    for (const link of this.#links.values()) if (link.nextMs <= now) this.#probe(link, now);
  }

  #probe(link: Link, now: number): void {
    this.#probes++;
    const measuredMs = measure(this.#resident, link.relay, now, this.#resident.random);
    const rttMs = this.#probes === this.#lostProbe ? undefined : measuredMs;
    if (rttMs === undefined) {
      link.unanswered++;
      const doublings = Math.max(0, link.unanswered - SILENT_AFTER_BINDS);
      const retryMs = Math.max(RETRY_MIN_MS, 2 * link.smoothedMs);
      link.nextMs = now + Math.min(retryMs * 2 ** doublings, RETRY_MAX_MS);
      if (link.unanswered <= SILENT_AFTER_BINDS || link.silent) return;
      link.silent = true;
      if (link.samples > 0) this.#decide(now);
      return;
    }
    const heardMs = now + rttMs;
    link.unanswered = 0;
    link.silent = false;
    link.samples++;
    link.smoothedMs = link.samples === 1 ? rttMs : link.smoothedMs + (rttMs - link.smoothedMs) / 8;
    link.rtt.sample(rttMs);
    this.#firstAnswerMs ??= heardMs;
    this.#decide(heardMs);
    const { home, standby } = this.#homing.homes;
    const id = this.#fleet.relays[link.relay]?.id;
    const isKept = id === home || id === standby;
    link.nextMs =
      heardMs +
      (link.samples < FIRST_SAMPLES
        ? FIRST_SAMPLES_INTERVAL_MS
        : isKept
          ? KEEPALIVE_MS
          : MEASURE_INTERVAL_MS);
  }

  #decide(now: number): void {
    const before = this.#homing.homes;
    const moves = this.#homing.moves;
    const settling = this.#firstAnswerMs === undefined || now - this.#firstAnswerMs < SETTLING_MS;
    const homes = this.#homing.decide(this.#options(), settling, now);
    if (homes.home !== before.home && before.home !== undefined && !settling) {
      if (this.#homing.moves > moves) this.#moves.push(now / MINUTE_MS);
      else this.#forcedMoves++;
    }
    if (homes.home !== before.home || homes.standby !== before.standby) {
      for (const id of [homes.home, homes.standby]) {
        const link = id === undefined ? undefined : this.#links.get(this.#indexOf.get(id) ?? -1);
        if (link !== undefined) link.nextMs = Math.min(link.nextMs, now + KEEPALIVE_MS);
      }
      this.#nextReportMs = Math.min(this.#nextReportMs, now + COORDINATOR_MS);
    }
  }

  #options(): HomeOption[] {
    const options: HomeOption[] = [];
    for (const link of this.#links.values()) {
      const relay = this.#fleet.relays[link.relay];
      const rttMs = link.rtt.leastMs;
      if (relay === undefined || rttMs === undefined || link.silent) continue;
      options.push({
        relay: relay.id,
        region: relay.region,
        rttMs,
        samples: link.samples,
        penaltyMs: this.#penalties.get(relay.id) ?? 0,
        crowdMs: this.#crowds.get(relay.id) ?? 0,
        rank: this.#ranks.get(relay.id) ?? this.#fleet.relays.length,
        isReserve: false,
        draining: relay.state === "draining",
        isDown: false,
      });
    }
    return options;
  }

  #measured(): ReadonlyMap<RelayId, number> {
    return new Map(this.#options().map(({ relay, rttMs }) => [relay, rttMs]));
  }

  /** The coordinator hears what was measured, and may grant more. */
  #report(now: number): void {
    this.#nextReportMs = now + REPORT_INTERVAL_MS;
    const ranking = rankFor({ seed: this.#seed }, this.#byMap, this.#measured(), this.#fleet.rtts);
    const more = selectMore(ranking);
    this.#grant(more, now + COORDINATOR_MS / 2);
    this.#tell(ranking, more.length > 0);
  }

  #tell(ranking: readonly Ranked[], hasNewTickets: boolean): void {
    this.#penalties = new Map(
      ranking.map(({ relay, penaltyMs, crowdingMs }) => [relay.id, penaltyMs - crowdingMs]),
    );
    const held = new Set([...this.#links.keys()].flatMap((relay) => this.#fleet.relays[relay]?.id ?? []));
    const crowds = this.#told.toTell(this.#id, ranking, held, hasNewTickets);
    if (crowds !== undefined) this.#crowds = new Map(crowds.map(({ relay, ms }) => [relay, ms]));
  }

  #grant(relays: readonly RelayId[], now: number): void {
    for (const id of relays) {
      const relay = this.#indexOf.get(id);
      if (relay === undefined || this.#links.has(relay)) continue;
      this.#links.set(relay, {
        relay,
        rtt: new RttEstimator(),
        samples: 0,
        smoothedMs: 0,
        unanswered: 0,
        silent: false,
        nextMs: now,
      });
    }
  }
}
