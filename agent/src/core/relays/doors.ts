/**
 * A relay's doors: its UDP port at each of its addresses, further UDP ports for networks that let only those pass, and
 * WebSocket where UDP is blocked. The last looks to the machine like an endpoint in the discard-only prefix 100::/64
 * (RFC 6666) made of the relay's id: no packet from a network can bear it, and the UDP socket never sends there.
 */
import { type Endpoint, endpoint, type RelayId, type RelayInfo, splitEndpoint } from "@burrow/protocol";

const DOOR_PORT = 443;

export function doorEndpoint(relay: RelayId): Endpoint {
  const groups = relay.match(/.{4}/g) ?? [];
  return endpoint(`100::${groups.join(":")}`, DOOR_PORT);
}

/** Less is better: where packets go by a worse kind of door, better ones are tried again and again. */
export const DoorKind = { ownPort: 0, furtherPort: 1, websocket: 2 } as const;
export type DoorKind = (typeof DoorKind)[keyof typeof DoorKind];

/** The first of the relay's endpoints tells its own port. */
export function doorKind(door: Endpoint, { endpoints: [first] }: RelayInfo): DoorKind {
  if (isDoor(door)) return DoorKind.websocket;
  const isOwn = first === undefined || splitEndpoint(door).port === splitEndpoint(first).port;
  return isOwn ? DoorKind.ownPort : DoorKind.furtherPort;
}

export function isDoor(of: Endpoint): boolean {
  return of.startsWith("[100::") || of.startsWith("[100:0:0:0:");
}
