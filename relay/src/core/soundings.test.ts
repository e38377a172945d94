/** Relays that measure one another: how far, whether at all, how soon that is known, and what it costs. */
import { describe, expect, test } from "bun:test";
import { type Endpoint, PacketType, type RelayId, TRUNK_PING_LENGTH } from "@burrow/protocol";
import { type Sent, TestRelay } from "../testing/harness.ts";
import { SOUNDINGS } from "./limits.ts";
import { ReachNews } from "./reach-news.ts";
import { LOST_MAX, PONG_TIMEOUT_MS, SOUNDING_INTERVAL_MS, type Sounding } from "./soundings.ts";

/** Relays that hear one another after a delay each way, on one clock. */
class Sea {
  readonly relays: readonly TestRelay[];
  readonly #delayMs: (from: TestRelay, to: TestRelay) => number;
  /** Those whose UDP port is shut, both ways. */
  readonly shut = new Set<TestRelay>();
  readonly pings = new Map<TestRelay, number>();
  #inFlight: {
    readonly atMs: number;
    readonly to: TestRelay;
    readonly from: Endpoint;
    readonly bytes: Uint8Array;
  }[] = [];

  constructor(count: number, delayMs: (from: TestRelay, to: TestRelay) => number = () => 10) {
    this.relays = Array.from({ length: count }, () => new TestRelay());
    this.#delayMs = delayMs;
    const map = this.relays.map(({ info }) => info);
    for (const relay of this.relays) relay.forwarder.setRelays(map);
  }

  pass(ms: number): void {
    const step = 5;
    for (let passed = 0; passed < ms; passed += step) {
      for (const relay of this.relays) {
        relay.now += step;
        this.#carry(relay, relay.takeTicked());
      }
      const now = this.relays[0]?.now ?? 0;
      const due = this.#inFlight.filter(({ atMs }) => atMs <= now);
      this.#inFlight = this.#inFlight.filter(({ atMs }) => atMs > now);
      for (const { to, from, bytes } of due) if (!this.shut.has(to)) this.#carry(to, to.feed(bytes, from));
    }
  }

  of(relay: TestRelay, other: TestRelay): Sounding | undefined {
    return relay.forwarder.snapshot().soundings.find(({ relay: id }) => id === other.id);
  }

  #carry(from: TestRelay, packets: readonly Sent[]): void {
    const pings = packets.filter(({ bytes }) => bytes[0] === PacketType.trunkPing).length;
    this.pings.set(from, (this.pings.get(from) ?? 0) + pings);
    if (this.shut.has(from)) return;
    for (const { bytes, to } of packets) {
      const receiver = this.relays.find(({ endpoint }) => endpoint === to);
      if (receiver === undefined) throw new Error(`nobody at ${to}`);
      this.#inFlight.push({
        atMs: from.now + this.#delayMs(from, receiver),
        to: receiver,
        from: from.endpoint,
        bytes,
      });
    }
  }
}

function pair(sea: Sea): [TestRelay, TestRelay, TestRelay] {
  const [a, b, c] = sea.relays;
  if (a === undefined || b === undefined || c === undefined) throw new Error("too few relays");
  return [a, b, c];
}

