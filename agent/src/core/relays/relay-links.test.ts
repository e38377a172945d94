/** Binding to relays, keeping two, leaving those that are silent, and telling each which flow is whose. */
import { describe, expect, test } from "bun:test";
import type { AgentId, Endpoint, RelayId } from "@burrow/protocol";
import fc from "fast-check";
import { FakeRelay, LinksUnderTest } from "./testkit.ts";

const relay = (n: number, delayMs: number) => new FakeRelay(n, delayMs);

test("a relay challenges, is given its cookie back, and is bound after two round trips", () => {
  const near = relay(1, 10);
  const world = new LinksUnderTest(near).start();
  world.run(41);
  expect(world.links.get(near.info.id)?.state).toBe("bound");
  expect(near.binds.length).toBe(2);
  expect(world.links.homes.home).toBe(near.info.id);
  expect(world.links.outside.reflexive).toEqual([near.observed]);
});

test("sequences rise with every Bind, whatever relay it goes to", () => {
  const relays = [relay(1, 10), relay(2, 20), relay(3, 30)];
  const world = new LinksUnderTest(...relays).start();
  world.run(200_000);
  const all = relays.flatMap(({ binds }) => binds).toSorted((a, b) => a.sequence - b.sequence);
  for (const [i, { atMs }] of all.entries()) expect(atMs).toBeGreaterThanOrEqual(all[i - 1]?.atMs ?? 0);
  expect(new Set(all.map(({ sequence }) => sequence)).size).toBe(all.length);
});

test("home and standby are kept alive every 15 s, the others measured once a minute", () => {
  const relays = [relay(1, 10), relay(2, 30), relay(3, 60)];
  const world = new LinksUnderTest(...relays).start();
  world.run(5_000);
  const before = relays.map(({ binds }) => binds.length);
  world.run(600_000);
  const counts = relays.map(({ binds }, i) => binds.length - (before[i] ?? 0));
  expect(counts[0]).toBeWithin(38, 43);
  expect(counts[1]).toBeWithin(38, 43);
  expect(counts[2]).toBeWithin(9, 12);
});

test("a home that falls silent is left for the standby within a second of its first unanswered Bind", () => {
  const [near, far] = [relay(1, 10), relay(2, 30)];
  const world = new LinksUnderTest(near, far).start();
  world.run(5_000);
  expect(world.links.homes).toMatchObject({ home: near.info.id, standby: far.info.id });
  near.answers = "nothing";
  world.links.doubt(near.info.id, world.now);
  world.run(1_000);
  expect(world.links.homes.home).toBe(far.info.id);
  expect(world.events).toContain("r1 silent");
});

test("one lost Bind moves nothing", () => {
  const [near, far] = [relay(1, 10), relay(2, 30)];
  const world = new LinksUnderTest(near, far).start();
  world.run(5_000);
  near.answers = "nothing";
  world.links.doubt(near.info.id, world.now);
  world.run(100);
  near.answers = "cookie";
  world.run(10_000);
  expect(world.links.homes.home).toBe(near.info.id);
  expect(world.events).not.toContain("r1 silent");
});

test("a draining home is left while it still forwards", () => {
  const [near, far] = [relay(1, 10), relay(2, 100)];
  const world = new LinksUnderTest(near, far).start();
  world.run(5_000);
  near.answers = "draining";
  world.run(20_000);
  expect(world.links.homes.home).toBe(far.info.id);
  expect(world.links.get(near.info.id)?.isBound).toBe(true);
});

test("a relay that the coordinator calls down will do where there is no other", () => {
  const only = new FakeRelay(1, 10, { state: "down" });
  const world = new LinksUnderTest(only).start();
  world.run(1_000);
  expect(world.links.homes.home).toBe(only.info.id);
});

