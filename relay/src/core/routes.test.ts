/** Pushed and learned routes: what the coordinator said outlasts what the trunk taught, and slots of gone relays return. */
import { describe, expect, test } from "bun:test";
import { type Bytes, keyToText, type Route } from "@burrow/protocol";
import { OTHER_NETWORK, type Sent, TestAgent, TestRelay, transport, whereTo } from "../testing/harness.ts";
import { SMALL_LIMITS } from "./limits.ts";
import { wayRecord } from "./memory.ts";

const MINUTE_MS = 60_000;
const A_AT = "192.0.2.1:5000";
const B_AT = "192.0.2.2:5000";

function routeTo(agent: TestAgent, relay: TestRelay): Route {
  return { agent: agent.id, key: keyToText(agent.publicKey), network: agent.network, relay: relay.id };
}

/** `a` at `home`; `b` is bound at `second`, its home, and stands by at `third`. */
function threeRelays() {
  const [home, second, third] = [new TestRelay(), new TestRelay(), new TestRelay()];
  const map = [home.info, second.info, third.info];
  const a = new TestAgent(home, A_AT);
  const b = new TestAgent(second, B_AT);
  const standby = b.alsoAt(third, B_AT);
  for (const relay of [home, second, third]) {
    relay.forwarder.setRelays(map);
    relay.forwarder.setRoutes([routeTo(a, home), routeTo(b, second)], [], true, relay.now);
  }
  a.bind(home);
  b.bind(second);
  standby.bind(third);
  const places = new Map([home, second, third].map((relay) => [relay.endpoint, relay]));
  /** What `bytes` becomes at `from`, and where the trunk takes it. */
  const send = (from: TestRelay, bytes: Bytes, at: TestAgent["at"]): string[] =>
    from.feed(bytes, at).flatMap((sent: Sent) => {
      const next = places.get(sent.to);
      return next === undefined ? whereTo([sent]) : whereTo(next.feed(sent.bytes, from.endpoint));
    });
  return { home, second, third, a, b, standby, map, send };
}

/** Where a relay's packets for an agent go now. */
function wayOf(relay: TestRelay, from: TestAgent, to: TestAgent): string | undefined {
  return relay.feed(from.probeTo(to), from.at)[0]?.to;
}

/** Minutes in which nobody says anything but A's own Binds. */
function idle(relay: TestRelay, a: TestAgent, minutes: number): void {
  for (let i = 0; i < minutes * 2; i++) {
    relay.pass(MINUTE_MS / 2);
    a.bind(relay);
  }
}

describe("a route that the coordinator pushed", () => {
  test("gives way to the trunk's lesson while that is fresh, and is there again after it", () => {
    const { home, second, third, a, b, standby, send } = threeRelays();
    expect(wayOf(home, a, b)).toBe(second.endpoint);
    expect(send(third, standby.probeTo(a), standby.at)).toEqual([`probe ${A_AT}`]);
    expect(wayOf(home, a, b)).toBe(third.endpoint);
    idle(home, a, 2);
    expect(wayOf(home, a, b)).toBe(second.endpoint);
  });

  test("outlives one probe by the standby and twelve idle minutes", () => {
    const { home, second, third, a, b, standby, send } = threeRelays();
    send(third, standby.probeTo(a), standby.at);
    idle(home, a, 12);
    expect(wayOf(home, a, b)).toBe(second.endpoint);
  });

  test("ends when the coordinator takes it back, whatever the trunk taught meanwhile", () => {
    const { home, third, a, b, standby, send } = threeRelays();
    send(third, standby.probeTo(a), standby.at);
    home.forwarder.setRoutes([], [b.id], false, home.now);
    expect(wayOf(home, a, b)).toBeUndefined();
    idle(home, a, 12);
    expect(home.forwarder.snapshot().parties).toBe(1);
  });

  test("is what is left when the relay of a learned way leaves the map", () => {
    const { home, second, third, a, b, standby, send } = threeRelays();
    send(third, standby.probeTo(a), standby.at);
    home.forwarder.setRelays([home.info, second.info]);
    expect(wayOf(home, a, b)).toBe(second.endpoint);
  });

  test("stays when the map changes, and so does a fresh lesson", () => {
    const { home, third, a, b, standby, map, send } = threeRelays();
    send(third, standby.probeTo(a), standby.at);
    home.forwarder.setRelays([...map, new TestRelay().info]);
    expect(wayOf(home, a, b)).toBe(third.endpoint);
  });
});

