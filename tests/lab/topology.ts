/**
 * A small internet out of namespaces. Exchanges route between all public addresses; everything else hangs on them:
 *
 *   host ── 81.2.69.142 ───┐
 *                       exchange ── 89.160.20.112 ── router (NAT kind) ── bridge ── hosts, further routers
 *   host ── 203.0.113.7 ───┘
 *
 * Any address can be public, so that hosts can live where a GeoIP database says they do. Paths are cut and mended
 * while traffic flows. What a link does to packets in time is delay-line.ts's business, what a router does to them
 * nat-kinds.ts's.
 */
import { Cuts, type Mend } from "./cuts.ts";
import { Exchange, type LinkOptions } from "./exchange.ts";
import { type Host, isV6, plainNamespace, type Reachable } from "./host.ts";
import type { NatKind, RouterKind } from "./nat-kinds.ts";
import type { Lab } from "./netns.ts";
import { Router } from "./router.ts";

export interface PublicOptions extends LinkOptions {
  /** The exchange it hangs on: the core unless said. */
  at?: Exchange;
  /** A public host's IPv6 address (`2a02:d040::7`), or the network behind a router (`2a02:d040:0:1::/64`). */
  v6?: string;
}

export interface RouterOptions extends PublicOptions {
  /** The first three bytes of the inside network, `192.168.7` say. Networks of their own by default. */
  inside?: string;
}

export interface SiteOptions extends PublicOptions {
  /** The public address of a host whose router does not translate (`firewall`); it needs one. */
  hostAddress?: string;
}

export interface CutOptions {
  /** `udp` leaves TCP and ICMP between the two alone. */
  what?: "udp" | "everything";
}

export class Topology {
  readonly lab: Lab;
  readonly core: Exchange;
  readonly #cuts = new Cuts();
  #insides = 0;

  private constructor(lab: Lab, core: Exchange) {
    this.lab = lab;
    this.core = core;
  }

  static async create(lab: Lab): Promise<Topology> {
    const topology = new Topology(lab, await Exchange.core(lab));
    await topology.#cuts.install(topology.core.namespace);
    return topology;
  }

  /** A further exchange, `delayMs` away from the core each way: a continent. */
  async exchange(name: string, options: LinkOptions = {}): Promise<Exchange> {
    const exchange = await this.core.remote(name, options);
    await this.#cuts.install(exchange.namespace);
    return exchange;
  }

  /** A host with a public address of its own and nothing in between. */
  async publicHost(name: string, address: string, options: PublicOptions = {}): Promise<Host> {
    const namespace = await plainNamespace(this.lab, name);
    const link = await (options.at ?? this.core).attach(namespace, address, options);
    if (options.v6 !== undefined) {
      await namespace.ip(`-6 addr add ${options.v6}/128 dev wan nodad`);
      await link.carry(`${options.v6}/128`);
    }
    const publicAddresses = withV6(address, options.v6);
    return { name, namespace, address, address6: options.v6, router: undefined, publicAddresses };
  }

  /** A router with a public address, to put hosts and further routers behind. */
  async router(
    name: string,
    address: string,
    kind: RouterKind,
    options: RouterOptions = {},
  ): Promise<Router> {
    const namespace = await plainNamespace(this.lab, name);
    const link = await (options.at ?? this.core).attach(namespace, address, options);
    if (options.v6 !== undefined) await link.carry(options.v6);
    return Router.create(this, {
      name,
      namespace,
      kind,
      inside: options.inside ?? this.nextInside("192.168"),
      inside6: options.v6,
      publicAddresses: withV6(address, options.v6),
      exposeAddress: (inner) => link.carry(inner),
    });
  }

  /** One host behind a NAT of the given kind with whatever routers that takes; `address` is the outermost one's. */
  async site(name: string, kind: NatKind, address: string, options: SiteOptions = {}): Promise<Host> {
    if (kind === "none") return this.publicHost(name, address, options);
    if (kind === "cgnat") {
      // RFC 6598: what carriers number their customers from. The mesh's own addresses are of the same range, which
      // is no conflict here: they meet on no link.
      const carrier = await this.router(`${name}-isp`, address, "port-restricted", {
        ...options,
        inside: this.nextInside("100.64"),
      });
      return (await carrier.router(`${name}-nat`, "port-restricted")).host(name);
    }
    const router = await this.router(`${name}-nat`, address, kind, options);
    return router.host(name, options.hostAddress === undefined ? {} : { address: options.hostAddress });
  }

  /** Drops what goes between two public addresses (both ways, UDP unless told otherwise) until mended. */
  async cut(a: Reachable, b: Reachable, options: CutOptions = {}): Promise<Mend> {
    const pairs = a.publicAddresses.flatMap((one) =>
      b.publicAddresses.filter((other) => isV6(one) === isV6(other)).map((other) => [one, other] as const),
    );
    return this.#cuts.add((options.what ?? "udp") === "udp" ? "udp_pair" : "pair", pairs);
  }

  /** Takes somebody off the internet until mended: nothing to it, nothing from it. */
  async isolate(who: Reachable): Promise<Mend> {
    return this.#cuts.add(
      "lone",
      who.publicAddresses.map((address) => [address]),
    );
  }

  /** The first three bytes of a /24 for the inside of a router that no other router of this topology has. */
  nextInside(family: "192.168" | "100.64"): string {
    this.#insides += 1;
    return `${family}.${this.#insides}`;
  }
}

function withV6(address: string, v6: string | undefined): string[] {
  return v6 === undefined ? [address] : [address, v6];
}
