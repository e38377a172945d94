/**
 * Relays in the order in which somebody should try them: how far each is (measured, predicted or mapped), and what
 * stands for or against it besides. Numbers first; every number in the sum is a term with its reason, written only
 * when a person asks.
 */
import type { RankedRelay, RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation } from "./geo.ts";
import {
  type Asker,
  crowdingMs,
  crowdMs,
  mayUse,
  penaltyMs,
  penaltyTerms,
  type RankableRelay,
  roomFor,
  type Term,
} from "./selection/cost.ts";
import {
  ACCESS_MS,
  type Estimate,
  FIBRE_MS_PER_100_KM,
  mappedEstimate,
  measuredEstimate,
  uncertaintyKm,
} from "./selection/estimate.ts";
import { seedOf } from "./selection/hash.ts";
import { type Anchor, anchorOf, contradictsMap, type Measured, predicted } from "./selection/posterior.ts";
import type { RelayRtts } from "./selection/relay-rtts.ts";

export type { Asker, RankableRelay, Term } from "./selection/cost.ts";

/** Nobody knows how far: after all that somebody knows of, before all that is a fallback. */
const UNKNOWN_MS = 2_000;
const ANYBODY: Asker = {};

/** What follows from a relay alone, worked out once per ranking by the map. */
interface RelayFacts {
  readonly seed: number;
  /** A region may span several cities; within half a degree it is the same one. */
  readonly place: string;
}

function factsOf({ id, region, at }: RankableRelay): RelayFacts {
  const grid = at === undefined ? "" : ` ${Math.round(at.lat * 2)} ${Math.round(at.lon * 2)}`;
  return { seed: seedOf(id), place: region + grid };
}

export class Ranked {
  readonly relay: RankableRelay;
  readonly facts: RelayFacts;
  readonly origin: GeoLocation | undefined;
  readonly km: number | undefined;
  /** Undefined when nobody knows where the agent or the relay is. */
  readonly estimate: Estimate | undefined;
  readonly asker: Asker;
  /** What is added to the round trip, and the sum that is the place in the ranking. */
  readonly penaltyMs: number;
  readonly costMs: number;
  /** The part of the penalty that spreads agents over relays. */
  readonly crowdMs: number;

  constructor(
    relay: RankableRelay,
    facts: RelayFacts,
    origin: GeoLocation | undefined,
    km: number | undefined,
    estimate: Estimate | undefined,
    asker: Asker,
  ) {
    this.relay = relay;
    this.facts = facts;
    this.origin = origin;
    this.km = km;
    this.estimate = estimate;
    this.asker = asker;
    this.crowdMs = crowdMs(asker, facts.seed, roomFor(relay, asker));
    this.penaltyMs = penaltyMs(relay, this.crowdMs, asker);
    this.costMs = (estimate?.ms ?? UNKNOWN_MS) + this.penaltyMs;
  }

  /** The part of the penalty that comes of its load. */
  get crowdingMs(): number {
    return crowdingMs(this.relay, this.crowdMs, this.asker);
  }

  get distanceKm(): number | undefined {
    return this.km === undefined ? undefined : Math.round(this.km);
  }

  get expectedRttMs(): number | undefined {
    return this.estimate === undefined ? undefined : round(Math.max(0, this.estimate.ms));
  }

  get terms(): readonly Term[] {
    const { relay, estimate, crowdMs: crowd, asker } = this;
    const distance = estimate === undefined ? [] : this.#distanceTerms(estimate);
    return [...distance, ...penaltyTerms(relay, crowd, asker)].map((term) => ({
      ...term,
      ms: round(term.ms),
    }));
  }

  get reason(): string {
    const { relay, origin, estimate, terms } = this;
    if (estimate === undefined) {
      const missing = origin === undefined ? "this address" : "the relay";
      const aside = terms.filter(({ name }) => name !== "crowd").map((term) => `; ${term.reason}`);
      return `${relay.region}: nobody knows where ${missing} is${aside.join("")}`;
    }
    const vague = origin?.precision === "country" ? " (only the country is known)" : "";
    const from = estimate.source === "mapped" && origin !== undefined ? ` from ${origin.label}${vague}` : "";
    const sum = terms.map((term) => `${term.ms} ms (${term.reason})`).join(" + ");
    return `${relay.region}${from}: ${sum} = ${round(this.costMs)} ms`;
  }

