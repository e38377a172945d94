/** Trunk: two and three relays in memory hand packets to each other, one hop, and take none from strangers. */
import { describe, expect, test } from "bun:test";
import { type AgentId, type Bytes, type Endpoint, idWords, keyToText, type Route } from "@burrow/protocol";
import { OTHER_NETWORK, TEST_NETWORK, TestAgent, TestRelay, transport, whereTo } from "../testing/harness.ts";
import { SMALL_LIMITS } from "./limits.ts";
import { Parties } from "./parties.ts";

const A_AT = "192.0.2.1:5000";
const B_AT = "192.0.2.2:5000";

function routeTo(agent: TestAgent, relay: TestRelay): Route {
  return { agent: agent.id, key: keyToText(agent.publicKey), network: agent.network, relay: relay.id };
}

/** `a` at `left`, `b` at `right`; each relay has a route to the other's agent unless told otherwise. */
function mesh(options: { network?: typeof OTHER_NETWORK; routes?: boolean } = {}) {
  const left = new TestRelay();
  const right = new TestRelay();
  left.forwarder.setRelays([left.info, right.info]);
  right.forwarder.setRelays([left.info, right.info]);
  const a = new TestAgent(left, A_AT);
  const b = new TestAgent(right, B_AT, options);
  a.bind(left);
  b.bind(right);
  left.forwarder.setRoutes([routeTo(b, right)], [], true, left.now);
  if (options.routes !== false) right.forwarder.setRoutes([routeTo(a, left)], [], true, right.now);
  return { left, right, a, b };
}

/** Feeds at one relay and carries what it sends to the other. */
function across(from: TestRelay, to: TestRelay, bytes: Bytes, at: Endpoint): string[] {
  return from.feed(bytes, at).flatMap((sent) => {
    expect(sent.to).toBe(to.endpoint);
    return whereTo(to.feed(sent.bytes, from.endpoint));
  });
}

describe("between two relays", () => {
  test("a handshake and data cross both ways", () => {
    const { left, right, a, b } = mesh();
    expect(across(left, right, a.initiationTo(b, 1), a.at)).toEqual([`wireguard ${B_AT}`]);
    expect(across(right, left, b.responseTo(a, 2, 1), b.at)).toEqual([`wireguard ${A_AT}`]);
    expect(across(left, right, transport(2, 1_400), a.at)).toEqual([`wireguard ${B_AT}`]);
    expect(across(right, left, transport(1), b.at)).toEqual([`wireguard ${A_AT}`]);
    expect(across(left, right, a.probeTo(b), a.at)).toEqual([`probe ${B_AT}`]);
    expect(across(left, right, a.introductionTo(b), a.at)).toEqual([`introduction ${B_AT}`]);
    expect(across(right, left, b.introductionTo(a), b.at)).toEqual([`introduction ${A_AT}`]);
    expect([left.drops(), right.drops()]).toEqual([{}, {}]);
  });

  test("answers find their way though the coordinator never told the right relay", () => {
    const { left, right, a, b } = mesh({ routes: false });
    across(left, right, a.initiationTo(b, 1), a.at);
    expect(across(right, left, b.responseTo(a, 2, 1), b.at)).toEqual([`wireguard ${A_AT}`]);
    expect(across(right, left, b.probeTo(a), b.at)).toEqual([`probe ${A_AT}`]);
  });

  test("the packet that comes out is the packet that went in", () => {
    const { left, right, a, b } = mesh();
    across(left, right, a.initiationTo(b, 1), a.at);
    across(right, left, b.responseTo(a, 2, 1), b.at);
    const packet = transport(2, 777);
    const [trunked] = left.feed(packet, a.at);
    expect(right.feed(trunked?.bytes ?? packet, left.endpoint)[0]?.bytes).toEqual(packet);
  });

  test("bound here beats routed elsewhere", () => {
    const { left, right, a, b } = mesh();
    b.alsoAt(left, "192.0.2.22:5000").bind(left);
    expect(whereTo(left.feed(a.initiationTo(b, 1), a.at))).toEqual(["wireguard 192.0.2.22:5000"]);
    expect(right.forwarder.snapshot().trunk.received).toBe(0);
  });

  test("networks are kept apart", () => {
    const { left, right, a, b } = mesh({ network: OTHER_NETWORK });
    expect(left.feed(a.probeTo(b), a.at)).toEqual([]);
    expect(left.feed(a.initiationTo(b, 1), a.at)).toEqual([]);
    // And should a relay err, the other does not.
    left.forwarder.setRoutes([{ ...routeTo(b, right), network: a.network }], [], true, left.now);
    expect(across(left, right, a.probeTo(b), a.at)).toEqual([]);
    expect(right.drops()).toEqual({ "other-network": 1 });
  });
});

