/** Whatever arrives: nothing throws, nothing is answered larger than it was asked, and every table stays bounded. */
import { describe, expect, test } from "bun:test";
import {
  type AgentId,
  BindStatus,
  type Bytes,
  type Endpoint,
  encodeTrunk,
  idWords,
  keyToText,
  newTrunkHeader,
  nobleAgreement,
  nobleTrunkMac,
  PacketType,
  relayTagOf,
  TRUNK_OVERHEAD,
  trunkKey,
  WireGuardType,
} from "@burrow/protocol";
import fc from "fast-check";
import { seededRandom, TestAgent, TestRelay, transport } from "../testing/harness.ts";
import { SMALL_LIMITS } from "./limits.ts";

const first = fc.constantFrom(1, 2, 3, 4, ...Object.values(PacketType), 0, 255);
const junk = fc
  .tuple(first, fc.boolean(), fc.uint8Array({ maxLength: 1_300 }))
  .map(([type, isAligned, rest]) => {
    const bytes = Uint8Array.from([type, ...(isAligned ? [0, 0, 0] : []), ...rest]);
    return bytes;
  });

/** Says to a relay, as another, that packets with junk inside come from these agents. */
function liar(by: TestRelay, to: TestRelay, destination: AgentId): (source: AgentId) => void {
  const shared = nobleAgreement(by.privateKey, to.publicKey);
  if (shared === undefined) throw new Error("no agreement");
  const mac = nobleTrunkMac(trunkKey(shared, by.publicKey, to.publicKey));
  const header = {
    ...newTrunkHeader(),
    boot: 1,
    sender: relayTagOf(by.id),
    destination: idWords(destination),
  };
  return (source) => {
    const packet = new Uint8Array(148);
    packet[0] = WireGuardType.initiation;
    header.source = idWords(source);
    header.counter++;
    to.feed(encodeTrunk(header, packet, mac, new Uint8Array(packet.length + TRUNK_OVERHEAD)), by.endpoint);
  };
}

function world() {
  const relay = new TestRelay({ seed: 5 });
  const other = new TestRelay({ seed: 6 });
  relay.forwarder.setRelays([other.info]);
  const a = new TestAgent(relay, "192.0.2.1:1", { acceptsOutside: true });
  const b = new TestAgent(relay, "192.0.2.2:1");
  a.bind(relay);
  b.bind(relay);
  const c = new TestAgent(other, "192.0.2.3:1");
  const route = { agent: c.id, key: keyToText(c.publicKey), network: c.network, relay: other.id };
  relay.forwarder.setRoutes([route], [], true, relay.now);
  relay.feed(a.initiationTo(b, 1), a.at);
  relay.feed(b.responseTo(a, 2, 1), b.at);
  const good: Bytes[] = [
    a.bindBytes(),
    a.initiationTo(b, 3),
    b.responseTo(a, 4, 3),
    a.probeTo(b),
    a.introductionTo(b),
    a.initiationTo(c, 5),
    a.probeTo(c),
    a.introductionTo(c),
    transport(2, 100),
  ];
  return { relay, a, b, good };
}

