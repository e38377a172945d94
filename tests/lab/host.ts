/** What stands at the edges of the lab's internet: the machines where programs run, and how any namespace starts out. */
import type { Lab, Namespace } from "./netns.ts";
import type { Router } from "./router.ts";

/** Something with addresses that the internet sees; what cuts take. */
export interface Reachable {
  /** Addresses, or networks in prefix notation. */
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

/** What makes a namespace pass packets on. */
export const FORWARDING = { "net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1 };

/** A namespace whose network behaves the same on every machine. */
export async function plainNamespace(lab: Lab, label: string): Promise<Namespace> {
  const namespace = await lab.namespace(label);
  await namespace.sysctl(PLAIN_NETWORK);
  return namespace;
}

export function isV6(address: string): boolean {
  return address.includes(":");
}