  #distanceTerms(estimate: Estimate): Term[] {
    const { ms, lowMs, highMs, source } = estimate;
    const between = `${round(lowMs)} to ${round(highMs)} ms`;
    switch (source) {
      case "measured":
        return [{ name: "measured", ms, reason: "measured by the agent" }];
      case "predicted":
        return [{ name: "predicted", ms, reason: `predicted from relays measured nearby, ${between}` }];
      case "mapped":
        return [
          {
            name: "fibre",
            ms: ms - ACCESS_MS,
            reason: `${this.distanceKm} km at ${FIBRE_MS_PER_100_KM} ms per 100 km, ${between}`,
          },
          { name: "access", ms: ACCESS_MS, reason: "last mile and first routers" },
        ];
    }
  }
}

/** By the map alone, before anything is measured. Healthy relays come before draining ones before dead ones. */
export function rankRelays(
  origin: GeoLocation | undefined,
  relays: readonly RankableRelay[],
  asker: Asker = ANYBODY,
): readonly Ranked[] {
  const ranked = relays.map((relay) => {
    const facts = factsOf(relay);
    if (origin === undefined || relay.at === undefined) {
      return new Ranked(relay, facts, origin, undefined, undefined, asker);
    }
    const km = distanceKm(origin.at, relay.at);
    return new Ranked(relay, facts, origin, km, mappedEstimate(km, uncertaintyKm(origin)), asker);
  });
  return ranked.sort(byCost);
}

/**
 * The same relays for one agent, with what it measured. Measured beats mapped; of the others, measured ones tell how
 * far they may be at most and at least; where the map cannot be true, it is left out.
 */
export function rankFor(
  asker: Asker,
  byMap: readonly Ranked[],
  measured: Measured,
  rtts: RelayRtts,
): readonly Ranked[] {
  const usable = byMap.filter(({ relay }) => mayUse(relay, asker));
  if (measured.size === 0) {
    const same = usable.map(({ relay, facts, origin, km, estimate }) => {
      return new Ranked(relay, facts, origin, km, estimate, asker);
    });
    return same.sort(byCost);
  }
  const relays = usable.map(({ relay }) => relay);
  const anchors: Anchor[] = relays.flatMap((relay) => {
    const rttMs = measured.get(relay.id);
    return rttMs === undefined ? [] : [anchorOf(relay, rttMs, rtts)];
  });
  const origin = usable[0]?.origin;
  const mapIsWrong = origin !== undefined && contradictsMap(origin, relays, measured);
  const ranked = usable.map(({ relay, facts, km, estimate }) => {
    const rttMs = measured.get(relay.id);
    const mapped = mapIsWrong || origin?.precision === "country" ? undefined : estimate;
    const better = rttMs === undefined ? predicted(relay, mapped, anchors) : measuredEstimate(rttMs);
    return new Ranked(relay, facts, mapIsWrong ? undefined : origin, km, better, asker);
  });
  return ranked.sort(byCost);
}

/**
 * What agents get of it: relays that are down are no use to them, and how crowded the others are is for each agent
 * something else (selection/crowds.ts).
 * @param standby the relay, if any, where the agent is advised to stand by
 */
export function rankingForAgents(ranked: readonly Ranked[], standby?: RelayId): RankedRelay[] {
  return ranked
    .filter(({ relay }) => relay.state !== "down")
    .map(({ relay, expectedRttMs, penaltyMs: penalty, crowdingMs: crowding, reason }) => ({
      relay: relay.id,
      ...(expectedRttMs === undefined ? {} : { expectedRttMs }),
      ...(penalty === crowding ? {} : { penaltyMs: Math.round((penalty - crowding) * 100) / 100 }),
      ...(relay.id === standby ? { standby: true } : {}),
      reason,
    }));
}

function byCost(a: Ranked, b: Ranked): number {
  return a.costMs - b.costMs || (a.relay.id < b.relay.id ? -1 : 1);
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
