/** Two engines on a virtual clock: handshakes, data both ways, and what is refused. */
import { describe, expect, test } from "bun:test";
import { toHex } from "@burrow/protocol";
import { blocks, ipv4, ipv6, pair, World } from "./testkit.ts";

const HELLO = new Uint8Array(100).fill(0x68);

describe("a handshake", () => {
  test("is begun by the first packet, which goes out with the session", () => {
    const { world, a, b, bAtA } = pair();
    a.send(ipv4(1, 2, HELLO), world.now);
    expect(a.sent.map((sent) => sent.datagram.length)).toEqual([148]);
    world.run(100);
    expect(b.delivered).toEqual([ipv4(1, 2, HELLO)]);
    expect(b.sent[0]?.replyTo).toBe("a");
    expect(a.sent[1]?.replyTo).toBeUndefined();
    expect(a.engine.isConnected(bAtA, world.now)).toBe(true);
    expect(bAtA.statistics.lastHandshakeMs).toBe(20);
  });

  test("takes one round trip, and an empty packet confirms it when nothing waits", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    expect(a.sent.map((sent) => [sent.datagram[0], sent.datagram.length])).toEqual([
      [1, 148],
      [4, 32],
    ]);
    expect(b.authenticatedBy.map(({ kind, from }) => [kind, from])).toEqual([
      ["initiation", "a"],
      ["keepalive", "a"],
    ]);
    expect(b.delivered).toEqual([]);
  });

  test("tells both sides the same indices", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    const [ofA, ofB] = [a.sessions[0], b.sessions[0]];
    expect(ofA?.role).toBe("initiator");
    expect(ofB?.role).toBe("responder");
    expect([ofA?.localIndex, ofA?.remoteIndex]).toEqual([ofB?.remoteIndex, ofB?.localIndex]);
  });

  test("works with the same preshared key, and not with another or with one side's alone", () => {
    const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    for (const [keyA, keyB, works] of [
      [one, one, true],
      [one, two, false],
      [one, undefined, false],
      [undefined, two, false],
    ] as const) {
      const { world, a, b } = pair({
        ...(keyA && { presharedKeyA: keyA }),
        ...(keyB && { presharedKeyB: keyB }),
      });
      a.send(ipv4(1, 2, HELLO), world.now);
      world.run(200);
      expect(b.delivered.length).toBe(works ? 1 : 0);
      expect(a.drops).toEqual(works ? [] : ["forged"]);
    }
  });

  test("fails with a stranger", () => {
    const { world, a, b } = pair();
    const stranger = world.node("stranger");
    const peer = stranger.engine.addPeer(
      { publicKey: b.engine.publicKey, allowedIps: blocks("10.0.0.2") },
      world.now,
    );
    stranger.engine.initiate(peer, world.now);
    world.run(100);
    expect(b.drops).toEqual(["unknown-peer"]);
    expect(b.sent).toEqual([]);
    expect(a.drops).toEqual(["bad-mac1"]);
  });

  test("begun by both at the same moment succeeds for both, and both settle on one session", () => {
    for (let seed = 1; seed <= 8; seed++) {
      const { world, a, b, bAtA, aAtB } = pair({ seed });
      a.send(ipv4(1, 2, HELLO), world.now);
      b.send(ipv4(2, 1, HELLO), world.now);
      world.run(41);
      expect([a.delivered.length, b.delivered.length]).toEqual([1, 1]);
      world.run(50);
      a.send(ipv4(1, 2, HELLO), world.now);
      b.send(ipv4(2, 1, HELLO), world.now);
      world.run(100);
      expect([a.delivered.length, b.delivered.length]).toEqual([2, 2]);
      const receiverOf = (datagram?: Uint8Array) => toHex(datagram?.subarray(4, 8) ?? new Uint8Array());
      const [toB, toA] = [a.sentOf(4).at(-1), b.sentOf(4).at(-1)].map((sent) => receiverOf(sent?.datagram));
      const shared = a.sessions.find((session) => index(session.remoteIndex) === toB);
      expect(index(shared?.localIndex ?? 0)).toBe(toA ?? "");
      expect([bAtA, aAtB].map((peer) => peer.statistics.lastHandshakeMs)).not.toContain(undefined);
      expect([...a.drops, ...b.drops]).toEqual([]);
      world.run(60_000);
      expect([a.sentOf(1).length, b.sentOf(1).length]).toEqual([1, 1]);
    }
  });

  test("cannot succeed with a key of low order, and says so", () => {
    const world = new World();
    const node = world.node("a");
    const publicKey = new Uint8Array(32);
    node.engine.addPeer({ publicKey, allowedIps: blocks("10.0.0.2") }, world.now);
    node.send(ipv4(1, 2, HELLO), world.now);
    expect(node.drops).toEqual(["low-order-key"]);
    expect(node.sent).toEqual([]);
  });

  test("rises above its last timestamp even when the wall clock is set back", () => {
    let wallMs = 1_700_000_000_000;
    const { world, a, b, bAtA } = pair({ a: { wallClock: () => wallMs } });
    for (let i = 0; i < 70; i++) {
      wallMs -= 1_000;
      a.engine.initiate(bAtA, world.now, { force: true });
      world.run(100);
    }
    expect(b.drops).toEqual([]);
    expect(b.sessions.length).toBe(70);
  });
});

