/** Packets of an existing interface pass untouched, and each is given to the peer that it belongs to. */
import { expect, test } from "bun:test";
import {
  type AgentId,
  agentIdOf,
  type PublicKey,
  WireGuardInitiation,
  WireGuardResponse,
  WireGuardTransport,
} from "@burrow/protocol";
import fc from "fast-check";
import { OnePacket } from "./packets.ts";
import { Passthrough } from "./passthrough.ts";
import type { PathTarget } from "./paths/path.ts";

const KEY = new Uint8Array(32).fill(5) as PublicKey;
const PEER = agentIdOf(KEY);
const STRANGER = "00000000000000ee" as AgentId;
const VIA = { kind: "direct", endpoint: "192.0.2.1:1" } as PathTarget;

function packet(type: 1 | 2 | 4, length: number, sender: number, receiver = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = type;
  view.setUint32(4, type === 4 ? receiver : sender, true);
  if (type === 2) view.setUint32(8, receiver, true);
  return bytes;
}
const initiation = (sender: number) => packet(1, WireGuardInitiation.length, sender);
const response = (sender: number, receiver: number) => packet(2, WireGuardResponse.length, sender, receiver);
const transport = (receiver: number) => packet(4, WireGuardTransport.lengthMin, 0, receiver);

class Interface {
  readonly log: string[] = [];
  readonly passthrough: Passthrough;

  constructor(initiator: Uint8Array | undefined = KEY) {
    this.passthrough = new Passthrough(
      {
        transmit: (id, { memory }) => this.log.push(`out ${id} ${memory[0]}`),
        deliver: () => this.log.push("delivered"),
        authenticated: (id, _from, data) => this.log.push(`heard ${id} ${data ? "data" : "handshake"}`),
        flowEstablished: (id, index) => this.log.push(`flow ${id} ${index}`),
        toInterface: (id, { memory }) => this.log.push(`in ${id} ${memory[0]}`),
        peerSet: ({ id }) => this.log.push(`set ${id}`),
        peerRemoved: (id) => this.log.push(`removed ${id}`),
      },
      () => initiator,
    );
    this.passthrough.setPeer({ id: PEER, key: KEY, allowedIps: ["100.64.0.5/32"] }, 0);
    this.log.length = 0;
  }
}

test("a response to the interface's own initiation goes to it, and so does data of that session", () => {
  const { passthrough, log } = new Interface();
  passthrough.fromInterface(PEER, new OnePacket(initiation(77)));
  passthrough.receive(new OnePacket(response(900, 77)), VIA, 5);
  passthrough.receive(new OnePacket(transport(77)), VIA, 6);
  expect(log).toEqual([
    `out ${PEER} 1`,
    `flow ${PEER} 900`,
    `heard ${PEER} handshake`,
    `in ${PEER} 2`,
    `heard ${PEER} data`,
    `in ${PEER} 4`,
  ]);
  expect(passthrough.statistics(PEER)?.lastHandshakeMs).toBe(5);
});

test("a peer that is set anew with other addresses goes on being counted, by the session that it has", () => {
  const { passthrough, log } = new Interface();
  passthrough.fromInterface(PEER, new OnePacket(initiation(77)));
  passthrough.setPeer({ id: PEER, key: KEY, allowedIps: ["100.64.0.5/32", "192.0.2.0/24"] }, 1);
  expect(log.at(-1)).toBe(`set ${PEER}`);
  passthrough.receive(new OnePacket(response(900, 77)), VIA, 5);
  passthrough.receive(new OnePacket(transport(77)), VIA, 6);
  const rxBytes = WireGuardResponse.length + WireGuardTransport.lengthMin;
  expect(passthrough.statistics(PEER)).toMatchObject({
    txBytes: WireGuardInitiation.length,
    rxBytes,
    lastHandshakeMs: 5,
  });
});

test("an initiation is told by the static key inside it; of strangers it is dropped", () => {
  const { passthrough, log } = new Interface();
  passthrough.receive(new OnePacket(initiation(900)), VIA, 5);
  expect(log.at(-1)).toBe(`in ${PEER} 1`);
  for (const key of [undefined, new Uint8Array(32).fill(6)]) {
    const other = new Interface(key);
    if (key === undefined) continue;
    other.passthrough.receive(new OnePacket(initiation(900)), VIA, 5);
    expect(other.log).toEqual([]);
    expect(other.passthrough.drops.get("unknown-peer")).toBe(1);
  }
});

test("data of unknown sessions goes nowhere", () => {
  const { passthrough, log } = new Interface();
  passthrough.receive(new OnePacket(transport(1)), VIA, 0);
  expect(log).toEqual([]);
  expect(passthrough.drops.get("unknown-index")).toBe(1);
});

test("old sessions are forgotten, and all of them with the peer", () => {
  const { passthrough, log } = new Interface();
  for (let index = 1; index <= 20; index++) passthrough.fromInterface(PEER, new OnePacket(initiation(index)));
  log.length = 0;
  passthrough.receive(new OnePacket(transport(1)), VIA, 0);
  expect(log).toEqual([]);
  passthrough.receive(new OnePacket(transport(20)), VIA, 0);
  expect(log.length).toBe(2);
  passthrough.removePeer(PEER);
  log.length = 0;
  passthrough.receive(new OnePacket(transport(20)), VIA, 0);
  passthrough.fromInterface(PEER, new OnePacket(transport(3)));
  passthrough.fromInterface(STRANGER, new OnePacket(transport(3)));
  expect(log).toEqual([]);
});

test("a peer is set anew only if something about it changed", () => {
  const { passthrough, log } = new Interface();
  passthrough.setPeer({ id: PEER, key: KEY, allowedIps: ["100.64.0.5/32"] }, 0);
  expect(log).toEqual([]);
  passthrough.setPeer({ id: PEER, key: KEY, allowedIps: ["100.64.0.6/32"] }, 0);
  expect(log).toEqual([`set ${PEER}`]);
});

test("any bytes from either side are passed or dropped by name", () => {
  const { passthrough } = new Interface();
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, fc.constantFrom(1, 2, 3, 4, 9), (rest, type) => {
      const datagram = new Uint8Array([type, 0, 0, 0, ...rest]);
      passthrough.receive(new OnePacket(datagram), VIA, 0);
      passthrough.fromInterface(PEER, new OnePacket(datagram));
    }),
  );
});
