/** Many packets at a time: the same outcome as one by one, with one word to the layer above for each run. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Ecn } from "../ecn.ts";
import { PacketRun, type Packets, SEAL_HEADROOM, SEAL_TAILROOM } from "../packets.ts";
import { blocks, ipv4, type Pair, pair, type Sent } from "./testkit.ts";

const DATA = new Uint8Array(40).fill(7);

/** Packets in one piece of memory with room around each. */
function laidOut(packets: readonly Uint8Array[], head = SEAL_HEADROOM, tail = SEAL_TAILROOM): PacketRun {
  const room = packets.reduce((sum, { length }) => sum + head + length + tail, 0);
  const run = new PacketRun().begin(new Uint8Array(room));
  let at = 0;
  for (const packet of packets) {
    run.memory.set(packet, at + head);
    run.push(at + head, packet.length);
    at += head + packet.length + tail;
  }
  return run;
}

/** A pair with a session, whose link holds back what is sent from now on. */
function connected(): Pair {
  const both = pair();
  both.a.engine.initiate(both.bAtA, both.world.now);
  both.world.run(100);
  both.world.link = () => [];
  return both;
}

const datagramsOf = (sent: readonly Sent[]) => sent.map(({ datagram }) => datagram);
const received = (datagrams: readonly Uint8Array[]) => laidOut(datagrams, 0, 0);

test("packets of any lengths come out as they went in, and in order", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 1_500 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(lengths, (payloads) => {
      const { world, a, b } = connected();
      const packets = payloads.map((length) => ipv4(1, 2, world.bytes(length)));
      const before = a.sent.length;
      a.engine.sendAll(laidOut(packets), world.now);
      const sent = datagramsOf(a.sent.slice(before));
      expect(sent.length).toBe(packets.length);
      expect(b.engine.receiveAll(received(sent), "a", world.now)).toBe(true);
      expect(b.delivered).toEqual(packets);
      expect(b.drops).toEqual([]);
    }),
    { numRuns: 20 },
  );
});

test("sealed together or one by one, the datagrams are the same", () => {
  const [one, many] = [connected(), connected()];
  const packets = [0, 1, 15, 16, 17, 1_300, 1_400, 1_401].map((n) => ipv4(1, 2, new Uint8Array(n).fill(n)));
  const before = one.a.sent.length;
  for (const packet of packets) one.a.send(packet, one.world.now);
  many.a.engine.sendAll(laidOut(packets), many.world.now);
  expect(datagramsOf(many.a.sent.slice(before))).toEqual(datagramsOf(one.a.sent.slice(before)));
});

test("one run is heard of once, by its path", () => {
  const { world, a, b } = connected();
  const before = b.authenticatedBy.length;
  const sentBefore = a.sent.length;
  a.engine.sendAll(laidOut(Array.from({ length: 30 }, () => ipv4(1, 2, DATA))), world.now);
  b.engine.receiveAll(received(datagramsOf(a.sent.slice(sentBefore))), "elsewhere", world.now);
  expect(b.authenticatedBy.slice(before)).toEqual([{ kind: "data", from: "elsewhere", atMs: world.now }]);
  expect(b.delivered.length).toBe(30);
});

test("a run is longer than what is gathered at a time", () => {
  const { world, a, b } = connected();
  const before = a.sent.length;
  const batches = Array.from({ length: 3 }, () =>
    laidOut(Array.from({ length: 1_000 }, () => ipv4(1, 2, DATA))),
  );
  for (const batch of batches) a.engine.sendAll(batch, world.now);
  const all = datagramsOf(a.sent.slice(before));
  const memory = received(all.slice(0, 1_000)).memory;
  const twice: Packets = {
    memory,
    ecn: Ecn.notCapable,
    count: 2_000,
    offset: (i) => (i % 1_000) * (all[0]?.length ?? 0),
    length: () => all[0]?.length ?? 0,
  };
  // Each a second time: a replay, and its bytes are plaintext by then.
  b.engine.receiveAll(twice, "a", world.now);
  expect(b.delivered.length).toBe(1_000);
  expect(b.drops.length).toBe(1_000);
});

