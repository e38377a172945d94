/**
 * Pairs that were introduced lately: which relays beside their homes both should bind to and measure, because they may be
 * the best for the two. Told at each introduction, and again when what either has measured since makes another choice.
 */
import type { AgentId, RelayId, ToAgent } from "@burrow/protocol";
import type { AgentEntry, AgentRegistry } from "./agents.ts";
import type { Ranked } from "./ranking.ts";
import type { RelayRtts } from "./selection/relay-rtts.ts";
import { pairPaths, relaysForPair } from "./selection.ts";

/** Agents that are still relayed are introduced anew at least once a minute. */
const PAIR_LIFE_MS = 120_000;
/** Of one agent, the latest. */
const PAIRS_MAX = 16;
const RELAYS_MAX = 3;

export interface MatchmakerParts {
  readonly agents: AgentRegistry;
  readonly rtts: RelayRtts;
  readonly rankingFor: (entry: AgentEntry) => readonly Ranked[];
  readonly grant: (entry: AgentEntry, relays: readonly RelayId[], now: number) => void;
  readonly tell: (agent: AgentId, message: ToAgent) => void;
}

/** What both were told last. Kept under both. */
interface Pair {
  atMs: number;
  told: string;
}

export class Matchmaker {
  readonly #parts: MatchmakerParts;
  readonly #pairs = new Map<AgentId, Map<AgentId, Pair>>();

  constructor(parts: MatchmakerParts) {
    this.#parts = parts;
  }

  /** Both are connected and of one network. */
  introduced(a: AgentEntry, b: AgentEntry, now: number): void {
    const { rankingFor, grant } = this.#parts;
    const [ofA, ofB] = [rankingFor(a), rankingFor(b)];
    const relays = relaysForPair(ofA, ofB);
    for (const one of [a, b]) grant(one, relays, now);
    const pair = { atMs: now, told: "" };
    this.#remember(a.record.id, b.record.id, pair);
    this.#remember(b.record.id, a.record.id, pair);
    this.#tell(a, b, ofA, ofB, pair, now);
  }

  /** The agent told what it measured, or that its home is another one. */
  measured(a: AgentEntry, now: number): void {
    const pairs = this.#pairs.get(a.record.id);
    if (pairs === undefined) return;
    let ofA: readonly Ranked[] | undefined;
    for (const [peer, pair] of pairs) {
      const b = this.#parts.agents.get(peer);
      if (b?.presence === undefined || now - pair.atMs > PAIR_LIFE_MS) {
        pairs.delete(peer);
        continue;
      }
      ofA ??= this.#parts.rankingFor(a);
      this.#tell(a, b, ofA, this.#parts.rankingFor(b), pair, now);
    }
    if (pairs.size === 0) this.#pairs.delete(a.record.id);
  }

  forget(agent: AgentId): void {
    for (const peer of this.#pairs.get(agent)?.keys() ?? []) this.#pairs.get(peer)?.delete(agent);
    this.#pairs.delete(agent);
  }

  #tell(
    a: AgentEntry,
    b: AgentEntry,
    ofA: readonly Ranked[],
    ofB: readonly Ranked[],
    pair: Pair,
    now: number,
  ): void {
    const paths = pairPaths(ofA, ofB, this.#parts.rtts, [a.record.home, b.record.home]);
    const [best] = paths;
    if (best === undefined) return;
    const singles = paths.filter(({ relays }) => relays.length === 1).slice(0, RELAYS_MAX);
    const relays = singles.map(({ relays: [relay], rttMs, reason }) => {
      return { relay, expectedRttMs: Math.round(rttMs * 10) / 10, reason };
    });
    const told = [best.relays.join("+"), ...relays.map(({ relay }) => relay)].join(" ");
    if (told === pair.told) return;
    pair.told = told;
    const ids = relays.map(({ relay }) => relay);
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.#parts.grant(one, ids, now);
      const { reason } = best;
      this.#parts.tell(one.record.id, { type: "pair-relays", peer: other.record.id, relays, reason });
    }
  }

  #remember(agent: AgentId, peer: AgentId, pair: Pair): void {
    const pairs = this.#pairs.get(agent) ?? new Map<AgentId, Pair>();
    this.#pairs.set(agent, pairs);
    pairs.delete(peer);
    pairs.set(peer, pair);
    if (pairs.size <= PAIRS_MAX) return;
    for (const oldest of pairs.keys()) {
      pairs.delete(oldest);
      break;
    }
  }
}
