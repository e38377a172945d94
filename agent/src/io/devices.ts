/** Where the agent's plaintext comes from and goes to: a TUN device, an existing WireGuard interface, or nothing. */
import { openTun, type PacketBatch } from "@burrow/platform";
import { OVERLAY_V4_PREFIX, overlayPrefix6, TUNNEL_MTU_BYTES } from "@burrow/protocol";
import type { Netmap } from "../core/contract.ts";

export type DeviceChoice =
  | { readonly kind: "tun"; readonly name: string }
  | { readonly kind: "wireguard"; readonly name: string }
  | { readonly kind: "none" };

export interface PacketDevice {
  write(packet: Uint8Array): void;
  close(): Promise<void>;
}

/** Packets that come out of the tunnel end here; pings are answered by the agent itself. */
export const NO_DEVICE: PacketDevice = { write: () => {}, close: async () => {} };

/** Opens the device and closes it again: a machine without the right to it is to learn so before its token is spent. */
export async function rehearseTunDevice(name: string): Promise<void> {
  const tun = await openTun({ name, mtu: TUNNEL_MTU_BYTES, addresses: [], routes: [], onPackets: () => {} });
  await tun.close();
}

/** A TUN device with this agent's overlay addresses, and routes to the whole overlay. */
export async function openTunDevice(
  name: string,
  netmap: Netmap,
  onPackets: (batch: PacketBatch) => void,
  onGone: () => void,
): Promise<PacketDevice> {
  const { ipv4, ipv6, network } = netmap.agent;
  return openTun({
    name,
    mtu: TUNNEL_MTU_BYTES,
    addresses: [
      { address: ipv4, prefixLength: 32 },
      { address: ipv6, prefixLength: 128 },
    ],
    routes: [OVERLAY_V4_PREFIX, overlayPrefix6(network)],
    onPackets,
    onGone,
  });
}
