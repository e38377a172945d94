/** WireGuard §6 on a virtual clock: when sessions are renewed, kept alive, refused and wiped. */
import { describe, expect, test } from "bun:test";
import { ipv4, type Node, pair } from "./testkit.ts";

const DATA = new Uint8Array(40);
const KEEPALIVE_LENGTH = 32;

const keepalives = (node: Node) => node.sentOf(4).filter((sent) => sent.datagram.length === KEEPALIVE_LENGTH);

describe("a lost handshake", () => {
  test("is tried again every 5 s and a third, for 90 s, and then given up with what waited", () => {
    const { world, a } = pair();
    world.link = () => [];
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(200_000);
    const times = a.sentOf(1).map((sent) => sent.atMs);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(5_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5_334);
    expect(new Set(gaps).size).toBeGreaterThan(5);
    expect(times.at(-1)).toBeGreaterThan(84_000);
    expect(times.at(-1)).toBeLessThanOrEqual(90_000);
    expect(a.drops).toEqual(["handshake-timed-out"]);
    world.run(3 * 180_000 + 1);
    expect(a.engine.nextDeadline()).toBeUndefined();
  });

  test("starts anew with the next packet after it was given up", () => {
    const { world, a, b } = pair();
    world.link = () => [];
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(120_000);
    world.link = () => [10];
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(100);
    expect(b.delivered.length).toBe(1);
  });

  test("is not hurried by more packets", () => {
    const { world, a } = pair();
    world.link = () => [];
    for (let i = 0; i < 40; i++) {
      a.send(ipv4(1, 2, DATA), world.now);
      world.run(100);
    }
    expect(a.sentOf(1).length).toBe(1);
  });
});

describe("a session", () => {
  test("is renewed by its initiator with the first packet after 120 s, without losing one", () => {
    const { world, a, b } = pair();
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(100);
    let sent = 0;
    while (world.now < 400_000) {
      a.send(ipv4(1, 2, Uint8Array.of(sent >>> 8, sent)), world.now);
      sent += 1;
      b.send(ipv4(2, 1, DATA), world.now);
      world.run(500);
    }
    world.run(1_000);
    expect(b.delivered.length).toBe(sent + 1);
    expect(a.delivered.length).toBe(sent);
    const times = a.sentOf(1).map((initiation) => initiation.atMs);
    expect(times.length).toBe(4);
    for (const [i, at] of times.entries()) {
      expect(at).toBeGreaterThanOrEqual(i * 120_000);
      expect(at).toBeLessThanOrEqual(i * 120_000 + 2_000);
    }
    expect(b.sentOf(1)).toEqual([]);
    expect([...a.drops, ...b.drops]).toEqual([]);
  });

  test("is renewed without loss as well when both sides began it", () => {
    for (const seed of [1, 2, 3, 4]) {
      const { world, a, b } = pair({ seed });
      let sent = 0;
      while (world.now < 400_000) {
        a.send(ipv4(1, 2, DATA), world.now);
        b.send(ipv4(2, 1, DATA), world.now);
        sent += 1;
        world.run(500);
      }
      world.run(1_000);
      expect([a.delivered.length, b.delivered.length]).toEqual([sent, sent]);
      expect([a.sentOf(1).length, b.sentOf(1).length].toSorted()).toEqual([1, 4]);
      expect([...a.drops, ...b.drops]).toEqual([]);
    }
  });

  test("is renewed at 165 s by an initiator that only receives", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    while (world.now < 179_000) {
      b.send(ipv4(2, 1, DATA), world.now);
      world.run(4_000);
    }
    const [, second, third] = a.sentOf(1);
    // a's own empty packets are traffic too, and the first after 120 s renews the session.
    expect(second?.atMs).toBeGreaterThanOrEqual(120_000);
    expect(second?.atMs).toBeLessThanOrEqual(165_100);
    expect(third).toBeUndefined();
    expect(a.drops).toEqual([]);
  });

  test("neither sends nor receives after 180 s", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    world.link = () => [];
    world.run(179_000 - world.now);
    b.send(ipv4(2, 1, DATA), world.now);
    const old = b.sentOf(4).at(-1)?.datagram ?? new Uint8Array();
    world.run(1_100);
    expect(a.receive(old, "b", world.now)).toBe("expired-key");
    expect(a.engine.isConnected(bAtA, world.now)).toBe(false);
    const before = a.sentOf(4).length;
    a.send(ipv4(1, 2, DATA), world.now);
    expect(a.sentOf(4).length).toBe(before);
  });

  test("has no end at which one side still sends what the other refuses", () => {
    const { world, a, b, bAtA } = pair();
    world.link = () => [2_000];
    a.engine.initiate(bAtA, world.now);
    world.run(10_000);
    world.link = () => [1];
    // b derived its keys at 2 s and a at 4 s; a's age for sending counts from 0 s.
    for (const atMs of [179_000, 181_000, 183_000]) {
      world.run(atMs - world.now);
      a.send(ipv4(1, 2, DATA), world.now);
      b.send(ipv4(2, 1, DATA), world.now);
    }
    world.run(1_000);
    expect([a.delivered.length, b.delivered.length]).toEqual([3, 3]);
    expect([...a.drops, ...b.drops]).toEqual([]);
  });

  test("is wiped after 540 s without a new one", () => {
    const { world, a, b, bAtA } = pair();
    a.engine.initiate(bAtA, world.now);
    world.run(100);
    b.send(ipv4(2, 1, DATA), world.now);
    const old = b.sentOf(4).at(-1)?.datagram ?? new Uint8Array();
    world.link = () => [];
    world.run(539_000);
    expect(a.receive(old, "b", world.now)).toBe("expired-key");
    world.run(2_000);
    expect(a.receive(old, "b", world.now)).toBe("unknown-index");
  });

  test("that a responder has not heard under is not used by it", () => {
    const { world, a, b, aAtB } = pair();
    world.link = (from, datagram) => (from === a && datagram[0] === 4 ? [] : [10]);
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(1_000);
    b.send(ipv4(2, 1, DATA), world.now);
    expect(b.engine.isConnected(aAtB, world.now)).toBe(false);
    expect(b.sentOf(4)).toEqual([]);
    // It does not wait for ever: five seconds after its response it calls by itself.
    world.run(6_000);
    expect(b.sentOf(1).length).toBe(1);
    expect(a.delivered.length).toBe(1);
  });
});

