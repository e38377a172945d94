/**
 * The second relay of every agent, in another failure domain, chosen so that the death of a whole region overloads
 * nobody: a standby is a reservation. Per region the agents' standbys are counted at each relay, and a relay that
 * already stands by for a region has so much less room for further agents of it. Homes go before reservations; where
 * they have taken the room, standbys are chosen anew, which costs nobody anything.
 */
import type { RelayId } from "@burrow/protocol";
import type { Ranked } from "../ranking.ts";
import { CLASS_MS, crowdMs, type RankableRelay, roomOf } from "./cost.ts";

export class Reservations {
  /** By relay, then by region of the homes it stands by for. */
  readonly #counts = new Map<RelayId, Map<string, number>>();

  /** @param change 1 for a new standby, −1 for one that ended */
  count(homeRegion: string, standby: RelayId, change: number): void {
    const byRegion = this.#counts.get(standby) ?? new Map<string, number>();
    this.#counts.set(standby, byRegion);
    byRegion.set(homeRegion, Math.max(0, (byRegion.get(homeRegion) ?? 0) + change));
  }

  /** How many homes would come to `standby` if all of `region` died now. */
  of(region: string, standby: RelayId): number {
    return this.#counts.get(standby)?.get(region) ?? 0;
  }

  /** Whether more would come than there is room for: homes arrive after standbys, and go first. */
  isOverbooked(region: string, standby: RankableRelay): boolean {
    const { id, capacity, load = 0 } = standby;
    return capacity !== undefined && load + this.of(region, id) > capacity;
  }
}

/** A standby must be there more than it must be near: this much further off is as good, if there is more room. */
const STANDBY_CROWD_FACTOR = 20;

/**
 * The standby for an agent at `home`: of another region, near, and with room left for one more even if that region
 * dies. Relays of the same region only when there is no other. Undefined when there is no second relay.
 */
export function chooseStandby(
  ranking: readonly Ranked[],
  home: RankableRelay,
  reservations: Reservations,
): Ranked | undefined {
  let best: Ranked | undefined;
  let bestCostMs = Number.POSITIVE_INFINITY;
  for (const candidate of ranking) {
    const { relay } = candidate;
    // In order of cost: whoever comes later can only be worse than its own cost.
    if (candidate.costMs - candidate.crowdMs > bestCostMs) break;
    if (relay.id === home.id || relay.state === "down") continue;
    const costMs = standbyCostMs(candidate, home, reservations);
    if (costMs < bestCostMs) [best, bestCostMs] = [candidate, costMs];
  }
  return best;
}

function standbyCostMs(candidate: Ranked, home: RankableRelay, reservations: Reservations): number {
  const { relay, facts, asker } = candidate;
  const load = (relay.load ?? 0) + reservations.of(home.region, relay.id) + 1;
  const room = roomOf({ capacity: relay.capacity, load });
  const isFull = relay.capacity !== undefined && load > relay.capacity;
  return (
    candidate.costMs -
    candidate.crowdMs +
    STANDBY_CROWD_FACTOR * crowdMs(asker, facts.seed, room) +
    (isFull ? CLASS_MS.full : 0) +
    (relay.region === home.region ? SAME_REGION_MS : 0)
  );
}

/** Worse than any full relay, better than any that is draining: it dies together with the home. */
const SAME_REGION_MS = 2 * CLASS_MS.avoid - 1;
