/**
 * Tells the system's senders what the path to a peer carries, by a route to the peer's addresses with an MTU of its own.
 * The kernel does the rest where it is done for every other link: TCP's segment size, ICMP to those it forwards for,
 * fragments. Most peers need none; the device's own MTU fits them.
 */
import type { PeerInfo } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";

const log = getLogger(["burrow", "agent", "device"]);

/** The least that IPv6 works with (RFC 8200 §5): its route is left alone below. */
const IPV6_MTU_MIN = 1280;

export type SetRouteMtu = (address: string, source: string, mtuBytes: number | undefined) => Promise<void>;

interface OwnAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
}

export class PeerMtus {
  readonly #own: () => OwnAddresses | undefined;
  readonly #setRoute: SetRouteMtu;
  /** One change at a time, in order. */
  #work: Promise<void> = Promise.resolve();

  constructor(own: () => OwnAddresses | undefined, setRoute: SetRouteMtu) {
    this.#own = own;
    this.#setRoute = setRoute;
  }

  set({ name, ipv4, ipv6 }: PeerInfo, mtuBytes: number | undefined): void {
    const own = this.#own();
    if (own === undefined) return;
    const mtu6 = mtuBytes === undefined || mtuBytes < IPV6_MTU_MIN ? undefined : mtuBytes;
    this.#work = this.#work
      .then(() => this.#setRoute(ipv4, own.ipv4, mtuBytes))
      .then(() => this.#setRoute(ipv6, own.ipv6, mtu6))
      .catch((error: unknown) => {
        log.warn("the route to {name} could not be given its MTU: {error}", {
          name,
          error: error instanceof Error ? error.message : String(error),
        });
      });
  }
}
