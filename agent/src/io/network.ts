/** Tells the agent's machine of this machine's addresses and its router, now and whenever they change. */
import { isTunnelInterface, type LocalNetwork, localNetwork, watchNetwork } from "@burrow/platform";
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
    const usable = addresses.filter(({ name, address }) => {
      // Other overlays number their tunnels like ours: a path through one of them would not carry whole packets.
      const isOverlays = OVERLAY_V4.test(address) && isTunnelInterface(name);
      return name !== overlayInterface && !isOverlays;
    });
    const local = usable
      .filter(({ family }) => host.hasFamily(family))
      .map(({ address }) => endpoint(address, host.port));
    host.command({ type: "network", local, gateway });
  };
  report(localNetwork());
  const watcher = watchNetwork(report);
  return { close: () => watcher.close() };
}
