/**
 * Where the lab's public addresses meet. One exchange, the core, is the whole internet of a small lab; further ones
 * hang on it at a distance, a continent each:
 *
 *   europe ──40 ms── core ──40 ms── america
 *
 * Every link is routed by itself, with /32 routes and an on-link gateway, so that any address can be anywhere.
 */
import { startDelayLine } from "./delay.ts";
import { FORWARDING, isV6, plainNamespace } from "./host.ts";
import type { Lab, Namespace } from "./netns.ts";

/** An exchange's end of every customer's link. Link-local, so that no public address is spent on it. */
const GATEWAY = "169.254.0.1";
const GATEWAY6 = "fe80::1";

/** A customer's end of an IPv6 link, where its networks are routed to. */
const CUSTOMER6 = "fe80::2";

/** The ends of the links between core and exchanges: .0 is the core's. */
const BACKBONE = "169.254.1";

export interface LinkOptions {
  /** What the link adds to each packet, each way. */
  delayMs?: number;
}

/** A customer's link: `carry` makes the internet send further destinations down it. */
export interface Link {
  carry(destination: string): Promise<void>;
}

type Announce = (destination: string) => Promise<void>;

export class Exchange {
  readonly name: string;
  readonly namespace: Namespace;
  readonly #lab: Lab;
  /** Tells the rest of the internet that a destination is here; the core knows all anyway. */
  readonly #announce: Announce;
  #links = 0;

  private constructor(lab: Lab, name: string, namespace: Namespace, announce: Announce) {
    this.#lab = lab;
    this.name = name;
    this.namespace = namespace;
    this.#announce = announce;
  }

  static async core(lab: Lab): Promise<Exchange> {
    const namespace = await plainNamespace(lab, "internet");
    await namespace.sysctl(FORWARDING);
    await namespace.ip(`addr add ${GATEWAY}/32 dev lo`);
    return new Exchange(lab, "core", namespace, async () => {});
  }

  /** An exchange of its own, one link away from this one, which must be the core. */
  async remote(name: string, options: LinkOptions): Promise<Exchange> {
    const namespace = await plainNamespace(this.#lab, `internet-${name}`);
    await namespace.sysctl(FORWARDING);
    const device = await this.#wire(namespace, "core", options);
    const address = `${BACKBONE}.${this.#links}`;
    await namespace.ip(`addr add ${GATEWAY}/32 dev lo`);
    // On the link, not on the loopback: both ends have the gateway's address, and neither answers to its own.
    await namespace.ip(`addr add ${address}/32 dev core`);
    await this.namespace.ip(`addr add ${BACKBONE}.0/32 dev ${device}`);
    await namespace.ip(`route add default via ${BACKBONE}.0 dev core onlink`);
    await namespace.ip(`-6 addr add ${CUSTOMER6}/64 dev core nodad`);
    await namespace.ip(`-6 route add default via ${GATEWAY6} dev core`);
    return new Exchange(this.#lab, name, namespace, async (destination) => {
      const via = isV6(destination)
        ? `via ${CUSTOMER6} dev ${device}`
        : `via ${address} dev ${device} onlink`;
      await this.namespace.ip(`route add ${destination} ${via}`);
    });
  }

  /** Gives `namespace` a device `wan` with a public address and a default route, IPv6 included. */
  async attach(namespace: Namespace, address: string, options: LinkOptions): Promise<Link> {
    const device = await this.#wire(namespace, "wan", options);
    await namespace.ip(`addr add ${address}/32 dev wan`);
    await namespace.ip(`route add default via ${GATEWAY} dev wan onlink src ${address}`);
    await namespace.ip(`-6 addr add ${CUSTOMER6}/64 dev wan nodad`);
    await namespace.ip(`-6 route add default via ${GATEWAY6} dev wan`);
    await this.#route(address, `dev ${device}`);
    return {
      carry: (destination) =>
        this.#route(
          destination,
          isV6(destination) ? `via ${CUSTOMER6} dev ${device}` : `via ${address} dev ${device} onlink`,
        ),
    };
  }

  async #route(destination: string, via: string): Promise<void> {
    await this.namespace.ip(`route add ${destination} ${via}`);
    await this.#announce(destination);
  }

  // Returns the name of the device on this side.
  async #wire(namespace: Namespace, theirDevice: string, options: LinkOptions): Promise<string> {
    this.#links += 1;
    const device = `to${this.#links}`;
    if (options.delayMs === undefined) await this.#lab.wire(this.namespace, device, namespace, theirDevice);
    else await startDelayLine(this.namespace, device, namespace, theirDevice, options.delayMs);
    await this.namespace.ip(`addr add ${GATEWAY6}/64 dev ${device} nodad`);
    return device;
  }
}