describe("a network's own relay", () => {
  /** `right` is one network's own; `a` is bound at `left`, which serves all, and so is its peer `c`. */
  function withOwner(owner: typeof OTHER_NETWORK | typeof TEST_NETWORK) {
    const made = mesh();
    const { left, right, a } = made;
    const third = new TestRelay();
    left.forwarder.setRelays([left.info, { ...right.info, network: owner }, third.info]);
    const c = new TestAgent(third, "192.0.2.3:5000");
    left.forwarder.setRoutes([routeTo(c, third)], [], false, left.now);
    // The owner of `right` may teach it whatever they like.
    const lie = c.alsoAt(right, c.at);
    lie.bind(right);
    right.forwarder.setRoutes([routeTo(a, left)], [], true, right.now);
    return { ...made, third, c, lie };
  }

  test("says nothing of agents of other networks: no packet passes, and nobody's way is changed", () => {
    const { left, right, third, a, c, lie } = withOwner(OTHER_NETWORK);
    expect(across(right, left, lie.probeTo(a), lie.at)).toEqual([]);
    expect(left.drops()).toEqual({ "trunk-other-network": 1 });
    expect(whereTo(left.feed(a.probeTo(c), a.at))).toEqual([`trunk ${third.endpoint}`]);
  });

  test("names no unknown agent to agents of other networks either", () => {
    const { left, right, a, lie } = withOwner(OTHER_NETWORK);
    left.forwarder.setRoutes([], [lie.id], false, left.now);
    const { parties } = left.forwarder.snapshot();
    expect(across(right, left, lie.initiationTo(a, 7), lie.at)).toEqual([]);
    expect(left.forwarder.snapshot().parties).toBe(parties);
  });

  test("speaks for its own network's", () => {
    const { left, right, a, c, lie } = withOwner(TEST_NETWORK);
    expect(across(right, left, lie.probeTo(a), lie.at)).toEqual([`probe ${A_AT}`]);
    expect(whereTo(left.feed(a.probeTo(c), a.at))).toEqual([`trunk ${right.endpoint}`]);
  });
});

describe("what a relay does not take", () => {
  function trunked() {
    const made = mesh();
    const [sent] = made.left.feed(made.a.probeTo(made.b), made.a.at);
    if (sent === undefined) throw new Error("nothing was sent");
    return { ...made, bytes: sent.bytes };
  }

  test("the same packet twice", () => {
    const { left, right, bytes } = trunked();
    expect(right.feed(bytes, left.endpoint)).toHaveLength(1);
    expect(right.feed(bytes, left.endpoint)).toEqual([]);
    expect(right.drops()).toEqual({ "trunk-replayed": 1 });
  });

  test("a changed one, and one from a relay that is not on the map", () => {
    const { left, right, bytes } = trunked();
    for (const at of [1, 4, 8, 16, 24, 40, bytes.length - 1]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(right.feed(changed, left.endpoint)).toEqual([]);
    }
    expect(right.drops()).toEqual({ "trunk-forged": 6, "trunk-unknown-relay": 1 });
    right.forwarder.setRelays([right.info]);
    expect(right.feed(bytes, left.endpoint)).toEqual([]);
    expect(right.drops()["trunk-unknown-relay"]).toBe(2);
  });

  test("one of a boot that has passed; a new boot is taken at once", () => {
    const { left, right, a, b, bytes } = trunked();
    const again = new TestRelay({ like: left, boot: 2 });
    again.forwarder.setRelays([right.info]);
    again.forwarder.setRoutes([routeTo(b, right)], [], true, again.now);
    a.bind(again);
    expect(across(again, right, a.probeTo(b), a.at)).toEqual([`probe ${B_AT}`]);
    expect(right.feed(bytes, left.endpoint)).toEqual([]);
    expect(right.drops()).toEqual({ "trunk-old-boot": 1 });
  });

  test("one whose destination is not bound: it goes no further, though a route says where", () => {
    const { left, right, b, bytes } = trunked();
    const third = new TestRelay();
    right.forwarder.setRelays([left.info, third.info]);
    right.forwarder.setRoutes([routeTo(b, third)], [], false, right.now);
    b.bindOnce(right, { leaving: true });
    expect(right.feed(bytes, left.endpoint)).toEqual([]);
    expect(right.drops()).toEqual({ "trunk-destination-away": 1 });
  });

  test("floods under a known relay's name meet a budget; the relay itself is heard", () => {
    const { left, right, bytes } = trunked();
    const forged = bytes.slice();
    forged[40] = (forged[40] ?? 0) ^ 1;
    for (let i = 0; i < 1_000; i++) right.feed(forged, "198.51.100.1:1" as Endpoint);
    expect(right.drops()).toEqual({ "trunk-forged": 500, "trunk-budget": 500 });
    expect(right.feed(bytes, left.endpoint)).toHaveLength(1);
  });
});