test("a relay that says it is where another one is takes nothing from that", () => {
  const near = relay(1, 10);
  const liar = new FakeRelay(2, 10, { endpoints: near.info.endpoints });
  liar.answers = "nothing";
  for (const relays of [
    [near, liar],
    [liar, near],
  ]) {
    const world = new LinksUnderTest(...relays).start();
    world.run(60_000);
    expect(world.links.homes.home).toBe(near.info.id);
    expect(world.links.get(liar.info.id)?.isBound).toBe(false);
    expect(world.links.relayAt(near.info.endpoints[0] as Endpoint)).toBe(near.info.id);
  }
});

test("what is no target gets no Bind, whoever says that a relay is there", () => {
  const good = "203.0.113.9:21820" as Endpoint;
  const bad = ["169.254.169.254:80", "239.1.1.1:5", "255.255.255.255:9", "[ff02::1]:9", "0.0.0.0:7"];
  const mixed = new FakeRelay(1, 10, { endpoints: [...bad, good] as Endpoint[] });
  const worthless = new FakeRelay(2, 10, { endpoints: bad as Endpoint[] });
  const world = new LinksUnderTest(mixed, worthless).start();
  world.run(60_000);
  expect(new Set(mixed.binds.map(({ to }) => to))).toEqual(new Set([good]));
  expect(worthless.binds).toEqual([]);
  expect(world.links.get(worthless.info.id)).toBeUndefined();
});

describe("retries are bounded", () => {
  for (const [answers, mostPerHour] of [
    ["nothing", 400],
    ["refused", 400],
    ["challenge", 400],
    ["expired", 5],
  ] as const) {
    test(`by a relay that answers "${answers}"`, () => {
      const bad = relay(1, 1);
      bad.answers = answers;
      const world = new LinksUnderTest(bad).start();
      world.run(3_600_000);
      expect(bad.binds.length).toBeLessThanOrEqual(mostPerHour);
      const burst = bad.binds.filter(({ atMs }) => atMs < 3_000).length;
      expect(burst).toBeLessThanOrEqual(10);
    });
  }

  test("by a relay that calls every fresh ticket expired", () => {
    const bad = relay(1, 1);
    bad.answers = "expired";
    const world = new LinksUnderTest(bad).start();
    world.ticketsWanted = (relays) => {
      world.wanted.push([...relays]);
      queueGrant();
    };
    const queueGrant = () => {
      world.links.grant([bad.ticket], world.now);
    };
    world.run(600_000);
    expect(bad.binds.length).toBeLessThanOrEqual(65);
  });
});

test("an expired ticket is asked for, and again while none comes; a new one binds", () => {
  const near = relay(1, 10);
  const world = new LinksUnderTest(near).start();
  world.run(1_000);
  near.answers = "expired";
  world.run(100_000);
  expect(world.links.homes.home).toBeUndefined();
  expect(world.wanted.length).toBeWithin(2, 5);
  near.answers = "cookie";
  world.links.grant([near.ticket], world.now);
  world.run(100);
  expect(world.links.homes.home).toBe(near.info.id);
  const { length } = world.wanted;
  world.run(100_000);
  expect(world.wanted.length).toBe(length);
});

test("a refused agent tries again rarely, and at once with a new ticket", () => {
  const near = relay(1, 10);
  near.answers = "refused";
  const world = new LinksUnderTest(near).start();
  world.run(1_000);
  expect(world.events).toContain("r1 refused");
  near.answers = "cookie";
  world.links.grant([near.ticket], world.now);
  world.run(100);
  expect(world.links.get(near.info.id)?.isBound).toBe(true);
});

test("tickets that come before the relay map are kept for it", () => {
  const near = relay(1, 10);
  const world = new LinksUnderTest(near);
  world.links.grant([near.ticket], world.now);
  world.tell();
  world.run(100);
  expect(world.links.homes.home).toBe(near.info.id);
});

