/**
 * How a relay's WebSocket door looks to the machine: an endpoint in the discard-only prefix 100::/64 (RFC 6666) made
 * of the relay's id. No packet from a network can bear it, and the UDP socket never sends there.
 */
import { type Endpoint, endpoint, type RelayId } from "@burrow/protocol";

const DOOR_PORT = 443;

export function doorEndpoint(relay: RelayId): Endpoint {
  const groups = relay.match(/.{4}/g) ?? [];
  return endpoint(`100::${groups.join(":")}`, DOOR_PORT);
}

export function isDoor(of: Endpoint): boolean {
  return of.startsWith("[100::") || of.startsWith("[100:0:0:0:");
}
