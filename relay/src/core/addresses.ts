/** Addresses as the forwarder sees them: small integers. The platform's address table stands behind this. */
import type { Endpoint } from "@burrow/protocol";

/** No address. */
export const NO_ADDRESS = -1;

export interface Addresses {
  /** Handles are below this. */
  readonly capacity: number;
  /** Keeps what a handle means until `unpin`; false when no more can be kept. Counted: one unpin per pin. */
  pin(handle: number): boolean;
  unpin(handle: number): void;
  endpoint(handle: number): Endpoint;
  /** The handle of an endpoint, or NO_ADDRESS when no socket of this relay reaches it. */
  reach(endpoint: Endpoint): number;
  /** A hash of the host without its port (of IPv6 the /64), for budgets per host. */
  hostHash(handle: number): number;
  /** Exactly 127.0.0.1 or ::1: this machine's own programs, and no client of the WebSocket door. */
  isLoopback(handle: number): boolean;
}
