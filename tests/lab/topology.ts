/**
 * A small internet out of namespaces. One namespace routes between all public addresses; everything else hangs on it:
 *
 *   host ── 81.2.69.142/32 ──┐
 *                         internet ── 89.160.20.112/32 ── router (NAT kind) ── bridge ── hosts, further routers
 *   host ── 216.160.83.56 ───┘
 *
 * Any address can be public, since every link is routed by itself (/32 and on-link gateways), so that hosts can live
 * where a GeoIP database says they do. Paths are cut and mended while traffic flows. What a link does to packets in
 * time is delay-line.ts's business; what a router does to them is nat-kinds.ts's.
 */

import { startDelayLine } from "./delay.ts";
import { type NatKind, natScript, type RouterKind, translates } from "./nat-kinds.ts";
import type { Lab, Namespace } from "./netns.ts";

/** The internet's end of every link. Link-local, so that no public address is spent on it. */
const GATEWAY = "169.254.0.1";
const GATEWAY6 = "fe80::1";

/** A router's end of an IPv6 link: it needs no other address on this side. */
const ROUTER6 = "fe80::2";

const FORWARDING = { "net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1 };

// Inherited from whatever machine the lab runs on unless stated: strict reverse path filters would eat packets on
// on-link routes, and duplicate address detection would hold back IPv6 for seconds.
const PLAIN_NETWORK = {
  "net.ipv4.conf.all.rp_filter": 0,
  "net.ipv4.conf.default.rp_filter": 0,
  "net.ipv6.conf.all.disable_ipv6": 0,
  "net.ipv6.conf.default.disable_ipv6": 0,
  "net.ipv6.conf.all.accept_dad": 0,
  "net.ipv6.conf.default.accept_dad": 0,
  "net.ipv6.conf.default.accept_ra": 0,
};

export interface LinkOptions {
  /** What the link to the internet adds to each packet, each way. Two hosts are twice the sum of both apart. */
  delayMs?: number;
}

export interface PublicOptions extends LinkOptions {
  /** A public host's IPv6 address (`2a02:d040::7`), or the network behind a router (`2a02:d040:0:1::/64`). */
  v6?: string;
}

export interface RouterOptions extends PublicOptions {
  /** The first three bytes of the inside network, `192.168.7` say. Networks of their own by default. */
  inside?: string;
}

/** Something with addresses that the internet sees; what {@link Topology.cut} takes. */
export interface Reachable {
  readonly publicAddresses: readonly string[];
}

/** A machine at the edge: where programs run. */
export interface Host extends Reachable {
  readonly name: string;
  readonly namespace: Namespace;
  /** Its own IPv4 address: the public one, or that behind its router. */
  readonly address: string;
  readonly address6: string | undefined;
  readonly router: Router | undefined;
}

/** Undoes a cut; a second call does nothing. */
export type Mend = () => Promise<void>;

export interface CutOptions {
  /** `udp` leaves TCP and ICMP between the two alone. */
  what?: "udp" | "everything";
}

export class Topology {
  readonly lab: Lab;
  readonly internet: Namespace;
  readonly #cuts: Cuts;
  #links = 0;
  #insides = 0;

  private constructor(lab: Lab, internet: Namespace) {
    this.lab = lab;
    this.internet = internet;
    this.#cuts = new Cuts(internet);
  }

  static async create(lab: Lab): Promise<Topology> {
    const internet = await plainNamespace(lab, "internet");
    await internet.sysctl(FORWARDING);
    await internet.ip(`addr add ${GATEWAY}/32 dev lo`);
    const topology = new Topology(lab, internet);
    await topology.#cuts.install();
    return topology;
  }

  /** A host with a public address of its own and nothing in between. */
  async publicHost(name: string, address: string, options: PublicOptions = {}): Promise<Host> {
    const namespace = await plainNamespace(this.lab, name);
    const device = await this.#link(namespace, address, options);
    if (options.v6 !== undefined) {
      await namespace.ip(`-6 addr add ${options.v6}/128 dev wan nodad`);
      await namespace.ip(`-6 route add default via ${GATEWAY6} dev wan`);
      await this.internet.ip(`-6 route add ${options.v6}/128 dev ${device}`);
    }
    return {
      name,
      namespace,
      address,
      address6: options.v6,
      router: undefined,
      publicAddresses: [address, ...(options.v6 === undefined ? [] : [options.v6])],
    };
  }

  /** A router with a public address, to put hosts and further routers behind. */
  async router(
    name: string,
    address: string,
    kind: RouterKind,
    options: RouterOptions = {},
  ): Promise<Router> {
    const namespace = await plainNamespace(this.lab, name);
    const device = await this.#link(namespace, address, options);
    if (options.v6 !== undefined) {
      await namespace.ip(`-6 addr add ${ROUTER6}/64 dev wan nodad`);
      await namespace.ip(`-6 route add default via ${GATEWAY6} dev wan`);
      await this.internet.ip(`-6 route add ${options.v6} via ${ROUTER6} dev ${device}`);
    }
    return Router.create(this, {
      name,
      namespace,
      kind,
      inside: options.inside ?? this.nextInside("192.168"),
      inside6: options.v6,
      publicAddresses: [address, ...(options.v6 === undefined ? [] : [options.v6])],
      exposeAddress: (inner) => this.internet.ip(`route add ${inner}/32 via ${address} dev ${device} onlink`),
    });
  }

  /**
   * One host behind a NAT of the given kind with whatever routers that takes, the public address being that of the
   * outermost. `address` of a host behind a `firewall` is `hostAddress`, which must be given.
   */
  async site(
    name: string,
    kind: NatKind,
    address: string,
    options: PublicOptions & { hostAddress?: string } = {},
  ): Promise<Host> {
    if (kind === "none") return this.publicHost(name, address, options);
    if (kind === "cgnat") {
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

  /** A /24 for the inside of a router that no other router of this topology has. */
  nextInside(family: "192.168" | "100.64"): string {
    this.#insides += 1;
    return `${family}.${this.#insides}`;
  }

  // Gives `namespace` the device `wan` with a public address, and the internet the way there. Returns its device.
  async #link(namespace: Namespace, address: string, options: LinkOptions): Promise<string> {
    this.#links += 1;
    const device = `to${this.#links}`;
    if (options.delayMs === undefined) await this.lab.wire(this.internet, device, namespace, "wan");
    else await startDelayLine(this.internet, device, namespace, "wan", options.delayMs);

    await this.internet.ip(`addr add ${GATEWAY6}/64 dev ${device} nodad`);
    await this.internet.ip(`route add ${address}/32 dev ${device}`);
    await namespace.ip(`addr add ${address}/32 dev wan`);
    await namespace.ip(`route add default via ${GATEWAY} dev wan onlink src ${address}`);
    return device;
  }
}

interface RouterParts extends Reachable {
  name: string;
  namespace: Namespace;
  kind: RouterKind;
  inside: string;
  inside6: string | undefined;
  /** Makes the outside send packets for an address behind this router here. */
  exposeAddress: (inner: string) => Promise<unknown>;
}

/** A router with `wan` towards the internet and the bridge `lan` inside. */
export class Router implements Reachable {
  readonly name: string;
  readonly namespace: Namespace;
  readonly publicAddresses: readonly string[];

  readonly #topology: Topology;
  readonly #inside: string;
  readonly #inside6: string | undefined;
  readonly #exposeAddress: RouterParts["exposeAddress"];
  #kind: RouterKind;
  #hosts = 1;

  private constructor(topology: Topology, parts: RouterParts) {
    this.name = parts.name;
    this.namespace = parts.namespace;
    this.publicAddresses = parts.publicAddresses;
    this.#topology = topology;
    this.#inside = parts.inside;
    this.#inside6 = parts.inside6?.replace(/\/64$/, "");
    this.#exposeAddress = parts.exposeAddress;
    this.#kind = parts.kind;
  }

  /** For {@link Topology.router}: `parts.namespace` has its `wan` already. */
  static async create(topology: Topology, parts: RouterParts): Promise<Router> {
    const router = new Router(topology, parts);
    const { namespace } = parts;
    await namespace.sysctl(FORWARDING);
    await namespace.ip("link add name lan type bridge");
    await namespace.ip("link set dev lan up");
    await namespace.ip(`addr add ${parts.inside}.1/24 dev lan`);
    if (router.#inside6 !== undefined) await namespace.ip(`-6 addr add ${router.#inside6}1/64 dev lan nodad`);
    await router.become(parts.kind);
    return router;
  }

  get kind(): RouterKind {
    return this.#kind;
  }

  /** Changes what kind of NAT this is from now on. Mappings made before live on as long as conntrack keeps them. */
  async become(kind: RouterKind): Promise<void> {
    await this.namespace.nft(natScript(kind, `${this.#inside}.2`));
    this.#kind = kind;
  }

  /**
   * A host behind this router. A full cone hands unasked packets to the first one. Behind a router that does not
   * translate, the host needs a public `address` of its own.
   */
  async host(name: string, options: { address?: string } = {}): Promise<Host> {
    const exposed = !translates(this.#kind);
    if (exposed && options.address === undefined) {
      throw new Error(
        `${name} is behind ${this.name}, which translates nothing (${this.#kind}): give it a public address`,
      );
    }
    const namespace = await plainNamespace(this.#topology.lab, name);
    const number = await this.#plug(namespace, "lan0");
    let address = `${this.#inside}.${number}`;
    if (options.address !== undefined) {
      address = options.address;
      await namespace.ip(`addr add ${address}/32 dev lan0`);
      await namespace.ip(`route change default via ${this.#inside}.1 dev lan0 src ${address}`);
      await this.namespace.ip(`route add ${address}/32 dev lan`);
      await this.#exposeAddress(address);
    }
    let address6: string | undefined;
    if (this.#inside6 !== undefined) {
      address6 = `${this.#inside6}${number}`;
      await namespace.ip(`-6 addr add ${address6}/64 dev lan0 nodad`);
      await namespace.ip(`-6 route add default via ${this.#inside6}1 dev lan0`);
    }
    const publicAddresses = exposed
      ? [address, ...(address6 === undefined ? [] : [address6])]
      : this.publicAddresses;
    return { name, namespace, address, address6, router: this, publicAddresses };
  }

  /** A further router behind this one: carrier-grade NAT, a second box in the living room. IPv4 only. */
  async router(name: string, kind: RouterKind, options: { inside?: string } = {}): Promise<Router> {
    const namespace = await plainNamespace(this.#topology.lab, name);
    const number = await this.#plug(namespace, "wan");
    return Router.create(this.#topology, {
      name,
      namespace,
      kind,
      inside: options.inside ?? this.#topology.nextInside("192.168"),
      inside6: undefined,
      publicAddresses: this.publicAddresses,
      exposeAddress: async (inner) => {
        await this.namespace.ip(`route add ${inner}/32 via ${this.#inside}.${number} dev lan`);
        await this.#exposeAddress(inner);
      },
    });
  }

  // Wires `device` of a namespace to the bridge, numbers it and points its default route here. Returns the number.
  async #plug(namespace: Namespace, device: string): Promise<number> {
    this.#hosts += 1;
    const port = `port${this.#hosts}`;
    await this.#topology.lab.wire(this.namespace, port, namespace, device);
    await this.namespace.ip(`link set dev ${port} master lan`);
    await namespace.ip(`addr add ${this.#inside}.${this.#hosts}/24 dev ${device}`);
    await namespace.ip(`route add default via ${this.#inside}.1 dev ${device}`);
    return this.#hosts;
  }
}

/** Rules in the internet that drop packets by their addresses; sets, so that a cut is one element more or less. */
class Cuts {
  readonly #internet: Namespace;
  // The same cut made twice is mended when both are.
  readonly #holders = new Map<string, number>();

  constructor(internet: Namespace) {
    this.#internet = internet;
  }

  async install(): Promise<void> {
    const families = [
      { suffix: "4", type: "ipv4_addr", ip: "ip" },
      { suffix: "6", type: "ipv6_addr", ip: "ip6" },
    ];
    const sets = families.map(
      ({ suffix, type }) => `
        set udp_pair${suffix} { type ${type} . ${type}; flags interval; }
        set pair${suffix} { type ${type} . ${type}; flags interval; }
        set lone${suffix} { type ${type}; flags interval; }`,
    );
    const rules = families.map(
      ({ suffix, ip }) => `
        ${ip} saddr . ${ip} daddr @udp_pair${suffix} meta l4proto udp drop
        ${ip} saddr . ${ip} daddr @pair${suffix} drop
        ${ip} saddr @lone${suffix} drop
        ${ip} daddr @lone${suffix} drop`,
    );
    await this.#internet.nft(`
      table inet cuts {
        ${sets.join("\n")}
        chain between { type filter hook forward priority filter; policy accept;
          ${rules.join("\n")}
        }
      }
    `);
  }

  /** Each item is a pair of addresses, to be cut both ways, or one address. */
  async add(set: "udp_pair" | "pair" | "lone", items: readonly (readonly string[])[]): Promise<Mend> {
    const elements = items.flatMap((item) => {
      const name = `${set}${isV6(item[0] ?? "") ? "6" : "4"}`;
      const ways = item.length === 1 ? [item] : [item, item.toReversed()];
      return ways.map((way) => `${name} { ${way.join(" . ")} }`);
    });
    await this.#change(
      "add",
      elements.filter((element) => this.#hold(element, +1) === 1),
    );
    let mended = false;
    return async () => {
      if (mended) return;
      mended = true;
      await this.#change(
        "delete",
        elements.filter((element) => this.#hold(element, -1) === 0),
      );
    };
  }

  #hold(element: string, change: 1 | -1): number {
    const holders = (this.#holders.get(element) ?? 0) + change;
    this.#holders.set(element, holders);
    return holders;
  }

  async #change(verb: "add" | "delete", elements: readonly string[]): Promise<void> {
    if (elements.length === 0) return;
    await this.#internet.nft(elements.map((element) => `${verb} element inet cuts ${element}\n`).join(""));
  }
}

async function plainNamespace(lab: Lab, label: string): Promise<Namespace> {
  const namespace = await lab.namespace(label);
  await namespace.sysctl(PLAIN_NETWORK);
  return namespace;
}

function isV6(address: string): boolean {
  return address.includes(":");
}