describe("routes", () => {
  test("follow the coordinator: moved, removed, named before their relay is known", () => {
    const { left, right, a, b } = mesh();
    const third = new TestRelay();
    left.forwarder.setRoutes([routeTo(b, third)], [], false, left.now);
    expect(left.feed(a.probeTo(b), a.at)).toEqual([]);
    left.forwarder.setRelays([right.info, third.info]);
    expect(whereTo(left.feed(a.probeTo(b), a.at))).toEqual([`trunk ${third.endpoint}`]);
    left.forwarder.setRoutes([], [b.id], false, left.now);
    expect(left.feed(a.probeTo(b), a.at)).toEqual([]);
    left.forwarder.setRoutes([routeTo(b, right)], [], false, left.now);
    expect(whereTo(left.feed(a.probeTo(b), a.at))).toEqual([`trunk ${right.endpoint}`]);
    left.forwarder.setRoutes([], [], true, left.now);
    expect(left.feed(a.probeTo(b), a.at)).toEqual([]);
    expect(left.drops()).toEqual({ "destination-away": 3 });
  });

  test("a relay that only has addresses we cannot reach is not sent to", () => {
    const { left, right, a, b } = mesh();
    left.forwarder.setRelays([{ ...right.info, endpoints: ["[2001:db8::1]:21820" as Endpoint] }]);
    expect(left.feed(a.probeTo(b), a.at)).toEqual([]);
    expect(left.drops()).toEqual({ "trunk-unreachable": 1 });
  });
});

describe("ids that are alike but for their last bits", () => {
  test("are told apart, also when one of them leaves", () => {
    const relay = new TestRelay();
    const parties = new Parties(SMALL_LIMITS, relay.addresses, { unbound() {} });
    const ids = ["00112233445566a0", "00112233445566a1", "0011223344556f77"] as AgentId[];
    const all = ids.map((id) => parties.add(id, OTHER_NETWORK, 0));
    const found = () => ids.map((id) => parties.byWords(idWords(id)));
    expect(found()).toEqual(all);
    for (const [i, party] of all.entries()) {
      if (party !== undefined) parties.remove(party, "evicted");
      all[i] = undefined;
      expect(found()).toEqual(all);
    }
  });
});

test("a packet that would not fit a datagram with the trunk's header is dropped, the largest that does is not", () => {
  const { left, right, a, b } = mesh();
  across(left, right, a.initiationTo(b, 1), a.at);
  across(right, left, b.responseTo(a, 2, 1), b.at);
  expect(across(left, right, transport(2, 65_507 - 48), a.at)).toEqual([`wireguard ${B_AT}`]);
  expect(left.feed(transport(2, 65_507 - 47), a.at)).toEqual([]);
  expect(left.drops()).toEqual({ "send-failed": 1 });
});