describe("a kick", () => {
  test("repeats the very same initiation, which costs no session when both arrive", () => {
    const { world, a, b, bAtA } = pair();
    world.link = () => [];
    a.send(ipv4(1, 2, HELLO), world.now);
    world.run(30);
    world.link = () => [200];
    expect(a.engine.kick(bAtA, world.now)).toBe(true);
    world.run(25);
    expect(a.engine.kick(bAtA, world.now)).toBe(true);
    expect(a.engine.kick(bAtA, world.now)).toBe(false);
    world.run(600);
    const [first, second, third] = a.sentOf(1).map((sent) => toHex(sent.datagram));
    expect([second, third]).toEqual([first, first]);
    expect(b.delivered.length).toBe(1);
    expect(b.drops).toEqual(["replayed-initiation"]);
    expect(b.sessions.length).toBe(1);
  });

  test("makes a new initiation when the old one is more than a second old", () => {
    const { world, a, b, bAtA } = pair();
    let blocked = true;
    world.link = (from) => (blocked && from === b ? [] : [10]);
    a.send(ipv4(1, 2, HELLO), world.now);
    world.run(1_500);
    expect(b.sentOf(2).length).toBe(1);
    blocked = false;
    expect(a.engine.kick(bAtA, world.now)).toBe(true);
    world.run(50);
    expect(b.delivered.length).toBe(1);
    expect(b.sentOf(2).length).toBe(2);
  });

  test("is followed by a new initiation within a second or so, and does nothing without a handshake", () => {
    const { world, a, bAtA } = pair();
    expect(a.engine.kick(bAtA, world.now)).toBe(false);
    world.link = () => [];
    a.engine.initiate(bAtA, world.now);
    world.run(10);
    a.engine.kick(bAtA, world.now);
    world.run(1_400);
    expect(a.sentOf(1).length).toBe(3);
    world.run(4_600);
    const hurried = a.sentOf(1).length;
    expect(hurried).toBeGreaterThanOrEqual(5);
    expect(hurried).toBeLessThanOrEqual(7);
    // From then on at the usual pace.
    world.run(3_000);
    expect(a.sentOf(1).length).toBe(hurried);
  });
});

function index(value: number): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return toHex(bytes);
}

