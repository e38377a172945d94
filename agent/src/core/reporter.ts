/**
 * What the coordinator is told of this agent: candidates, home, paths. Changes are gathered for a moment, and all is
 * said again after each (re)connection, since a coordinator keeps none of it across its own restarts.
 */
import {
  type AgentFigures,
  type AgentId,
  type FromAgent,
  PATHS_MAX,
  type PathReport,
  type RelayedBecause,
} from "@burrow/protocol";
import { Figures } from "./figures.ts";
import type { AgentParts } from "./parts.ts";
import type { PathChange } from "./paths/contract.ts";
import type { Peer } from "./peers.ts";
import { relayedBecause } from "./views.ts";

/** Candidates and home matter to others at once; paths are for operators. */
const PATHS_PAUSE_MS = 200;
/** All of them are told each time: the more there are, the rarer. At 700 bytes a path at most, 128 KB a second. */
const PATHS_PAUSE_PER_PATH_MS = 5.5;
/** Of relays that were measured for the first time, those of one set of tickets together. */
const MEASURED_PAUSE_MS = 300;
/** Round trips are reported this often, changed or not. */
const HOME_INTERVAL_MS = 60_000;
/** Figures are told this often, and this soon after a path changed; not at all when nothing is new. */
const FIGURES_INTERVAL_MS = 60_000;
const FIGURES_PAUSE_MS = 1_000;

export class Reporter {
  readonly #agent: AgentParts;
  readonly #send: (message: FromAgent) => boolean;
  readonly #figures = new Figures();
  #homeDueMs: number | undefined;
  #pathsDueMs: number | undefined;
  #pathsTold = 0;
  #figuresDueMs: number | undefined;
  #figuresTold = "";
  #hadHome = false;

  constructor(agent: AgentParts, send: (message: FromAgent) => boolean) {
    this.#agent = agent;
    this.#send = send;
  }

  channelUp(now: number): void {
    this.candidatesChanged(now);
    this.homeChanged(now);
    this.pathsChanged(now);
    this.#figuresTold = "";
  }

  candidatesChanged(_now: number): void {
    const { candidates, nat, natPorts } = this.#agent.whereabouts;
    this.#send({ type: "candidates", candidates: [...candidates], nat, natPorts });
  }

  homeChanged(now: number): void {
    const { homes, links } = this.#agent.relays;
    this.#homeDueMs = now + HOME_INTERVAL_MS;
    // Without a home that is said as well: others must not go on sending to one that is gone.
    if (homes.home === undefined && !this.#hadHome) return;
    this.#hadHome = true;
    const rtts = links.flatMap(({ info, rtt }) => {
      return rtt.leastMs === undefined ? [] : [{ relay: info.id, rttMs: rtt.leastMs }];
    });
    this.#send({
      type: "home",
      home: homes.home,
      standby: homes.standby,
      rtts: rtts.slice(0, 64),
      moves: this.#agent.relays.homeMoves,
      reason: homes.reason,
    });
  }

  /** A relay that was new to us is measured: the coordinator chooses by it. */
  measured(now: number): void {
    this.#homeDueMs = Math.min(this.#homeDueMs ?? Number.POSITIVE_INFINITY, now + MEASURED_PAUSE_MS);
  }

  /** Or one has proven itself: chosen while nobody talked, it was not worth a word then. */
  pathsChanged(now: number): void {
    this.#pathsDueMs ??= now + Math.max(PATHS_PAUSE_MS, this.#pathsTold * PATHS_PAUSE_PER_PATH_MS);
    this.#figuresDueMs = Math.min(this.#figuresDueMs ?? now + FIGURES_PAUSE_MS, now + FIGURES_PAUSE_MS);
  }

  pathChanged(id: AgentId, change: PathChange, now: number): void {
    this.pathsChanged(now);
    const peer = this.#agent.peers.get(id);
    if (peer === undefined) return;
    const { awakeSinceMs: talkingSinceMs, silentSinceMs } = peer.paths;
    const facts = { bytes: this.#bytesOf(id), talkingSinceMs, silentSinceMs };
    this.#figures.pathChanged(id, change, facts, now);
  }

  peerRemoved(id: AgentId): void {
    this.#figures.forget(id);
  }

  tick(now: number): void {
    if (this.#homeDueMs !== undefined && now >= this.#homeDueMs) this.homeChanged(now);
    if (this.#figuresDueMs !== undefined && now >= this.#figuresDueMs) this.#tellFigures(now);
    if (this.#pathsDueMs === undefined || now < this.#pathsDueMs) return;
    this.#pathsDueMs = undefined;
    const paths = [...this.#agent.peers.all].filter((peer) => peer.paths.isAwake).map(reportOf);
    const latest = paths.toSorted((a, b) => b.sinceMs - a.sinceMs).slice(0, PATHS_MAX);
    this.#pathsTold = latest.length;
    this.#send({ type: "paths", paths: latest });
  }

  #tellFigures(now: number): void {
    this.#figuresDueMs = now + FIGURES_INTERVAL_MS;
    for (const { info, paths } of this.#agent.peers.all) {
      this.#figures.sample(info.id, paths.current?.kind, this.#bytesOf(info.id));
    }
    const pairs = pairsOf(this.#agent);
    const text = JSON.stringify({ ...pairs, ...this.#figures.since });
    if (text === this.#figuresTold) return;
    if (!this.#send({ type: "figures", ...pairs, ...this.#figures.since })) return;
    this.#figures.told();
    // The same pairs, and nothing since, would not be worth a message.
    this.#figuresTold = JSON.stringify({ ...pairs, ...this.#figures.since });
  }

  #bytesOf(peer: AgentId): number {
    const statistics = this.#agent.tunnel.statistics(peer);
    return statistics === undefined ? 0 : statistics.rxBytes + statistics.txBytes;
  }

  nextDeadline(): number | undefined {
    const deadline = Math.min(
      this.#homeDueMs ?? Number.POSITIVE_INFINITY,
      this.#pathsDueMs ?? Number.POSITIVE_INFINITY,
      this.#figuresDueMs ?? Number.POSITIVE_INFINITY,
    );
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
  }
}

/** Pairs that talk, by the way they go. */
function pairsOf(agent: AgentParts): Pick<AgentFigures, "direct" | "relayed"> {
  let direct = 0;
  const relayed: Partial<Record<RelayedBecause, number>> = {};
  for (const peer of agent.peers.all) {
    if (!peer.paths.isAwake) continue;
    const because = relayedBecause(agent, peer);
    if (because !== undefined) relayed[because] = (relayed[because] ?? 0) + 1;
    else if (peer.paths.current?.kind === "direct") direct++;
  }
  return { direct, relayed };
}

function reportOf({ info, paths }: Peer): PathReport {
  const target = paths.current;
  return {
    peer: info.id,
    kind: target?.kind ?? "none",
    endpoint: target?.kind === "direct" ? target.endpoint : undefined,
    relay: target?.kind === "relay" ? target.relay : undefined,
    rttMs: paths.currentPath?.rtt.smoothedMs,
    sinceMs: Math.max(0, paths.currentSinceMs),
    reason: paths.reason,
  };
}