describe("a way that only the trunk taught", () => {
  test("ends with the silence", () => {
    const { home, second, a, b, send } = threeRelays();
    home.forwarder.setRoutes([], [b.id], false, home.now);
    send(second, b.probeTo(a), b.at);
    expect(wayOf(home, a, b)).toBe(second.endpoint);
    idle(home, a, 2);
    expect(wayOf(home, a, b)).toBeUndefined();
  });
});

describe("another thread of the relay", () => {
  /** `home` in two threads, of which `first` hears the trunk; `x` has left `old`, where its route leads, for `next`. */
  function twoThreads(routes: "pushed" | "none") {
    let told = 0;
    const first = new TestRelay({
      learned: (record) => {
        told++;
        sibling.forwarder.recall(record, sibling.now);
      },
    });
    const sibling: TestRelay = new TestRelay({ like: first });
    const [old, next] = [new TestRelay(), new TestRelay()];
    const [a, x] = [new TestAgent(first, A_AT), new TestAgent(next, B_AT)];
    for (const relay of [first, sibling, next]) {
      relay.forwarder.setRelays([first.info, old.info, next.info]);
      const known = relay === next ? [routeTo(a, first)] : [routeTo(x, old)];
      relay.forwarder.setRoutes(relay === next || routes === "pushed" ? known : [], [], true, relay.now);
    }
    a.bind(first);
    x.bind(next);
    const say = (bytes: Bytes, by = next) => {
      for (const sent of by.feed(bytes, x.at)) first.feed(sent.bytes, by.endpoint);
    };
    return { first, sibling, old, next, a, x, say, told: () => told };
  }

  test.each(["pushed", "none"] as const)(
    "follows a peer that the trunk brought by another (route: %s)",
    (r) => {
      const { first, sibling, next, a, x, say } = twoThreads(r);
      say(x.initiationTo(a, 77));
      first.feed(a.responseTo(x, 88, 77), a.at);
      for (const thread of [first, sibling]) {
        expect(whereTo(thread.feed(transport(77), a.at))).toEqual([`trunk ${next.endpoint}`]);
        expect(wayOf(thread, a, x)).toBe(next.endpoint);
      }
    },
  );

  test("hears of a way in use again, so that it does not lapse there, and not with every packet", () => {
    const { first, sibling, next, a, x, say, told } = twoThreads("pushed");
    const before = told();
    for (let s = 0; s < 180; s++) {
      say(x.probeTo(a));
      for (const relay of [first, sibling, next]) relay.pass(1_000);
      if (s % 15 !== 0) continue;
      a.bind(first);
      x.bind(next);
    }
    expect(wayOf(sibling, a, x)).toBe(next.endpoint);
    // Ten seconds apart; and the Binds.
    expect(told() - before).toBeLessThan(50);
    for (let s = 0; s < 90; s += 15) {
      for (const relay of [first, sibling]) relay.pass(15_000);
      a.bind(first);
    }
    expect(wayOf(sibling, a, x)).toBe(wayOf(first, a, x) as never);
    expect(wayOf(sibling, a, x)).not.toBe(next.endpoint);
  });

  test("hears ten times a second of a peer whose packets come by two relays in turn, and where it was last", () => {
    const { first, sibling, old, next, a, x, say, told } = twoThreads("pushed");
    old.forwarder.setRelays([first.info, old.info, next.info]);
    old.forwarder.setRoutes([routeTo(a, first)], [], true, old.now);
    x.alsoAt(old, x.at).bind(old);
    const pass = (ms: number) => {
      for (const relay of [first, sibling, old, next]) relay.pass(ms);
    };
    const before = told();
    say(x.probeTo(a));
    expect(wayOf(sibling, a, x)).toBe(next.endpoint);
    for (let n = 1; n <= 1_000; n++) {
      pass(1);
      const by = n % 2 === 0 ? next : old;
      say(x.probeTo(a), by);
      expect(wayOf(first, a, x)).toBe(by.endpoint);
    }
    expect(told() - before).toBeWithin(8, 12);
    for (const last of [old, next, old]) {
      say(x.probeTo(a), old);
      say(x.probeTo(a), next);
      say(x.probeTo(a), last);
      pass(200);
      expect(wayOf(sibling, a, x)).toBe(last.endpoint);
    }
  });

  test("takes none that is old, of a relay that is not on the map, or of another network", () => {
    const { sibling, next, a, x, first } = twoThreads("pushed");
    const atS = Math.floor(sibling.now / 1000);
    const old = wayOf(sibling, a, x);
    sibling.forwarder.recall(wayRecord(x.id, x.network, next.id, atS - 61), sibling.now);
    sibling.forwarder.recall(wayRecord(x.id, x.network, new TestRelay().id, atS), sibling.now);
    sibling.forwarder.recall(wayRecord(x.id, OTHER_NETWORK, next.id, atS), sibling.now);
    expect(wayOf(sibling, a, x)).toBe(old as never);
    sibling.forwarder.recall(wayRecord(x.id, x.network, next.id, atS), sibling.now);
    expect(wayOf(sibling, a, x)).toBe(next.endpoint);
    expect(wayOf(first, a, x)).toBe(old as never);
  });
});

