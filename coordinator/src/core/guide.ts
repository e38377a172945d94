/**
 * What the coordinator learns while agents tell it where they are bound and what they measured: how full each relay
 * is, who stands by for whom, how far relays are from one another. From it, each agent's own ranking.
 */
import type { AgentId, NetworkId, RelayId, RelayReach } from "@burrow/protocol";
import { type Ranked, rankFor } from "./ranking.ts";
import { RelayEvidence } from "./relay-evidence.ts";
import type { RelayEntry } from "./relays.ts";
import type { RankableRelay } from "./selection/cost.ts";
import { ToldCrowds } from "./selection/crowds.ts";
import { BESIDE_MS } from "./selection/estimate.ts";
import { seedOf } from "./selection/hash.ts";
import { chooseStandby, RelayRtts, Reservations } from "./selection.ts";

/** What an agent reports of itself. */
export interface Told {
  readonly id: AgentId;
  readonly network: NetworkId;
  readonly rtts: readonly { readonly relay: RelayId; readonly rttMs: number }[];
}

/** Where an agent's home and standby are counted. */
interface Booking {
  readonly home: RelayId;
  readonly region: string;
  readonly standby: RelayId | undefined;
}

const NOTHING_MEASURED: ReadonlyMap<RelayId, number> = new Map();

export class Guide {
  readonly rtts = new RelayRtts();
  readonly #evidence = new RelayEvidence();
  readonly #reservations = new Reservations();
  readonly #bookings = new Map<AgentId, Booking>();
  readonly #homes = new Map<RelayId, number>();
  readonly crowds = new ToldCrowds();
  /** The last advice for a standby: not worth repeating to those who could not follow it. */
  readonly #advised = new Map<AgentId, RelayId>();

  /** A relay as selection sees it. Its load is read whenever it is asked for: rankings live longer than loads. */
  rankable(entry: RelayEntry): RankableRelay {
    const { id, region, at, network, weightMs, avoid } = entry.record;
    const homes = this.#homes;
    return {
      id,
      region,
      at,
      state: entry.state,
      network,
      weightMs,
      avoid,
      capacity: entry.load?.sessionsMax,
      // Homes that agents told of, or bindings that the relay told of, whichever came to know of more.
      get load() {
        return Math.max(homes.get(id) ?? 0, entry.load?.sessions ?? 0);
      },
      get homes() {
        return homes.get(id) ?? 0;
      },
    };
  }

  /** The ranking for one agent: by what it measured, by the map where it did not. */
  rank({ id, network, rtts }: Told, byMap: readonly Ranked[]): readonly Ranked[] {
    const hasOwnRelays = hasOwn(
      byMap.map(({ relay }) => relay),
      network,
    );
    const measured =
      rtts.length === 0 ? NOTHING_MEASURED : new Map(rtts.map(({ relay, rttMs }) => [relay, rttMs]));
    const home = this.#bookings.get(id)?.home;
    return rankFor({ seed: seedOf(id), network, hasOwnRelays, home }, byMap, measured, this.rtts);
  }

  /**
   * The agent told where it is bound, and what it measured of known relays.
   * @param networks how many there are: so many may speak of the way between two relays
   */
  book(told: Told, home: RankableRelay | undefined, standby: RelayId | undefined, networks: number): void {
    this.#unbook(told.id);
    if (home === undefined) return;
    this.#homes.set(home.id, (this.#homes.get(home.id) ?? 0) + 1);
    if (standby !== undefined) this.#reservations.count(home.region, standby, 1);
    this.#bookings.set(told.id, { home: home.id, region: home.region, standby });
    const rttMs = told.rtts.find(({ relay }) => relay === home.id)?.rttMs;
    if (rttMs === undefined || rttMs > BESIDE_MS) return;
    this.rtts.hearsay(home.id, this.#evidence.hear(home.id, told.network, told.rtts, networks));
  }

  /** What a relay measured of others itself: beats what agents beside it tell. */
  relayMeasured(from: RelayId, reach: readonly RelayReach[]): void {
    this.rtts.report(
      from,
      reach.flatMap(({ relay, rttMs }) => (rttMs === undefined ? [] : [{ relay, rttMs }])),
    );
  }

  forget(agent: AgentId): void {
    this.#unbook(agent);
    this.crowds.forget(agent);
    this.#advised.delete(agent);
  }

  forgetRelay(relay: RelayId): void {
    this.rtts.forget(relay);
    this.#evidence.forget(relay);
  }

  /**
   * Where the agent should stand by, if what it has will not do: none, of the home's region while there are others,
   * or one that could not take all who count on it. Undefined when all is well, or was said before.
   */
  adviseStandby(agent: AgentId, ranking: readonly Ranked[]): RelayId | undefined {
    const booking = this.#bookings.get(agent);
    if (booking === undefined) return undefined;
    const relayOf = (id: RelayId | undefined) => ranking.find(({ relay }) => relay.id === id)?.relay;
    const [home, standby] = [relayOf(booking.home), relayOf(booking.standby)];
    if (home === undefined) return undefined;
    const isGood =
      standby?.state === "healthy" &&
      standby.region !== home.region &&
      !this.#reservations.isOverbooked(home.region, standby);
    if (isGood) {
      this.#advised.delete(agent);
      return undefined;
    }
    const better = chooseStandby(ranking, home, this.#reservations)?.relay.id;
    if (better === undefined || better === booking.standby || better === this.#advised.get(agent))
      return undefined;
    this.#advised.set(agent, better);
    return better;
  }

  #unbook(agent: AgentId): void {
    const booking = this.#bookings.get(agent);
    if (booking === undefined) return;
    this.#bookings.delete(agent);
    this.#homes.set(booking.home, Math.max(0, (this.#homes.get(booking.home) ?? 0) - 1));
    if (booking.standby !== undefined) this.#reservations.count(booking.region, booking.standby, -1);
  }
}

/** Whether the network has relays of its own that are of use: then all others are its fallback. */
export function hasOwn(relays: readonly RankableRelay[], network: NetworkId | undefined): boolean {
  return (
    network !== undefined && relays.some((relay) => relay.network === network && relay.state === "healthy")
  );
}
