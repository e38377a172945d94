/** Homes made of routers and hosts, and the addresses that all of it gets. */
import { Nat, type NatKind } from "./net/nat.ts";
import { Host, type Network, type Realm, Router } from "./net/network.ts";
import type { HomePlan } from "./plan.ts";
import type { Random } from "./random.ts";

export const AGENT_PORT = 40_000;
export const RELAY_PORT = 21_820;

export interface Home {
  readonly plan: HomePlan;
  /** Where hosts are plugged in. */
  readonly realm: Realm;
  readonly routers: readonly Router[];
}

export class Places {
  readonly #net: Network;
  readonly #random: Random;
  readonly #carriers = new Map<NatKind, Router>();
  #addressesGiven = 0;
  #hostsMade = 0;

  constructor(net: Network, random: Random) {
    this.#net = net;
    this.#random = random;
  }

  home(plan: HomePlan): Home {
    if (plan.nat === undefined) return { plan, realm: this.#net.internet, routers: [] };
    const carrier = plan.carrier === undefined ? undefined : this.#carrier(plan.carrier, plan);
    const outside = carrier?.inside ?? this.#net.internet;
    const address = carrier === undefined ? this.#publicAddress(plan) : this.#carrierAddress();
    const nat = new Nat(plan.nat, address, plan.natTimeoutMs, this.#random.fork());
    const router = new Router("home", nat, outside);
    return { plan, realm: router.inside, routers: carrier === undefined ? [router] : [router, carrier] };
  }

  /** A host for an agent. All homes number alike, so that addresses of different homes are mistaken for each other. */
  agentHost({ plan, realm }: Home): Host {
    const inHome = realm.owners.size + 10;
    const address = plan.nat === undefined ? this.#publicAddress(plan) : `192.168.1.${inHome}`;
    // Every socket has a port of its own, or all outer ports would be the same and prove nothing.
    return new Host(realm, address, AGENT_PORT + this.#hostsMade++, plan.firewall);
  }

  relayHost(position: HomePlan["position"]): Host {
    const address = `203.0.113.${10 + this.#addressesGiven++}`;
    this.#net.weather.place(address, position);
    return new Host(this.#net.internet, address, RELAY_PORT);
  }

  #publicAddress({ position }: HomePlan): string {
    const address = `198.51.100.${10 + this.#addressesGiven++}`;
    this.#net.weather.place(address, position);
    return address;
  }

  #carrierAddress(): string {
    return `100.64.0.${10 + this.#addressesGiven++}`;
  }

  #carrier(kind: NatKind, plan: HomePlan): Router {
    let carrier = this.#carriers.get(kind);
    if (carrier === undefined) {
      const nat = new Nat(kind, this.#publicAddress(plan), plan.natTimeoutMs, this.#random.fork());
      carrier = new Router("carrier", nat, this.#net.internet);
      this.#carriers.set(kind, carrier);
    }
    return carrier;
  }
}

/** Can two homes be joined directly, by plain simultaneous probing? */
export function canMeet(a: Home, b: Home): boolean {
  if (a.realm === b.realm && a.routers.length > 0) return true;
  const [outerA, outerB] = [a.routers.at(-1), b.routers.at(-1)];
  // One carrier above both, or one router: nothing goes out and comes back in by the same door.
  if (outerA !== undefined && outerA === outerB) return false;
  const [easeA, easeB] = [easeOf(a), easeOf(b)];
  if (easeA === "hard") return easeB === "open";
  return easeB !== "hard" || easeA === "open";
}

function easeOf({ plan, routers }: Home): "open" | "restricted" | "hard" {
  const kinds = routers.map(({ nat }) => nat.kind);
  if (kinds.some(({ mapping }) => mapping === "dependent")) return "hard";
  return plan.firewall || kinds.some(({ filtering }) => filtering === "port") ? "restricted" : "open";
}
