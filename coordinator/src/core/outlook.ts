/**
 * The relays as networks see them: all that serve everybody, and their own. Rankings by the map are kept per place and
 * network, and so are the texts for agents: many arrive from one place at once.
 */
import type { FellowRelay, NetworkId, RankedRelay, RelayInfo } from "@burrow/protocol";
import type { GeoLocation } from "./geo.ts";
import { type Guide, hasOwn } from "./guide.ts";
import { type Ranked, rankingForAgents, rankRelays } from "./ranking.ts";
import { fellowRelay, type RelayEntry, type RelayRegistry, relayInfo } from "./relays.ts";

/** Most agents come from few places; dropped as a whole whenever the relay map changes. */
const RANKINGS_MAX = 1_000;
const TOLD_FOR_MS = 1_000;

export class Outlook {
  readonly #relays: RelayRegistry;
  readonly #guide: Guide;
  readonly #rankings = new Map<string, readonly Ranked[]>();
  readonly #told = new WeakMap<
    readonly Ranked[],
    { readonly atMs: number; readonly ranking: RankedRelay[] }
  >();
  /** Networks that have relays of their own; undefined until it is needed again. */
  #owners: ReadonlySet<NetworkId | undefined> | undefined;

  constructor(relays: RelayRegistry, guide: Guide) {
    this.#relays = relays;
    this.#guide = guide;
  }

  /** The relay map changed: nothing that was worked out from it holds any longer. */
  changed(): void {
    this.#rankings.clear();
    this.#owners = undefined;
  }

  /** All relays that serve `network` (for nobody in particular: that serve all) as they look from `origin`. */
  ranking(origin: GeoLocation | undefined, network?: NetworkId): readonly Ranked[] {
    const audience = this.#audience(network);
    const place = origin === undefined ? "" : `${origin.at.lat} ${origin.at.lon} ${origin.label}`;
    const key = `${audience ?? ""} ${place}`;
    let ranking = this.#rankings.get(key);
    if (ranking === undefined) {
      const relays = this.#relaysFor(audience).map((entry) => this.#guide.rankable(entry));
      ranking = rankRelays(origin, relays, { network: audience, hasOwnRelays: hasOwn(relays, audience) });
      if (this.#rankings.size >= RANKINGS_MAX) this.#rankings.clear();
      this.#rankings.set(key, ranking);
    }
    return ranking;
  }

  /** The ranking by the map as agents are told it: for all of a place the same, and loads a moment old at most. */
  tellable(byMap: readonly Ranked[], now: number): RankedRelay[] {
    const known = this.#told.get(byMap);
    if (known !== undefined && now - known.atMs < TOLD_FOR_MS) return known.ranking;
    const ranking = rankingForAgents(byMap);
    this.#told.set(byMap, { atMs: now, ranking });
    return ranking;
  }

  /** What agents of this network may know of. */
  mapFor(network: NetworkId | undefined): RelayInfo[] {
    return this.#relaysFor(this.#audience(network)).map(relayInfo);
  }

  /** What relays may know of: the own ones of a network as much as its agents, those that serve all networks all. */
  fellowsOf(network: NetworkId | undefined): FellowRelay[] {
    const known = network === undefined ? this.#relays.all() : this.#relaysFor(network);
    return known.map(fellowRelay);
  }

  #relaysFor(audience: NetworkId | undefined): RelayEntry[] {
    return this.#relays
      .all()
      .filter(({ record }) => record.network === undefined || record.network === audience);
  }

  /** Networks without relays of their own all see the same. */
  #audience(network: NetworkId | undefined): NetworkId | undefined {
    this.#owners ??= new Set(this.#relays.all().map(({ record }) => record.network));
    return this.#owners.has(network) ? network : undefined;
  }
}
