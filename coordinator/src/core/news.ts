/**
 * What has changed and is still to be told. Changes within a few milliseconds become one message, so that ten
 * thousand agents arriving together do not mean a hundred million messages.
 */
import type { AgentId, NetworkId } from "@burrow/protocol";

export const NEWS_DELAY_MS = 10;
/** A network's news go to all its members: the larger it is, the longer they are gathered. 10,000 agents: 1 s. */
const NEWS_DELAY_PER_MEMBER_MS = 0.1;
const NEWS_DELAY_MAX_MS = 2_000;

interface PeerNews {
  readonly dueMs: number;
  readonly changed: Set<AgentId>;
}

export interface DueNews {
  /** To be told first: a peer must not send by way of a relay that has not heard where to hand on. */
  readonly routes: ReadonlyMap<AgentId, NetworkId>;
  readonly relayMap: boolean;
  readonly peers: ReadonlyMap<NetworkId, ReadonlySet<AgentId>>;
}

export class News {
  #routes = new Map<AgentId, NetworkId>();
  #routesDueMs: number | undefined;
  #relayMapDueMs: number | undefined;
  readonly #peers = new Map<NetworkId, PeerNews>();

  /** A route appeared, moved or went. */
  route(network: NetworkId, agent: AgentId, now: number): void {
    this.#routes.set(agent, network);
    this.#routesDueMs ??= now + NEWS_DELAY_MS;
  }

  relayMap(now: number): void {
    this.#relayMapDueMs ??= now + NEWS_DELAY_MS;
  }

  /** Something that the other members of the network may know of the agent changed, or the agent is gone. */
  peer(network: NetworkId, agent: AgentId, members: number, now: number): void {
    let news = this.#peers.get(network);
    if (news === undefined) {
      const delayMs = Math.min(NEWS_DELAY_MAX_MS, NEWS_DELAY_MS + members * NEWS_DELAY_PER_MEMBER_MS);
      news = { dueMs: now + delayMs, changed: new Set() };
      this.#peers.set(network, news);
    }
    news.changed.add(agent);
  }

  take(now: number): DueNews {
    const peers = new Map<NetworkId, ReadonlySet<AgentId>>();
    for (const [network, news] of this.#peers) {
      if (news.dueMs > now) continue;
      peers.set(network, news.changed);
      this.#peers.delete(network);
    }
    // Peers that are told now of a new home rely on its route: no route waits behind them.
    const routesDue = peers.size > 0 || isDue(this.#routesDueMs, now);
    const routes = routesDue ? this.#routes : new Map<AgentId, NetworkId>();
    if (routesDue) {
      this.#routes = new Map();
      this.#routesDueMs = undefined;
    }
    const relayMap = isDue(this.#relayMapDueMs, now);
    if (relayMap) this.#relayMapDueMs = undefined;
    return { routes, relayMap, peers };
  }

  nextDeadline(): number | undefined {
    let next = earlier(this.#routesDueMs, this.#relayMapDueMs);
    for (const { dueMs } of this.#peers.values()) next = earlier(next, dueMs);
    return next;
  }
}

export function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}

function isDue(atMs: number | undefined, now: number): boolean {
  return atMs !== undefined && atMs <= now;
}
