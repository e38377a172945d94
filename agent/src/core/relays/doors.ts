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

export interface Door {
  readonly endpoint: Endpoint;
  readonly kind: DoorKind;
}

/** All ways to knock at a relay, best first: its UDP endpoints, of which the first tells its own port, then WebSocket. */
export function doorsOf({ id, endpoints, websocket }: RelayInfo): readonly Door[] {
  const [first] = endpoints;
  const ownPort = first === undefined ? undefined : splitEndpoint(first).port;
  const doors: Door[] = endpoints.map((udp) => {
    const kind = splitEndpoint(udp).port === ownPort ? DoorKind.ownPort : DoorKind.furtherPort;
    return { endpoint: udp, kind };
  });
  if (websocket !== undefined) doors.push({ endpoint: doorEndpoint(id), kind: DoorKind.websocket });
  return doors;
}

export function isDoor(of: Endpoint): boolean {
  return of.startsWith("[100::") || of.startsWith("[100:0:0:0:");
}
