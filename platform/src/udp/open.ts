/** Opens a UDP socket of the best kind that this system has: today the portable one. */
import { openPortableUdp } from "./portable.ts";
import type { DatagramSocket, UdpOptions } from "./socket.ts";

/** Rejects with a UserError when the port is taken, forbidden, or the address is not this machine's. */
export function openUdp(options: UdpOptions): Promise<DatagramSocket> {
  return openPortableUdp(options);
}