test("every door of a silent relay is tried within seconds", () => {
  const endpoints = ["[2001:db8::1]:21820", "203.0.113.9:443", "203.0.113.9:21820"] as Endpoint[];
  const near = new FakeRelay(1, 10, { endpoints });
  const status = near.status.bind(near);
  near.status = (bind) => (near.binds.at(-1)?.to === endpoints[2] ? status(bind) : undefined);
  const world = new LinksUnderTest(near).start();
  world.run(3_000);
  expect(world.links.endpointOf(near.info.id)).toBe("203.0.113.9:21820" as Endpoint);
  expect(world.links.get(near.info.id)?.isBound).toBe(true);
});

test("when a kept relay sees us elsewhere, all living bindings are renewed at once", () => {
  const relays = [relay(1, 10), relay(2, 30), relay(3, 60), relay(4, 80)];
  const world = new LinksUnderTest(...relays).start();
  world.run(5_000);
  const before = relays.map(({ binds }) => binds.length);
  for (const moved of relays) moved.observed = "198.51.100.8:4001" as Endpoint;
  world.links.doubt(relays[0]?.info.id as RelayId, world.now);
  world.run(500);
  for (const [i, { binds }] of relays.entries()) expect(binds.length).toBeGreaterThan(before[i] ?? 0);
  expect(world.links.outside.reflexive).toEqual(["198.51.100.8:4001" as Endpoint]);
});

test("two relays' answers tell the kind of NAT", () => {
  const relays = [relay(1, 10), relay(2, 30)];
  const world = new LinksUnderTest(...relays).start();
  expect(world.links.outside.natMapping([])).toBe("unknown");
  world.run(1_000);
  expect(world.links.outside.natMapping([])).toBe("endpoint-independent");
  expect(world.links.outside.natMapping(["198.51.100.7:4000" as Endpoint])).toBe("none");
  if (relays[1] !== undefined) relays[1].observed = "198.51.100.7:4999" as Endpoint;
  world.run(20_000);
  expect(world.links.outside.natMapping([])).toBe("address-dependent");
});

test("relays' answers tell in which order the NAT gives out ports", () => {
  const relays = [relay(1, 40), relay(2, 20), relay(3, 30)];
  for (const [i, of] of relays.entries()) of.observed = `198.51.100.7:${4_000 + 2 * i}` as Endpoint;
  const world = new LinksUnderTest(...relays).start();
  const local = ["192.168.1.2:41641" as Endpoint];
  world.run(1_000);
  expect(world.links.outside.natPorts(local)).toEqual({ order: "sequential", step: 2, last: 4_004 });
  for (const of of relays) of.observed = "198.51.100.8:41641" as Endpoint;
  world.links.networkChanged(world.now);
  expect(world.links.outside.natPorts(local)).toBeUndefined();
  world.run(1_000);
  expect(world.links.outside.natPorts(local)).toEqual({ order: "preserving" });
  expect(world.links.outside.natPorts([...local, "198.51.100.8:41641" as Endpoint])).toBeUndefined();
});

test("a changed network makes the choice of home anew, by what is measured there", () => {
  const [near, far] = [relay(1, 10), relay(2, 50)];
  const world = new LinksUnderTest(near, far).start();
  world.run(60_000);
  [near.delayMs, far.delayMs] = [80, 5];
  world.links.networkChanged(world.now);
  world.run(3_000);
  expect(world.links.homes.home).toBe(far.info.id);
});

test("a home that drifts away is left for one that is now much nearer", () => {
  const [near, far] = [relay(1, 10), relay(2, 50)];
  const world = new LinksUnderTest(near, far).start();
  world.run(60_000);
  near.delayMs = 150;
  world.run(300_000);
  expect(world.links.homes.home).toBe(far.info.id);
});