describe("data", () => {
  test("goes both ways, IPv4 and IPv6, and comes out as it went in", () => {
    const { world, a, b } = pair();
    const packets = [0, 1, 15, 16, 17, 1_380, 1_400].flatMap((length) => [
      ipv4(1, 2, world.bytes(length)),
      ...(length <= 1_380 ? [ipv6(1, 2, world.bytes(length))] : []),
    ]);
    for (const packet of packets) a.send(packet, world.now);
    world.run(100);
    expect(b.delivered).toEqual(packets);
    b.send(ipv4(2, 1, HELLO), world.now);
    b.send(ipv6(2, 1, HELLO), world.now);
    world.run(100);
    expect(a.delivered).toEqual([ipv4(2, 1, HELLO), ipv6(2, 1, HELLO)]);
  });

  test("is padded to 16 bytes, but not past the MTU", () => {
    const { world, a, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    for (const length of [20, 32, 33, 1_408, 1_409, 1_420, 1_500]) {
      a.send(ipv4(1, 2, new Uint8Array(length - 20)), world.now);
    }
    const overhead = 32;
    const sizes = a.sentOf(4).map((sent) => sent.datagram.length - overhead);
    expect(sizes).toEqual([0, 32, 32, 48, 1_408, 1_420, 1_420, 1_500]);
  });

  test("counts from zero and up", () => {
    const { world, a } = pair();
    for (let i = 0; i < 5; i++) a.send(ipv4(1, 2, HELLO), world.now);
    world.run(100);
    expect(a.sentOf(4).map((sent) => sent.datagram[8])).toEqual([0, 1, 2, 3, 4]);
  });

  test("to nobody, or no IP packet at all, is dropped by name", () => {
    const { world, a } = pair();
    expect(a.send(ipv4(1, 9, HELLO), world.now)).toBe("no-route");
    expect(a.send(new Uint8Array(0), world.now)).toBe("not-ip");
    expect(a.send(new Uint8Array(19).fill(0x45), world.now)).toBe("not-ip");
    expect(a.send(new Uint8Array(39).fill(0x60), world.now)).toBe("not-ip");
    const huge = new Uint8Array(65_500);
    huge.set(ipv4(1, 2, HELLO));
    expect(a.send(huge, world.now)).toBe("too-large");
    expect(a.engine.drops["not-ip"]).toBe(3);
    expect(a.sent).toEqual([]);
  });

  test("from an address that is not the peer's is dropped", () => {
    const { world, a, b } = pair();
    a.send(ipv4(7, 2, HELLO), world.now);
    a.send(ipv6(7, 2, HELLO), world.now);
    const lying = ipv4(1, 2, HELLO);
    lying[2] = 0xff;
    a.send(lying, world.now);
    world.run(100);
    expect(b.delivered).toEqual([]);
    expect(b.drops).toEqual(["source-not-allowed", "source-not-allowed", "not-ip"]);
    expect(b.authenticatedBy.filter(({ kind }) => kind === "data").length).toBe(3);
  });

  test("waits for the session up to 128 packets, and the oldest give way", () => {
    const { world, a, b } = pair();
    for (let i = 0; i < 130; i++) a.send(ipv4(1, 2, Uint8Array.of(i)), world.now);
    expect(a.drops).toEqual(["queue-full", "queue-full"]);
    world.run(100);
    expect(b.delivered.map((packet) => packet[20])).toEqual(Array.from({ length: 128 }, (_, i) => i + 2));
  });

  test("tells by which path it came", () => {
    const { world, a, b } = pair();
    a.send(ipv4(1, 2, HELLO), world.now);
    world.run(100);
    world.link = () => [];
    a.send(ipv4(1, 2, HELLO), world.now);
    const moved = a.sent.at(-1)?.datagram ?? new Uint8Array();
    b.receive(moved, "another path", world.now);
    expect(b.authenticatedBy.at(-1)).toEqual({ kind: "data", from: "another path", atMs: world.now });
    const replays = b.authenticatedBy.length;
    b.receive(moved, "a thief's path", world.now);
    expect(b.authenticatedBy.length).toBe(replays);
  });

  test("is counted in datagrams' bytes", () => {
    const { world, a, bAtA, aAtB } = pair();
    a.send(ipv4(1, 2, HELLO), world.now);
    world.run(100);
    const data = 16 + 128 + 16;
    expect(bAtA.statistics).toMatchObject({ txBytes: 148 + data, rxBytes: 92 });
    expect(aAtB.statistics).toMatchObject({ rxBytes: 148 + data, txBytes: 92 });
  });
});

describe("replays and reordering", () => {
  test("a packet is delivered once, in any order, up to 2^13 late", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    world.link = () => [];
    const count = 2 ** 13 + 50;
    for (let i = 0; i < count; i++) a.send(ipv4(1, 2, new Uint8Array(2)), world.now);
    const sent = a.sentOf(4).slice(1);
    const first = sent[0]?.datagram ?? new Uint8Array();
    const late = sent.slice(40, 60);
    const last = sent.at(-1)?.datagram ?? new Uint8Array();
    b.receive(last, "a", world.now);
    for (const { datagram } of late.toReversed()) b.receive(datagram, "a", world.now);
    b.receive(first, "a", world.now);
    expect(b.delivered.length).toBe(22);
    for (const { datagram } of late) expect(b.receive(datagram, "a", world.now)).toBe("replayed");
    expect(b.receive(last, "a", world.now)).toBe("replayed");
    expect(b.delivered.length).toBe(22);
  });

  test("a replayed initiation is refused, and so is one that is less than 20 ms after another", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    const old = a.sentOf(1)[0]?.datagram ?? new Uint8Array();
    expect(b.receive(old, "a", world.now)).toBe("replayed-initiation");
    world.link = () => [];
    a.engine.initiate(bAtA, world.now, { force: true });
    world.run(20);
    a.engine.initiate(bAtA, world.now, { force: true });
    const [first, second] = a
      .sentOf(1)
      .slice(1)
      .map((sent) => sent.datagram);
    expect(b.receive(first ?? old, "a", world.now)).toBeUndefined();
    expect(b.receive(second ?? old, "a", world.now + 19)).toBe("initiation-flood");
    expect(b.receive(second ?? old, "a", world.now + 20)).toBeUndefined();
  });

  test("a response that was held back until after the next initiation's time is refused", () => {
    const { world, a, b, bAtA } = pair();
    world.link = (from) => (from === b ? [] : [10]);
    a.engine.initiate(bAtA, world.now);
    world.run(4_000);
    b.engine.initiate([...b.engine.peers][0] ?? bAtA, world.now, { force: true });
    const [held, initiation] = [b.sentOf(2)[0], b.sentOf(1)[0]].map((sent) => sent?.datagram);
    a.receive(initiation ?? new Uint8Array(), "b", world.now);
    world.run(500);
    const late = world.now + 5_000;
    expect(a.receive(held ?? new Uint8Array(), "b", late)).toBe("unknown-index");
  });

  test("a replayed response finds nobody waiting", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    const response = b.sentOf(2)[0]?.datagram ?? new Uint8Array();
    expect(a.receive(response, "b", world.now)).toBe("unknown-index");
  });
});

