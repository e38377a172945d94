/** Homes made of routers and hosts, and the addresses that all of it gets. */

import { Host, type Interface } from "./net/host.ts";
import { Nat, type NatKind, type Translator } from "./net/nat.ts";
import { type Network, type Realm, Router } from "./net/network.ts";
import { StrayNat } from "./net/stray-nat.ts";
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
  readonly #carriers = new Map<string, Router>();
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
    const nat = this.#nat(plan.nat, address, plan);
    const router = new Router("home", nat, outside);
    return { plan, realm: router.inside, routers: carrier === undefined ? [router] : [router, carrier] };
  }

  /** A host for an agent. All homes number alike, so that addresses of different homes are mistaken for each other. */
  agentHost({ plan, realm }: Home): Host {
    const interfaces: Interface[] = [];
    if (plan.ipv6 !== "only") {
      const inHome = realm.owners.size + 10;
      const address = plan.nat === undefined ? this.#publicAddress(plan) : `192.168.1.${inHome}`;
      interfaces.push({ realm, address, firewall: plan.firewall });
    }
    if (plan.ipv6 !== undefined) {
      // Homes with IPv6 have a router that lets in only answers (RFC 6092).
      interfaces.push({ realm: this.#net.internet, address: this.#publicAddress6(plan), firewall: true });
    }
    // Every socket has a port of its own, or all outer ports would be the same and prove nothing.
    return new Host(interfaces, AGENT_PORT + this.#hostsMade++, plan.blocksUdp === true);
  }

  relayHost(position: HomePlan["position"], hasIpv6: boolean): Host {
    const given = 10 + this.#addressesGiven++;
    const addresses = [`203.0.113.${given}`, ...(hasIpv6 ? [`2001:db8:f::${given.toString(16)}`] : [])];
    for (const address of addresses) this.#net.weather.place(address, position);
    const interfaces = addresses.map((address) => ({ realm: this.#net.internet, address, firewall: false }));
    return new Host(interfaces, RELAY_PORT);
  }

  #nat(kind: NatKind, address: string, { natTimeoutMs }: HomePlan): Translator {
    const make = kind.keepsStrays === true ? StrayNat : Nat;
    return new make(kind, address, natTimeoutMs, this.#random.fork());
  }

  #publicAddress({ position }: HomePlan): string {
    const address = `198.51.100.${10 + this.#addressesGiven++}`;
    this.#net.weather.place(address, position);
    return address;
  }

  #publicAddress6({ position }: HomePlan): string {
    const address = `2001:db8::${(10 + this.#addressesGiven++).toString(16)}`;
    this.#net.weather.place(address, position);
    return address;
  }

  #carrierAddress(): string {
    return `100.64.0.${10 + this.#addressesGiven++}`;
  }

  #carrier(kind: NatKind, plan: HomePlan): Router {
    let carrier = this.#carriers.get(kind.name);
    if (carrier === undefined) {
      const nat = this.#nat(kind, this.#publicAddress(plan), plan);
      carrier = new Router("carrier", nat, this.#net.internet);
      this.#carriers.set(kind.name, carrier);
    }
    return carrier;
  }
}

/**
 * How two homes can be joined directly: by plain simultaneous probing, only by trying many sockets and ports
 * (design §7), or not at all.
 */
export function meeting(a: Home, b: Home): "plain" | "punched" | "never" {
  if (a.plan.blocksUdp === true || b.plan.blocksUdp === true) return "never";
  if (a.plan.ipv6 !== undefined && b.plan.ipv6 !== undefined) return "plain";
  if (a.plan.ipv6 === "only" || b.plan.ipv6 === "only") return "never";
  if (a.realm === b.realm && a.routers.length > 0) return "plain";
  const [outerA, outerB] = [a.routers.at(-1), b.routers.at(-1)];
  // One carrier above both, or one router: nothing goes out and comes back in by the same door.
  if (outerA !== undefined && outerA === outerB) return "never";
  const eases = [easeOf(a), easeOf(b)];
  if (!eases.includes("hard") || eases.includes("open")) return "plain";
  return eases.includes("restricted") ? "punched" : "never";
}

function easeOf({ plan, routers }: Home): "open" | "restricted" | "hard" {
  const kinds = routers.map(({ nat }) => nat.kind);
  if (kinds.some(({ mapping }) => mapping === "dependent")) return "hard";
  return plan.firewall || kinds.some(({ filtering }) => filtering === "port") ? "restricted" : "open";
}
