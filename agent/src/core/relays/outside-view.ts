/** How this agent looks from outside, by what the relays that it is bound to have seen: addresses, and the NAT's kind. */
import { type Endpoint, type NatMapping, type NatPorts, splitEndpoint } from "@burrow/protocol";
import { portOrder } from "./nat-ports.ts";
import type { RelayLink } from "./relay-link.ts";

export class OutsideView {
  readonly #links: () => readonly RelayLink[];

  constructor(links: () => readonly RelayLink[]) {
    this.#links = links;
  }

  /** Once per distinct view. */
  get reflexive(): readonly Endpoint[] {
    return [...new Set(this.#views())];
  }

  /** What kind of mapping the NAT before us has, by two relays' answers (RFC 4787 §4.1). */
  natMapping(local: readonly Endpoint[]): NatMapping {
    const v4 = this.#views().filter((endpoint) => !endpoint.startsWith("["));
    if (v4.some((endpoint) => local.includes(endpoint))) return "none";
    if (v4.length < 2) return "unknown";
    return new Set(v4).size === 1 ? "endpoint-independent" : "address-dependent";
  }

  /** Where a NAT shows our socket to everybody alike; undefined where there is none such, or too little is known. */
  natOutside(local: readonly Endpoint[]): Endpoint | undefined {
    if (this.natMapping(local) !== "endpoint-independent") return undefined;
    return this.#views().find((endpoint) => !endpoint.startsWith("["));
  }

  /** In which order the NAT gives out ports, as far as the relays' answers tell. */
  natPorts(local: readonly Endpoint[]): NatPorts | undefined {
    const [own] = local;
    if (own === undefined || this.natMapping(local) === "none") return undefined;
    const sightings = this.#links().flatMap((link) => (link.isBound ? (link.sighting ?? []) : []));
    return portOrder(sightings, splitEndpoint(own).port);
  }

  #views(): Endpoint[] {
    return this.#links().flatMap((link) => (link.isBound ? (link.observed ?? []) : []));
  }
}
