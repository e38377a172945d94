/**
 * The simulated network. Realms (the internet, home networks, carriers' networks) hold hosts and the outer sides of
 * routers; a packet climbs out of its realm through routers until somebody there owns its destination, travels, and
 * is let down through routers again. Only the internet has distance, loss and cuts.
 */
import { type Endpoint, familyOf } from "@burrow/protocol";
import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import { Endpoints } from "./endpoints.ts";
import type { Host } from "./host.ts";
import type { Translator } from "./nat.ts";
import type { Weather } from "./weather.ts";

/** Within a home: a switch and some Wi-Fi. */
const LAN_DELAY_MS = 0.4;

/** Something that owns an address in a realm: a host, or the outer side of a router. */
type Owner = Host | Router;

export class Realm {
  readonly name: string;
  /** The way out; the internet has none. */
  readonly router: Router | undefined;
  readonly owners = new Map<string, Owner>();

  constructor(name: string, router?: Router) {
    this.name = name;
    this.router = router;
  }
}

export class Router {
  readonly nat: Translator;
  readonly outside: Realm;
  readonly inside: Realm;

  constructor(name: string, nat: Translator, outside: Realm) {
    this.nat = nat;
    this.outside = outside;
    this.inside = new Realm(name, this);
    outside.owners.set(nat.outerAddress, this);
  }
}

/** Looks at every datagram as it is sent and as it arrives. */
export interface Tap {
  sent(by: Host, datagram: Uint8Array, to: Endpoint, fromPort: number): void;
  arrived(at: Host, datagram: Uint8Array, from: Endpoint): void;
}

export interface SendOptions {
  /** The packet opens the doors on its way out and dies somewhere in the middle of the internet. */
  readonly ttl?: number | undefined;
  /** One of the host's further sockets; the main one when absent. */
  readonly socket?: number | undefined;
}

export class Network {
  readonly internet = new Realm("internet");
  readonly weather: Weather;
  readonly taps: Tap[] = [];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #endpoints = new Endpoints();

  constructor(clock: Clock, random: Random, weather: Weather) {
    this.#clock = clock;
    this.#random = random;
    this.weather = weather;
  }

  send(by: Host, bytes: Uint8Array, to: Endpoint, { ttl, socket }: SendOptions = {}): void {
    const nic = by.interfaceFor(familyOf(to));
    const port = by.portOf(socket);
    if (nic === undefined || port === undefined) return;
    const datagram = bytes.slice();
    for (const tap of this.taps) tap.sent(by, datagram, to, port);
    if (by.blocksUdp) return;
    by.leaves(nic, port, to, this.#clock.nowMs);
    const { address } = this.#endpoints.parts(to);
    let { realm } = nic;
    let source = by.endpointOf(nic, port);
    let passed: Owner = by;
    for (;;) {
      const owner = realm.owners.get(address);
      if (owner !== undefined) {
        // No hairpinning: a router does not send back in what came from inside.
        const dies = ttl !== undefined && realm === this.internet;
        if (owner !== passed && !dies) this.#travel(realm, owner, datagram, source, to);
        return;
      }
      if (realm.router === undefined) return;
      passed = realm.router;
      source = passed.nat.outbound(source, to, this.#clock.nowMs);
      realm = passed.outside;
    }
  }

  #travel(realm: Realm, owner: Owner, datagram: Uint8Array, from: Endpoint, to: Endpoint): void {
    if (realm !== this.internet) {
      this.#clock.in(LAN_DELAY_MS, () => this.#arrive(owner, datagram, from, to));
      return;
    }
    const way = this.weather.way(this.#endpoints.parts(from).address, this.#endpoints.parts(to).address);
    if (way.blocked || this.#random.chance(way.loss)) return;
    const copies = this.#random.chance(way.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = way.delayMs + this.#random.next() ** 3 * way.jitterMs;
      this.#clock.in(delayMs, () => this.#arrive(owner, datagram, from, to));
    }
  }

  #arrive(owner: Owner, datagram: Uint8Array, from: Endpoint, to: Endpoint): void {
    const now = this.#clock.nowMs;
    if (owner instanceof Router) {
      const inner = owner.nat.inbound(to, from, now);
      if (inner === undefined) return;
      const next = owner.inside.owners.get(this.#endpoints.parts(inner).address);
      if (next !== undefined) this.#arrive(next, datagram, from, inner);
      return;
    }
    const socket = owner.admits(this.#endpoints.parts(to).port, from, now);
    if (socket === undefined) return;
    for (const tap of this.taps) tap.arrived(owner, datagram, from);
    owner.receive(datagram, from, socket === 0 ? undefined : socket);
  }
}

/** The addresses under which a host's packets travel the internet: one for each family that it has. */
export function outermostAddresses(host: Host): readonly string[] {
  return host.interfaces.map(({ realm, address }) => {
    let outermost = address;
    for (let { router } = realm; router !== undefined; router = router.outside.router) {
      outermost = router.nat.outerAddress;
    }
    return outermost;
  });
}
