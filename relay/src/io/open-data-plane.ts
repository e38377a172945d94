/** Which data plane a relay gets: threads of its own where Linux's batched calls are, else the main thread. */
import { type DatagramSocket, hasBatchedCalls, openDualStack, openUdp } from "@burrow/platform";
import { endpoint, splitEndpoint } from "@burrow/protocol";
import type { Limits } from "../core/limits.ts";
import {
  type DataPlane,
  type DataPlaneOptions,
  newAddressTable,
  type OpenRelaySocket,
} from "./data-plane.ts";
import { openMainThreadPlane } from "./main-thread-plane.ts";
import { openThreadPlane } from "./thread-plane.ts";

/** The portable socket can be asked for, where the batched calls are suspected of something. */
const SOCKET_VARIABLE = "BURROW_SOCKET";

/** Rejects with a UserError when the port cannot be had. */
export function openDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { openSocket } = options;
  if (openSocket !== undefined) return openMainThreadPlane({ ...options, openSocket });
  const wantsPortable = process.env[SOCKET_VARIABLE] === "portable";
  if (!wantsPortable && hasBatchedCalls()) return openThreadPlane(options);
  return openMainThreadPlane({ ...options, openSocket: (wanted) => openPortable(wanted, options.limits) });
}

/** Kernel buffers for bursts of a full relay; the system may give less. */
const SOCKET_BUFFER_BYTES = 8 * 1024 * 1024;

function openPortable(
  { address, port, addresses, door, onBatch }: Parameters<OpenRelaySocket>[0],
  limits: Limits,
): Promise<DatagramSocket> {
  const options = {
    port,
    onBatch,
    addresses: addresses ?? newAddressTable(limits),
    door: door ?? 0,
    recvBufferBytes: SOCKET_BUFFER_BYTES,
    sendBufferBytes: SOCKET_BUFFER_BYTES,
  };
  if (address === "0.0.0.0" || address === "::") return openDualStack(options);
  const { address: canonical } = splitEndpoint(endpoint(address, port));
  return openUdp({ ...options, address: canonical, family: canonical.includes(":") ? 6 : 4 });
}