describe("hostile bytes", () => {
  test("any bytes from anybody: handled, never thrown", () => {
    const { relay, a } = world();
    const from = fc.constantFrom(a.at, "198.51.100.1:1" as Endpoint);
    fc.assert(
      fc.property(junk, from, (bytes, at) => {
        for (const sent of relay.feed(bytes, at)) expect(sent.bytes.length).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 5_000 },
    );
    const { sessions, flows } = relay.forwarder.snapshot();
    expect(sessions).toBe(2);
    expect(flows).toBeLessThan(10);
  });

  test("mutated, cut and lengthened real packets, from every side", () => {
    const { relay, a, b, good } = world();
    const mutation = fc.record({
      packet: fc.nat(good.length - 1),
      at: fc.nat(1_300),
      xor: fc.integer({ min: 1, max: 255 }),
      cut: fc.option(fc.nat(1_300), { nil: undefined }),
      from: fc.constantFrom(a.at, b.at, "198.51.100.1:1" as Endpoint),
    });
    fc.assert(
      fc.property(mutation, ({ packet, at, xor, cut, from }) => {
        const bytes = (good[packet] ?? new Uint8Array(0)).slice(0, cut);
        if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ xor;
        for (const sent of relay.feed(bytes, from)) {
          const overhead = sent.bytes[0] === PacketType.trunk ? TRUNK_OVERHEAD : 0;
          expect(sent.bytes.length).toBeLessThanOrEqual(bytes.length + overhead);
        }
        relay.pass(1);
      }),
      { numRuns: 5_000 },
    );
    expect(relay.forwarder.snapshot().sessions).toBe(2);
  });

  test("a hostile agent fills nothing without bound", () => {
    const limits = { ...SMALL_LIMITS, flowsMax: 500, partiesMax: 64, pendingFlowsMax: 16 };
    const relay = new TestRelay({ limits });
    const a = new TestAgent(relay, "192.0.2.1:1");
    const b = new TestAgent(relay, "192.0.2.2:1");
    a.bind(relay);
    b.bind(relay);
    const random = seededRandom(3);
    for (let round = 0; round < 200; round++) {
      const flows = Array.from({ length: 64 }, (_, i) => ({
        receiverIndex: round * 64 + i,
        agent: i % 2 === 0 ? b.id : (`${(round * 64 + i).toString(16).padStart(16, "0")}` as typeof b.id),
      }));
      a.bindOnce(relay, { flows });
      for (let i = 0; i < 20; i++) relay.feed(a.initiationTo(b, round * 100 + i), a.at);
      relay.feed(random(200), a.at);
      relay.pass(1_000);
    }
    const { flows, parties, evictions } = relay.forwarder.snapshot();
    expect(flows).toBeLessThanOrEqual(500);
    expect(parties).toBe(2);
    expect(evictions.flows).toBeGreaterThan(0);
  });

  test("an agent that declares without end takes no flow of others", () => {
    const relay = new TestRelay();
    const agents = Array.from({ length: 20 }, (_, i) => new TestAgent(relay, `192.0.2.${i + 1}:1`));
    const hostile = [98, 99].map((host) => new TestAgent(relay, `192.0.2.${host}:1`));
    const [victim] = agents;
    if (victim === undefined) throw new Error("nobody");
    for (const agent of [...agents, ...hostile]) agent.bind(relay);
    for (const [i, agent] of agents.entries()) {
      const peer = agents[(i + 1) % agents.length] ?? victim;
      agent.bindOnce(relay, { flows: [{ receiverIndex: i, agent: peer.id }] });
    }
    for (let n = 0; n < 300; n++) {
      const flows = Array.from({ length: 64 }, (_, i) => ({ receiverIndex: n * 64 + i, agent: victim.id }));
      for (const agent of hostile) agent.bindOnce(relay, { flows });
      relay.pass(200);
      if (n % 50 === 0) for (const agent of agents) agent.bindOnce(relay);
    }
    expect(relay.forwarder.snapshot().flows).toBe(SMALL_LIMITS.flowsMax);
    const reached = agents.filter((agent, i) => relay.feed(transport(i), agent.at).length === 1);
    expect(reached.length).toBe(agents.length);
  });

  test("a flood of routes and of agents known by the trunk alone makes room for itself, not of the bound", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, partiesMax: 200 } });
    const other = new TestRelay();
    relay.forwarder.setRelays([other.info]);
    const a = new TestAgent(relay, "192.0.2.1:1");
    a.bind(relay);
    for (let i = 0; i < 2_000; i++) {
      const agent = (i + 1).toString(16).padStart(16, "0") as typeof a.id;
      const key = Buffer.from(seededRandom(i + 1)(32)).toString("base64") as never;
      relay.forwarder.setRoutes([{ agent, key, network: a.network, relay: other.id }], [], false, relay.now);
    }
    expect(relay.forwarder.snapshot()).toMatchObject({ parties: 200, sessions: 1 });
    relay.forwarder.setRelays([]);
    relay.forwarder.setRoutes([], [], true, relay.now);
    relay.pass(700_000);
    expect(relay.forwarder.snapshot().parties).toBe(0);
    expect(relay.addresses.pins.size).toBe(0);
  });

  test("a relay that names thousands of agents takes no route from those that the coordinator pushed", () => {
    const limits = { ...SMALL_LIMITS, partiesMax: 300, taughtPerRelayMax: 24 };
    const relay = new TestRelay({ limits });
    const [good, ...liars] = [new TestRelay(), new TestRelay(), new TestRelay(), new TestRelay()];
    if (good === undefined) throw new Error("none");
    relay.forwarder.setRelays([good.info, ...liars.map(({ info }) => info)]);
    const b = new TestAgent(relay, "198.51.100.1:1000");
    b.bind(relay);
    const routed = Array.from({ length: 200 }, (_, i) => new TestAgent(good, `198.51.100.2:${2_000 + i}`));
    const routes = routed.map((x) => ({ agent: x.id, key: keyToText(x.publicKey), network: x.network }));
    relay.forwarder.setRoutes(
      routes.map((route) => ({ ...route, relay: good.id })),
      [],
      true,
      relay.now,
    );
    const reached = () => routed.filter((x) => relay.feed(b.probeTo(x), b.at).length > 0).length;
    relay.now += 60_000;
    b.bind(relay);
    const lie = liars.map((by) => liar(by, relay, b.id));
    for (let i = 1; i <= 1_000; i++) lie[i % 3]?.(i.toString(16).padStart(16, "0") as AgentId);
    relay.now += 1_000;
    expect(reached()).toBe(200);
    expect(relay.forwarder.snapshot().parties).toBe(1 + 200 + 3 * 24);
    expect(relay.drops()["trunk-too-many-agents"]).toBe(1_000 - 3 * 24);
    // Agents that bind here, and those that the coordinator names, find room before the liars' inventions.
    const newcomers = Array.from({ length: 20 }, (_, i) => new TestAgent(relay, `198.51.100.3:${i + 1}`));
    for (const agent of newcomers) expect(agent.bind(relay).status).toBe(BindStatus.bound);
    relay.forwarder.setRoutes(
      newcomers.map((x) => ({
        agent: `ff${x.id.slice(2)}` as AgentId,
        key: keyToText(x.publicKey),
        network: x.network,
        relay: good.id,
      })),
      [],
      false,
      relay.now,
    );
    expect(relay.forwarder.snapshot().parties).toBe(300);
    expect(reached()).toBe(200);
  });

  test("one relay brings in no more agents than its share, and each as long as nobody else speaks of it", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, taughtPerRelayMax: 4 } });
    const other = new TestRelay();
    relay.forwarder.setRelays([other.info]);
    const b = new TestAgent(relay, "198.51.100.1:1000");
    b.bind(relay);
    const named = Array.from({ length: 6 }, (_, i) => new TestAgent(other, `198.51.100.2:${i + 1}`));
    const lie = liar(other, relay, b.id);
    const name = () => {
      for (const { id } of named) lie(id);
      return relay.forwarder.snapshot().parties - 1;
    };
    expect(name()).toBe(4);
    const [first, second] = named as [TestAgent, TestAgent];
    const route = { agent: first.id, key: keyToText(first.publicKey), network: first.network };
    relay.forwarder.setRoutes([{ ...route, relay: other.id }], [], false, relay.now);
    expect(name()).toBe(5);
    second.alsoAt(relay, second.at).bind(relay);
    expect(name()).toBe(6);
    relay.forwarder.setRoutes([], [], true, relay.now);
    for (let i = 0; i < 30; i++) {
      relay.pass(25_000);
      b.bind(relay);
    }
    expect(relay.forwarder.snapshot().parties).toBe(1);
    expect(name()).toBe(4);
  });
});

describe("the hot path", () => {
  test("a million packets later the heap is what it was", () => {
    const { relay, a } = world();
    const packet = transport(2, 200);
    const from = relay.addresses.handle(a.at);
    let forwarded = 0;
    const burst = (count: number) => {
      for (let i = 0; i < count; i++) {
        if (relay.forwarder.forward(packet, from, relay.now) >= 0) forwarded++;
      }
    };
    burst(100_000);
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    burst(1_000_000);
    const grown = process.memoryUsage().heapUsed - before;
    expect(forwarded).toBe(1_100_000);
    // Without a collection in between: one byte per packet would be a megabyte.
    expect(grown).toBeLessThan(500_000);
  });
});