describe("slots of relays", () => {
  test("of those that left the map go to newcomers, and no counter starts anew under its key", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, relaysMax: 4 } });
    const a = new TestAgent(relay, A_AT);
    const b = new TestAgent(relay, B_AT);
    a.bind(relay);
    const others = Array.from({ length: 6 }, () => new TestRelay());
    const counters = new Map<string, bigint[]>();
    for (let round = 0; round < 3; round++) {
      for (const other of others) {
        relay.forwarder.setRelays([relay.info, other.info]);
        relay.forwarder.setRoutes([routeTo(b, other)], [], true, relay.now);
        const [sent] = relay.feed(a.probeTo(b), a.at);
        expect(sent?.to).toBe(other.endpoint);
        const counter = new DataView((sent?.bytes ?? new Uint8Array(16)).slice().buffer).getBigUint64(
          8,
          true,
        );
        counters.set(other.id, [...(counters.get(other.id) ?? []), counter]);
      }
    }
    expect(relay.forwarder.snapshot().relays).toBeLessThanOrEqual(4);
    for (const seen of counters.values()) expect(new Set(seen).size).toBe(3);
  });

  test("a whole map that changes at once finds room for all that it names", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, relaysMax: 3 } });
    const a = new TestAgent(relay, A_AT);
    a.bind(relay);
    const [p, q, r, s] = Array.from({ length: 4 }, () => new TestRelay());
    if (p === undefined || q === undefined || r === undefined || s === undefined) throw new Error("none");
    relay.forwarder.setRelays([p.info, q.info, r.info]);
    // The newcomer first: it must not take the slot of one that the same map names later.
    relay.forwarder.setRelays([s.info, q.info, r.info]);
    for (const other of [q, r, s]) {
      const b = new TestAgent(other, B_AT);
      relay.forwarder.setRoutes([routeTo(b, other)], [], false, relay.now);
      expect(wayOf(relay, a, b)).toBe(other.endpoint);
    }
  });
});
