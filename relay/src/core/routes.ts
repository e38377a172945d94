/** Routes as the coordinator pushes them: which agent of which network is bound at which other relay. */
import { type AgentId, keyFromText, type RelayId, type Route } from "@burrow/protocol";
import type { Links } from "./links.ts";
import { NO_LINK, type Parties } from "./parties.ts";
import type { Party } from "./party.ts";
import type { Revocations } from "./revocations.ts";

export class Router {
  readonly #parties: Parties;
  readonly #links: Links;
  readonly #revocations: Revocations;
  readonly #self: RelayId;
  /** Agents that have a route, pushed by the coordinator. */
  readonly #routed = new Set<Party>();

  constructor(parties: Parties, links: Links, revocations: Revocations, self: RelayId) {
    this.#parties = parties;
    this.#links = links;
    this.#revocations = revocations;
    this.#self = self;
  }

  /** All routes there are: those not named end. */
  replace(routes: readonly Route[], now: number): void {
    const named = new Set(routes.map((route) => route.agent));
    const gone = [...this.#routed].flatMap(({ id }) => (id === undefined || named.has(id) ? [] : [id]));
    this.change(routes, gone, now);
  }

  change(upsert: readonly Route[], remove: readonly AgentId[], now: number): void {
    for (const agent of remove) this.#remove(agent);
    for (const route of upsert) this.#upsert(route, now);
  }

  /** The relay map changed: a route may have come before its relay. */
  relink(): void {
    for (const party of this.#routed) if (this.#parties.same(party) === undefined) this.#routed.delete(party);
    this.#parties.relink((relay) => this.#linkTo(relay));
  }

  #upsert(route: Route, now: number): void {
    const key = keyFromText(route.key);
    if (key === undefined) return;
    this.#revocations.pardon(route.agent);
    let party = this.#parties.byId(route.agent);
    if (party !== undefined && party.network !== route.network) {
      this.#routed.delete(party);
      this.#parties.remove(party, "replaced");
      party = undefined;
    }
    party ??= this.#parties.add(route.agent, route.network, now);
    if (party === undefined) return;
    party.key ??= key;
    if (route.relay === this.#self) {
      this.#routed.delete(party);
      this.#parties.pushRoute(party, undefined, NO_LINK);
      return;
    }
    this.#routed.add(party);
    this.#parties.pushRoute(party, route.relay, this.#linkTo(route.relay));
  }

  #remove(agent: AgentId): void {
    const party = this.#parties.byId(agent);
    if (party === undefined) return;
    this.#routed.delete(party);
    this.#parties.pushRoute(party, undefined, NO_LINK);
  }

  #linkTo(relay: RelayId): number {
    const link = this.#links.byId(relay);
    return link?.listed === true ? link.index : NO_LINK;
  }
}
