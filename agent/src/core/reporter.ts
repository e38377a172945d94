/**
 * What the coordinator is told of this agent: candidates, home, paths. Changes are gathered for a moment, and all is
 * said again after each (re)connection, since a coordinator keeps none of it across its own restarts.
 */
import type { FromAgent, PathReport } from "@burrow/protocol";
import type { Agent } from "./agent.ts";
import type { Peer } from "./peers.ts";

/** Candidates and home matter to others at once; paths are for operators. */
const PATHS_PAUSE_MS = 200;
/** Round trips are reported this often, changed or not. */
const HOME_INTERVAL_MS = 60_000;
/** The latest, in a message whose text the coordinator takes up to 256 KiB; a path has 700 bytes at most. */
const PATHS_MAX = 300;

export class Reporter {
  readonly #agent: Agent;
  readonly #send: (message: FromAgent) => boolean;
  #homeDueMs: number | undefined;
  #pathsDueMs: number | undefined;
  #hadHome = false;

  constructor(agent: Agent, send: (message: FromAgent) => boolean) {
    this.#agent = agent;
    this.#send = send;
  }

  channelUp(now: number): void {
    this.candidatesChanged(now);
    this.homeChanged(now);
    this.pathsChanged(now);
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
      reason: homes.reason,
    });
  }

  pathsChanged(now: number): void {
    this.#pathsDueMs ??= now + PATHS_PAUSE_MS;
  }

  tick(now: number): void {
    if (this.#homeDueMs !== undefined && now >= this.#homeDueMs) this.homeChanged(now);
    if (this.#pathsDueMs === undefined || now < this.#pathsDueMs) return;
    this.#pathsDueMs = undefined;
    const paths = [...this.#agent.peers.all].filter((peer) => peer.paths.isAwake).map(reportOf);
    const latest = paths.toSorted((a, b) => b.sinceMs - a.sinceMs).slice(0, PATHS_MAX);
    this.#send({ type: "paths", paths: latest });
  }

  nextDeadline(): number | undefined {
    const deadline = Math.min(
      this.#homeDueMs ?? Number.POSITIVE_INFINITY,
      this.#pathsDueMs ?? Number.POSITIVE_INFINITY,
    );
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
  }
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
