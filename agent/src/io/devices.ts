/** Where the agent's plaintext comes from and goes to: a TUN device, an existing WireGuard interface, or nothing. */
import { openTun, type TunAddress } from "@burrow/platform";
import { type NetworkId, OVERLAY_V4_PREFIX, overlayPrefix6, TUNNEL_MTU_BYTES } from "@burrow/protocol";

export type DeviceChoice =
  | { readonly kind: "tun"; readonly name: string }
  | { readonly kind: "wireguard"; readonly name: string }
  | { readonly kind: "none" };

/** This agent in the overlay. */
export interface OverlayPlace {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly network: NetworkId;
}

export interface TunSettings {
  readonly name: string;
  readonly mtu: number;
  readonly addresses: readonly TunAddress[];
  readonly routes: readonly string[];
}

/** A TUN device with this agent's overlay addresses, and routes to the whole overlay. */
export function tunOptions(name: string, { ipv4, ipv6, network }: OverlayPlace): TunSettings {
  return {
    name,
    mtu: TUNNEL_MTU_BYTES,
    addresses: [
      { address: ipv4, prefixLength: 32 },
      { address: ipv6, prefixLength: 128 },
    ],
    routes: [OVERLAY_V4_PREFIX, overlayPrefix6(network)],
  };
}

/** Opens the device and closes it again: a machine without the right to it is to learn so before its token is spent. */
export async function rehearseTunDevice(name: string): Promise<void> {
  const tun = await openTun({ name, mtu: TUNNEL_MTU_BYTES, addresses: [], routes: [], onPackets: () => {} });
  await tun.close();
}
