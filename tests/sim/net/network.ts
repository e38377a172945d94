/**
 * The simulated network. Realms (the internet, home networks, carriers' networks) hold hosts and the outer sides of
 * routers; a packet climbs out of its realm through routers until somebody there owns its destination, travels, and
 * is let down through routers again. Only the internet has distance, loss and cuts.
 */
import { type Endpoint, endpoint, splitEndpoint } from "@burrow/protocol";
import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import type { Nat } from "./nat.ts";
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
  readonly nat: Nat;
  readonly outside: Realm;
  readonly inside: Realm;

  constructor(name: string, nat: Nat, outside: Realm) {
    this.nat = nat;
    this.outside = outside;
    this.inside = new Realm(name, this);
    outside.owners.set(nat.outerAddress, this);
  }

  /** The provider gave it another address. */
  readdress(address: string): void {
    this.outside.owners.delete(this.nat.outerAddress);
    this.nat.outerAddress = address;
    this.outside.owners.set(address, this);
    this.nat.reboot();
  }
}

export class Host {
  readonly realm: Realm;
  readonly address: string;
  readonly port: number;
  /** A stateful firewall on the host: lets in only answers. */
  readonly firewall: boolean;
  /** Whom it sent to and when, for the firewall. */
  readonly sentTo = new Map<Endpoint, number>();
  receive: (datagram: Uint8Array, from: Endpoint) => void = () => {};

  constructor(realm: Realm, address: string, port: number, firewall = false) {
    this.realm = realm;
    this.address = address;
    this.port = port;
    this.firewall = firewall;
    realm.owners.set(address, this);
  }

  get endpoint(): Endpoint {
    return endpoint(this.address, this.port);
  }

  /** Gone from the network, for good. */
  unplug(): void {
    if (this.realm.owners.get(this.address) === this) this.realm.owners.delete(this.address);
    this.receive = () => {};
  }
}

/** Looks at every datagram as it is sent and as it arrives. */
export interface Tap {
  sent(by: Host, datagram: Uint8Array, to: Endpoint): void;
  arrived(at: Host, datagram: Uint8Array, from: Endpoint): void;
}

const FIREWALL_MEMORY_MS = 60_000;

export class Network {
  readonly internet = new Realm("internet");
  readonly weather: Weather;
  readonly taps: Tap[] = [];
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(clock: Clock, random: Random, weather: Weather) {
    this.#clock = clock;
    this.#random = random;
    this.weather = weather;
  }

  /** `ttl`: the packet opens the doors on its way out and dies somewhere in the middle of the internet. */
  send(by: Host, bytes: Uint8Array, to: Endpoint, ttl?: number): void {
    const datagram = bytes.slice();
    for (const tap of this.taps) tap.sent(by, datagram, to);
    by.sentTo.set(to, this.#clock.nowMs);
    const { address } = splitEndpoint(to);
    let realm = by.realm;
    let source = by.endpoint;
    let passed: Owner = by;
    for (;;) {
      const owner = realm.owners.get(address);
      if (owner !== undefined) {
        // No hairpinning: a router does not send back in what came from inside.
        const dies = ttl !== undefined && realm === this.internet;
        if (owner !== passed && !dies) this.#travel(realm, passed, owner, datagram, source, to);
        return;
      }
      if (realm.router === undefined) return;
      passed = realm.router;
      source = passed.nat.outbound(source, to, this.#clock.nowMs);
      realm = passed.outside;
    }
  }

  #travel(realm: Realm, by: Owner, owner: Owner, datagram: Uint8Array, from: Endpoint, to: Endpoint): void {
    if (realm !== this.internet) {
      this.#clock.in(LAN_DELAY_MS, () => this.#arrive(owner, datagram, from, to));
      return;
    }
    const way = this.weather.way(addressOf(by), addressOf(owner));
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
      const next = owner.inside.owners.get(splitEndpoint(inner).address);
      if (next !== undefined) this.#arrive(next, datagram, from, inner);
      return;
    }
    if (splitEndpoint(to).port !== owner.port) return;
    if (owner.firewall && now - (owner.sentTo.get(from) ?? Number.NEGATIVE_INFINITY) > FIREWALL_MEMORY_MS)
      return;
    for (const tap of this.taps) tap.arrived(owner, datagram, from);
    owner.receive(datagram, from);
  }
}

function addressOf(owner: Owner): string {
  return owner instanceof Router ? owner.nat.outerAddress : owner.address;
}

/** The address under which a host's packets travel the internet. */
export function outermostAddress(host: Host): string {
  let address = host.address;
  for (let router = host.realm.router; router !== undefined; router = router.outside.router) {
    address = router.nat.outerAddress;
  }
  return address;
}