test("a new flow is told to home and standby at once; any number of flows reaches both in the end", () => {
  const relays = [relay(1, 10), relay(2, 30), relay(3, 60)];
  const world = new LinksUnderTest(...relays).start();
  world.run(5_000);
  world.links.addFlow(77, world.peer(7), world.now);
  expect(relays[0]?.binds.at(-1)?.flows).toEqual([{ receiverIndex: 77, agent: world.peer(7) }]);
  for (let i = 0; i < 500; i++) world.links.addFlow(1_000 + i, world.peer(i), world.now);
  world.run(10_000);
  expect(relays[0]?.flows.length).toBe(501);
  expect(relays[1]?.flows.length).toBe(501);
  expect(world.links.isDeclared(relays[0]?.info.id as RelayId, 1_000)).toBe(true);
  world.links.removeFlow(77);
  world.run(20_000);
  expect(relays[0]?.binds.at(-1)?.flows.some(({ receiverIndex }) => receiverIndex === 77)).toBe(false);
});

test("a relay that asks for a cookie again is told all flows again", () => {
  const near = relay(1, 10);
  const world = new LinksUnderTest(near).start();
  world.run(5_000);
  for (let i = 0; i < 200; i++) world.links.addFlow(i, world.peer(i), world.now);
  world.run(5_000);
  near.answers = "challenge";
  world.run(16_000);
  near.binds.length = 0;
  near.answers = "cookie";
  world.run(20_000);
  expect(near.flows.length).toBe(200);
});

test("leaving is said to every bound relay", () => {
  const relays = [relay(1, 10), relay(2, 30)];
  const world = new LinksUnderTest(...relays).start();
  world.run(1_000);
  world.links.leave();
  for (const { binds } of relays) expect(binds.at(-1)?.leaving).toBe(true);
});

test("any bytes from anywhere, and Bounds that answer nothing, are refused and change nothing", () => {
  const near = relay(1, 10);
  const world = new LinksUnderTest(near).start();
  world.run(1_000);
  const { homes } = world.links;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, fromRelay) => {
      const from = fromRelay ? near.info.endpoints[0] : undefined;
      const at = from ?? ("192.0.2.1:1" as Endpoint);
      expect(world.links.receiveBound(bytes, at, world.now)).toBe(false);
    }),
  );
  expect(world.links.homes).toEqual(homes);
});

test("a relay that leaves the map is forgotten, home or not", () => {
  const [near, far] = [relay(1, 10), relay(2, 30)];
  const world = new LinksUnderTest(near, far).start();
  world.run(5_000);
  world.links.setRelays([far.info], [], world.now);
  expect(world.links.homes.home).toBe(far.info.id);
  expect(world.links.relayAt("203.0.113.1:21820" as Endpoint)).toBeUndefined();
  const before = near.binds.length;
  world.run(100_000);
  expect(near.binds.length).toBe(before);
});

test("many sessions and doubts within one round trip silence nobody, and cost few Binds", () => {
  const [near, far] = [relay(1, 40), relay(2, 60)];
  const world = new LinksUnderTest(near, far).start();
  world.run(5_000);
  const { homes } = world.links;
  const before = near.binds.length;
  for (let i = 0; i < 20; i++) {
    world.links.addFlow(1_000 + i, "00000000000000aa" as AgentId, world.now);
    world.links.doubt(near.info.id, world.now);
    world.run(1);
  }
  world.run(1_000);
  expect(world.links.homes).toEqual(homes);
  expect(world.events).not.toContain("r1 silent");
  expect(near.flows.length).toBe(20);
  expect(near.binds.length - before).toBeLessThanOrEqual(6);
});

test("a relay that drains is rid of us within its bindings' lifetime", () => {
  const [near, far] = [relay(1, 10), relay(2, 30)];
  const world = new LinksUnderTest(near, far).start();
  world.run(5_000);
  near.answers = "draining";
  world.run(30_000);
  expect(world.links.homes).toMatchObject({ home: far.info.id, standby: undefined });
  const before = near.binds.length;
  world.run(120_000);
  expect(near.binds.length).toBe(before);
});
