/** Tells the agent's machine of this machine's addresses and its router, now and whenever they change. */
import {
  isTunnelInterface,
  type LocalAddress,
  type LocalNetwork,
  localNetwork,
  watchNetwork,
} from "@burrow/platform";
import { endpoint } from "@burrow/protocol";
import type { AgentHost } from "./host.ts";

/** 100.64.0.0/10. */
const OVERLAY_V4 = /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;

/** `overlayInterface`: its addresses are the overlay's own and so no candidates. */
export function reportNetwork(
  host: AgentHost,
  overlayInterface: string | undefined,
): { readonly close: () => void } {
  const report = ({ addresses, gateway }: LocalNetwork) => {
    const local = reachableAddresses(addresses, overlayInterface, isTunnelInterface)
      .filter(({ family }) => host.hasFamily(family))
      .map(({ address }) => endpoint(address, host.port));
    host.command({ type: "network", local, gateway });
  };
  report(localNetwork());
  const watcher = watchNetwork(report);
  return { close: () => watcher.close() };
}

/**
 * Those that a peer may be told of. An address on another VPN's tunnel looks near and is not: packets would be wrapped
 * twice, go by wherever that VPN goes (perhaps through this one), and carry less. So it counts only where the machine
 * has no other address of its family. Other overlays number their tunnels like ours, and never count.
 */
export function reachableAddresses(
  addresses: readonly LocalAddress[],
  overlayInterface: string | undefined,
  isTunnel: (name: string) => boolean,
): readonly LocalAddress[] {
  const tunnels = new Set(addresses.map(({ name }) => name).filter(isTunnel));
  const usable = addresses.filter(
    ({ name, address }) => name !== overlayInterface && !(OVERLAY_V4.test(address) && tunnels.has(name)),
  );
  const isReal = ({ name, internal, linkLocal }: LocalAddress) =>
    !internal && !linkLocal && !tunnels.has(name);
  const families = new Set(usable.filter(isReal).map(({ family }) => family));
  return usable.filter(({ name, family }) => !tunnels.has(name) || !families.has(family));
}
