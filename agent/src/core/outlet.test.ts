/** By which ways a peer's packets leave, where a relay does not know yet whose they are. */
import { expect, test } from "bun:test";
import type { Endpoint, RelayId } from "@burrow/protocol";
import { Outlet } from "./outlet.ts";
import { OnePacket } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";
import type { Peer } from "./peers.ts";

const [R0, R1, R2] = ["aa", "bb", "cc"].map((id) => id.padStart(16, "0")) as [RelayId, RelayId, RelayId];
const FLOW = 7;

/** A packet for a peer that is reached by `primary`; where it went. */
function sent(about: {
  readonly primary: PathTarget;
  readonly heardVia?: PathTarget;
  /** Relays that have confirmed the flow, and those that we are bound to. */
  readonly declaredAt: readonly RelayId[];
  readonly boundAt?: readonly RelayId[];
}): string[] {
  const { primary, declaredAt, boundAt = [R0, R1, R2] } = about;
  const went: string[] = [];
  const link = (id: RelayId) => ({ isBound: boundAt.includes(id), info: { id } });
  const outlet = new Outlet({
    sink: { sendDatagram: () => {}, sendDatagrams: (_: unknown, to: Endpoint) => went.push(to) },
    relays: {
      links: [R0, R1, R2].map(link),
      endpointOf: (relay: RelayId) => relay as string as Endpoint,
      isDeclared: (relay: RelayId, index: number) => index === FLOW && declaredAt.includes(relay),
      want: () => {},
    },
    drop: (reason: string) => went.push(reason),
  } as unknown as ConstructorParameters<typeof Outlet>[0]);
  const peer = {
    flows: [FLOW],
    lastHeardVia: about.heardVia,
    paths: { route: () => ({ primary, also: undefined }) },
  };
  outlet.sendToPeer(peer as unknown as Peer, new OnePacket(new Uint8Array(32)), 0);
  return went;
}

const by = (relay: RelayId): PathTarget => ({ kind: "relay", relay });

test("a relay that has confirmed the flow is enough", () => {
  expect(sent({ primary: by(R1), heardVia: by(R0), declaredAt: [R0, R1] })).toEqual([R1]);
});

test("a new home that has not is helped by one that has, also where the peer's packets come by the new one", () => {
  expect(sent({ primary: by(R1), heardVia: by(R1), declaredAt: [R0] })).toEqual([R1, R0]);
  expect(sent({ primary: by(R1), heardVia: by(R2), declaredAt: [R0] })).toEqual([R1, R0]);
});

test("where none has, the relay by which the peer speaks knows the handshake", () => {
  expect(sent({ primary: by(R1), heardVia: by(R2), declaredAt: [] })).toEqual([R1, R2]);
  expect(sent({ primary: by(R1), heardVia: by(R2), declaredAt: [R0], boundAt: [R1, R2] })).toEqual([R1, R2]);
  expect(sent({ primary: by(R1), heardVia: by(R1), declaredAt: [] })).toEqual([R1]);
});

test("a direct path needs nobody's help", () => {
  const direct: PathTarget = { kind: "direct", endpoint: "192.0.2.1:4000" as Endpoint };
  expect(sent({ primary: direct, heardVia: by(R0), declaredAt: [] })).toEqual(["192.0.2.1:4000"]);
});