describe("keepalives", () => {
  test("answer data after 10 s of silence, and nothing answers a keepalive", () => {
    const { world, a, b } = pair();
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(60_000);
    expect(keepalives(b).map((sent) => Math.round(sent.atMs / 100) / 10)).toEqual([10]);
    expect(keepalives(a)).toEqual([]);
    expect(a.sentOf(1).length).toBe(1);
  });

  test("go on while data keeps coming", () => {
    const { world, a, b } = pair();
    for (let i = 0; i < 10; i++) {
      a.send(ipv4(1, 2, DATA), world.now);
      world.run(3_000);
    }
    world.run(30_000);
    expect(keepalives(b).length).toBe(4);
    expect(a.sentOf(1).length).toBe(1);
  });

  test("are not sent when data goes back", () => {
    const { world, a, b } = pair();
    a.send(ipv4(1, 2, DATA), world.now);
    world.run(9_000);
    b.send(ipv4(2, 1, DATA), world.now);
    world.run(9_000);
    expect(keepalives(b)).toEqual([]);
  });

  test("when they are asked for, open the session and hold it without traffic", () => {
    const { world, a, b } = pair({ persistentKeepaliveMs: 25_000 });
    world.run(100_000);
    expect(a.sentOf(1).length).toBe(1);
    expect(keepalives(a).length).toBe(4);
    world.run(200_000);
    expect(a.drops).toEqual([]);
    expect(b.drops).toEqual([]);
    expect(a.sentOf(1).length).toBeGreaterThanOrEqual(2);
    const peer = [...a.engine.peers][0];
    if (peer !== undefined) a.engine.updatePeer(peer, { persistentKeepaliveMs: 0 }, world.now);
    const before = a.sent.length;
    world.run(100_000);
    expect(a.sent.length).toBe(before);
  });
});

test("data that gets no answer for 15 s starts a new handshake", () => {
  const { world, a, bAtA } = pair();
  a.engine.initiate(bAtA, world.now);
  world.run(1_000);
  world.link = () => [];
  a.send(ipv4(1, 2, DATA), world.now);
  world.run(14_900);
  expect(a.sentOf(1).length).toBe(1);
  world.run(500);
  expect(a.sentOf(1).length).toBe(2);
});

test("a tick before the deadline does nothing, and a late one catches up", () => {
  const { world, a } = pair();
  world.link = () => [];
  a.send(ipv4(1, 2, DATA), world.now);
  a.engine.tick(4_999);
  expect(a.sent.length).toBe(1);
  a.engine.tick(20_000);
  expect(a.sent.length).toBe(2);
  expect(a.engine.nextDeadline()).toBeGreaterThan(20_000);
});
