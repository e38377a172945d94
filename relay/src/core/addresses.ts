/** Addresses as the forwarder sees them: small integers. The platform's address table stands behind this. */
import type { Endpoint } from "@burrow/protocol";

/** An address as records keep it: with the door (of several listening ports, 0 the first) that it was met at. */
export interface Source {
  readonly endpoint: Endpoint;
  readonly door: number;
}

/** No address. */
export const NO_ADDRESS = -1;

export interface Addresses {
  /** Handles are below this. */
  readonly capacity: number;
  /** Keeps what a handle means until `unpin`; false when no more can be kept. Counted: one unpin per pin. */
  pin(handle: number): boolean;
  unpin(handle: number): void;
  endpoint(handle: number): Endpoint;
  /** The same host and port has another handle at each door, and is answered by the one that it came in by. */
  door(handle: number): number;
  /** The handle of an endpoint at a door (default 0), or NO_ADDRESS when no socket there reaches it. */
  reach(endpoint: Endpoint, door?: number): number;
  /** A hash of the host without its port (of IPv6 the /64), for budgets per host. */
  hostHash(handle: number): number;
  /** Exactly 127.0.0.1 or ::1: this machine's own programs, and no client of the WebSocket door. */
  isLoopback(handle: number): boolean;
}