test("what a packet says of congestion stands outside too, and what was written there comes inside", () => {
  const { world, a, b } = connected();
  const { notCapable, capable0, congested } = Ecn;
  const fields = [notCapable, capable0, capable0, notCapable, congested];
  const packets = fields.map((ecn) => {
    const packet = ipv4(1, 2, DATA);
    packet[1] = ecn;
    return packet;
  });
  const before = a.sent.length;
  a.engine.sendAll(laidOut(packets), world.now);
  const sent = a.sent.slice(before);
  expect(sent.map(({ ecn }) => ecn)).toEqual(fields);
  const arrived = received(datagramsOf(sent));
  arrived.ecn = congested;
  b.engine.receiveAll(arrived, "a", world.now);
  const inside = b.delivered.map((packet) => packet[1]);
  expect(inside).toEqual([notCapable, congested, congested, notCapable, congested]);
});

test("packets of several peers go to each; those of nobody are dropped by name", () => {
  const { world, a, b } = connected();
  const c = world.node("c");
  a.engine.addPeer({ publicKey: c.engine.publicKey, allowedIps: blocks("10.0.0.3") }, world.now);
  const before = a.sent.length;
  const packets = [2, 3, 2, 9, 2, 3].map((to) => ipv4(1, to, DATA));
  a.engine.sendAll(laidOut([...packets, new Uint8Array(5)]), world.now);
  expect(a.drops).toEqual(["no-route", "not-ip"]);
  const sent = a.sent.slice(before);
  expect(sent.filter(({ datagram }) => datagram[0] === 4).length).toBe(3);
  expect(sent.filter(({ datagram }) => datagram[0] === 1).length).toBe(1);
  b.engine.receiveAll(received(datagramsOf(sent).filter((bytes) => bytes[0] === 4)), "a", world.now);
  expect(b.delivered.length).toBe(3);
});

test("a new session in the midst of a run: what came before under the old one, and after under the new, all arrives", () => {
  const { world, a, b, aAtB, bAtA } = connected();
  const data = () => ipv4(1, 2, DATA);
  const before = a.sent.length;
  a.engine.sendAll(laidOut([data(), data()]), world.now);
  a.engine.initiate(bAtA, world.now, { force: true });
  a.engine.sendAll(laidOut([data()]), world.now);
  expect(b.engine.receiveAll(received(datagramsOf(a.sent.slice(before))), "a", world.now)).toBe(true);
  const response = b.sentOf(2).at(-1)?.datagram ?? new Uint8Array();
  const middle = a.sent.length;
  a.engine.sendAll(laidOut([data()]), world.now);
  a.receive(response, "b", world.now);
  a.engine.sendAll(laidOut([data(), data()]), world.now);
  b.engine.receiveAll(received(datagramsOf(a.sent.slice(middle))), "a", world.now);
  expect(b.delivered.length).toBe(6);
  expect(b.drops).toEqual([]);
  expect(b.engine.isConnected(aAtB, world.now)).toBe(true);
});

test("whatever a batch holds: nothing throws, and what is genuine in it arrives", () => {
  const junk = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 });
  fc.assert(
    fc.property(junk, fc.nat(), (strangers, place) => {
      const { world, a, b } = connected();
      const before = a.sent.length;
      a.engine.sendAll(laidOut([ipv4(1, 2, DATA), ipv4(1, 2, DATA)]), world.now);
      const datagrams = datagramsOf(a.sent.slice(before));
      datagrams.splice(place % 3, 0, ...strangers, Uint8Array.of(4, 0, 0, 0, ...new Uint8Array(40)));
      expect(b.engine.receiveAll(received(datagrams), "a", world.now)).toBe(false);
      expect(b.delivered.length).toBe(2);
    }),
  );
});