describe("peers", () => {
  test("a removed peer is forgotten: its session, its addresses, its handshakes", () => {
    const { world, a, b, bAtA, aAtB } = pair();
    a.send(ipv4(1, 2, HELLO), world.now);
    world.run(100);
    b.engine.removePeer(aAtB);
    expect(b.send(ipv4(2, 1, HELLO), world.now)).toBe("no-route");
    a.send(ipv4(1, 2, HELLO), world.now);
    a.engine.initiate(bAtA, world.now, { force: true });
    world.run(50);
    expect(b.drops).toEqual(["no-route", "unknown-index", "unknown-peer"]);
    b.engine.initiate(aAtB, world.now);
    b.engine.removePeer(aAtB);
    expect(b.sentOf(1)).toEqual([]);
    expect(b.engine.peerOf(a.engine.publicKey)).toBeUndefined();
  });

  test("an address moves to the peer that was given it last, and settings can change", () => {
    const { world, a, b, bAtA } = pair();
    const c = world.node("c");
    const cAtA = a.engine.addPeer(
      { publicKey: c.engine.publicKey, allowedIps: blocks("10.0.0.2/32") },
      world.now,
    );
    a.send(ipv4(1, 2, HELLO), world.now);
    world.run(50);
    expect(c.drops).toEqual(["unknown-peer"]);
    expect(b.drops).toEqual(["bad-mac1"]);
    a.engine.updatePeer(cAtA, { allowedIps: [] }, world.now);
    expect(a.send(ipv4(1, 2, HELLO), world.now)).toBe("no-route");
    a.engine.updatePeer(bAtA, { allowedIps: blocks("10.0.0.0/24") }, world.now);
    expect(a.send(ipv4(1, 2, HELLO), world.now)).toBeUndefined();
    expect([...a.engine.peers].length).toBe(2);
  });
});
