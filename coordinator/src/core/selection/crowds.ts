/**
 * What agents are told of how crowded their relays are. Each has its own numbers: were all of a place told the same, all
 * of them would leave a relay that fills up, at one moment. So this comes beside the ranking, which they share, and only
 * when it is news.
 */
import type { AgentId, RelayCrowd, RelayId } from "@burrow/protocol";
import type { Ranked } from "../ranking.ts";

/** Less decides only between relays that are equally far, and is told together with their tickets. */
const NEWS_LEAST_MS = 2;
/** What has doubled or halved is news. */
const NEWS_FACTOR = 2;

const NOTHING: ReadonlyMap<RelayId, number> = new Map();

export class ToldCrowds {
  /** By agent, what it believes, where that is more than next to nothing: for most agents there is no entry. */
  readonly #told = new Map<AgentId, ReadonlyMap<RelayId, number>>();

  /**
   * @param ranking the agent's own; `held` the relays that it has tickets for
   * @param hasNewTickets then it is told in any case
   * @returns all that it should believe from now on, or undefined when what it was told will do
   */
  toTell(
    agent: AgentId,
    ranking: readonly Ranked[],
    held: ReadonlySet<RelayId>,
    hasNewTickets: boolean,
  ): RelayCrowd[] | undefined {
    const told = this.#told.get(agent) ?? NOTHING;
    const crowds = ranking.flatMap(({ relay: { id, state }, crowdingMs }) =>
      held.has(id) && state !== "down" ? { relay: id, ms: Math.round(crowdingMs * 1000) / 1000 } : [],
    );
    if (!hasNewTickets && !crowds.some(({ relay, ms }) => isNews(told.get(relay) ?? 0, ms))) return undefined;
    const kept = crowds.filter(({ ms }) => ms >= NEWS_LEAST_MS);
    if (kept.length === 0) this.#told.delete(agent);
    else this.#told.set(agent, new Map(kept.map(({ relay, ms }) => [relay, ms])));
    return crowds;
  }

  forget(agent: AgentId): void {
    this.#told.delete(agent);
  }
}

function isNews(told: number, now: number): boolean {
  const [less, more] = told < now ? [told, now] : [now, told];
  return more - less >= NEWS_LEAST_MS && more >= NEWS_FACTOR * less;
}
