/** A router of the lab: `wan` towards the internet, the bridge `lan` inside, and a kind of NAT between them. */
import { FORWARDING, type Host, plainNamespace, type Reachable } from "./host.ts";
import { runMiniupnpd } from "./miniupnpd.ts";
import { natScript, type RouterKind, translates } from "./nat-kinds.ts";
import type { Namespace } from "./netns.ts";
import type { Topology } from "./topology.ts";

/** The lab's own (`pcp` speaks NAT-PMP as well, `nat-pmp` that alone), or Debian's miniupnpd, whole or UPnP alone. */
export type PortMapperKind = "pcp" | "nat-pmp" | "miniupnpd" | "miniupnpd-upnp";

const PORT_MAPPER = new URL("port-mapper.ts", import.meta.url).pathname;

interface RouterParts extends Reachable {
  name: string;
  namespace: Namespace;
  kind: RouterKind;
  inside: string;
  inside6: string | undefined;
  /** Makes the outside send packets for an address behind this router here. */
  exposeAddress: (inner: string) => Promise<unknown>;
}

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

  /** Where those inside find it. */
  get insideAddress(): string {
    return `${this.#inside}.1`;
  }

  get kind(): RouterKind {
    return this.#kind;
  }

  /** Changes what kind of NAT this is from now on. Mappings made before live on as long as conntrack keeps them. */
  async become(kind: RouterKind): Promise<void> {
    await this.namespace.nft(natScript(kind, `${this.#inside}.2`));
    this.#kind = kind;
  }

  /** Gives ports of its public address to those inside who ask, from now on. */
  async mapPorts(by: PortMapperKind = "pcp"): Promise<void> {
    if (by === "miniupnpd" || by === "miniupnpd-upnp") {
      return runMiniupnpd(this.#topology.lab, this.namespace, { natPmp: by === "miniupnpd" });
    }
    const outside = this.publicAddresses[0] ?? "";
    const command = [process.execPath, PORT_MAPPER, this.insideAddress, outside, by];
    await this.namespace.spawn(command, { label: "port-mapper" }).waitForLine(/^ready/);
  }

  /** The ports that it has given away, as its kernel has them. */
  async mappedPorts(): Promise<number[]> {
    const { stdout } = await this.namespace.run(["nft", "list", "ruleset"]);
    const held = [...stdout.matchAll(/dport (\d+) dnat ip to|(\d+) : \d+\.\d+\.\d+\.\d+ \. \d+/g)];
    return held.map(([, byRule, byMap]) => Number(byRule ?? byMap));
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