describe("soundings", () => {
  test("all relays know all round trips within two seconds", () => {
    const sea = new Sea(5, () => 25);
    sea.pass(2_000);
    for (const relay of sea.relays) {
      const { soundings } = relay.forwarder.snapshot();
      expect(soundings).toHaveLength(4);
      for (const { rttMs } of soundings) expect(rttMs).toBe(50);
      expect(relay.drops()).toEqual({});
    }
  });

  test("a shut port is known after three lost pings, and once it is open again, with the first answer", () => {
    const sea = new Sea(3);
    const [a, b, c] = pair(sea);
    sea.pass(3_000);
    sea.shut.add(b);
    sea.pass(LOST_MAX * PONG_TIMEOUT_MS + SOUNDING_INTERVAL_MS + 500);
    expect(sea.of(a, b)?.rttMs).toBeUndefined();
    expect(sea.of(c, b)?.rttMs).toBeUndefined();
    expect(sea.of(a, c)?.rttMs).toBe(20);
    // And the one that is cut off sees nobody: its word must not count for much.
    expect([sea.of(b, a)?.rttMs, sea.of(b, c)?.rttMs]).toEqual([undefined, undefined]);
    sea.shut.clear();
    sea.pass(SOUNDING_INTERVAL_MS + PONG_TIMEOUT_MS);
    expect(sea.of(a, b)?.rttMs).toBe(20);
  });

  test("one lost ping, or two, say nothing", () => {
    const sea = new Sea(3);
    const [a, b] = pair(sea);
    sea.pass(3_000);
    for (let i = 0; i < 3; i++) {
      sea.shut.add(b);
      sea.pass(1_500);
      sea.shut.clear();
      sea.pass(1_500);
      expect(sea.of(a, b)?.rttMs).toBe(20);
    }
  });

  test("in a mesh of two dozen nobody sends more than its budget, and all are measured in turn", () => {
    const sea = new Sea(24);
    sea.pass(6_000);
    const [a, b] = pair(sea);
    for (const relay of sea.relays) {
      expect(sea.pings.get(relay)).toBeLessThanOrEqual(6 * SOUNDINGS.perSecond + SOUNDINGS.burst);
      expect(relay.forwarder.snapshot().soundings).toHaveLength(23);
    }
    sea.shut.add(b);
    sea.pass(5_000);
    const witnesses = sea.relays.filter((relay) => relay !== b && sea.of(relay, b)?.rttMs === undefined);
    expect(witnesses.length).toBeGreaterThan(10);
    expect(sea.of(a, sea.relays[20] ?? a)?.rttMs).toBe(20);
  });

  test("relays that left the map are forgotten, neither asked nor answered", () => {
    const sea = new Sea(3);
    const [a, b, c] = pair(sea);
    sea.pass(2_000);
    a.forwarder.setRelays([a.info, c.info]);
    sea.pass(2_000);
    expect(a.forwarder.snapshot().soundings.map(({ relay }) => relay)).toEqual([c.id]);
    expect(a.drops()["trunk-unknown-relay"]).toBeGreaterThan(0);
    expect(sea.of(b, c)?.rttMs).toBe(20);
  });

  test("answers to no question, replays and forgeries are dropped and counted", () => {
    const [left, right] = [new TestRelay(), new TestRelay()];
    for (const relay of [left, right]) relay.forwarder.setRelays([left.info, right.info]);
    left.now += 100;
    const [ping] = left.takeTicked();
    if (ping === undefined) throw new Error("no ping");
    expect([ping.bytes[0], ping.bytes.length]).toEqual([PacketType.trunkPing, TRUNK_PING_LENGTH]);
    // A captured ping draws its answer to the relay itself, not to whoever sent it; and only once.
    const [pong] = right.feed(ping.bytes, "198.51.100.66:1" as Endpoint);
    expect([pong?.to, pong?.bytes.length]).toEqual([left.endpoint, TRUNK_PING_LENGTH]);
    expect(right.feed(ping.bytes, left.endpoint)).toEqual([]);
    const answer = pong?.bytes ?? ping.bytes;
    left.feed(answer, right.endpoint);
    left.feed(answer, right.endpoint);
    const forged = answer.slice();
    forged[30] = (forged[30] ?? 0) ^ 1;
    left.feed(forged, right.endpoint);
    expect(right.drops()).toEqual({ "trunk-replayed": 1 });
    expect(left.drops()).toEqual({ "trunk-replayed": 2 });
    left.now += 10 * PONG_TIMEOUT_MS;
    left.takeTicked();
    expect(left.forwarder.snapshot().soundings).toHaveLength(1);
  });
});

test("what is new is told once, and of much the oldest first", () => {
  const news = new ReachNews();
  const many = Array.from({ length: 70 }, (_, i): Sounding => {
    return { relay: i.toString(16).padStart(16, "0") as RelayId, atMs: i, rttMs: 1.23456 };
  });
  expect(news.take(many)).toHaveLength(64);
  expect(news.take(many).map(({ relay }) => Number.parseInt(relay, 16))).toEqual([64, 65, 66, 67, 68, 69]);
  expect(news.take(many)).toEqual([]);
  const silent = { relay: many[3]?.relay ?? ("" as RelayId), atMs: 100 };
  expect(news.take([...many, silent])).toEqual([{ relay: silent.relay }]);
});
