/** The forwarder's rules on a virtual clock, with packets as agents send them. */
import { describe, expect, test } from "bun:test";
import {
  BIND_LENGTH_MIN,
  BindStatus,
  BOUND_LENGTH,
  type Endpoint,
  keyToText,
  type Route,
} from "@burrow/protocol";
import {
  cookieReply,
  OTHER_NETWORK,
  type Sent,
  T0,
  TestAgent,
  TestRelay,
  transport,
  whereTo,
} from "../testing/harness.ts";
import { SMALL_LIMITS } from "./limits.ts";

const A_AT = "192.0.2.1:5000";
const B_AT = "192.0.2.2:5000";

function pair(options: { network?: typeof OTHER_NETWORK } = {}) {
  const relay = new TestRelay();
  const a = new TestAgent(relay, A_AT);
  const b = new TestAgent(relay, B_AT, options);
  expect(a.bind(relay).status).toBe(BindStatus.bound);
  expect(b.bind(relay).status).toBe(BindStatus.bound);
  return { relay, a, b };
}

/** A handshake from `a` to `b` through the relay; indices 1 (a's) and 2 (b's). */
function handshake(relay: TestRelay, a: TestAgent, b: TestAgent): Sent[] {
  return [...relay.feed(a.initiationTo(b, 1), a.at), ...relay.feed(b.responseTo(a, 2, 1), b.at)];
}

describe("runs of packets at one moment", () => {
  const run = (relay: TestRelay, a: TestAgent) => {
    const sent = [];
    for (let n = 0; n < 3; n++) sent.push(...whereTo(relay.feed(transport(2, 100), a.at)));
    return sent;
  };

  test("each packet counts; another index or source begins another run", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    expect(run(relay, a)).toEqual([1, 2, 3].map(() => `wireguard ${B_AT}`));
    expect(whereTo(relay.feed(transport(1, 100), b.at))).toEqual([`wireguard ${A_AT}`]);
    expect(relay.feed(transport(9, 100), a.at)).toEqual([]);
    expect(run(relay, a).length).toBe(3);
    expect(relay.forwarder.snapshot().transports).toBe(7);
    expect(relay.drops()).toEqual({ "unknown-flow": 1 });
  });

  test("whatever changes the way ends a run at once", () => {
    const changes: ((relay: TestRelay, a: TestAgent, b: TestAgent) => unknown)[] = [
      (relay, _, b) => relay.forwarder.revoke(b.id),
      (relay, a) => relay.forwarder.revoke(a.id),
      (relay, _, b) => relay.feed(b.bindBytes({ leaving: true }), b.at),
      (relay, a) => relay.feed(a.bindBytes({ leaving: true }), a.at),
    ];
    for (const change of changes) {
      const { relay, a, b } = pair();
      handshake(relay, a, b);
      expect(run(relay, a).length).toBe(3);
      change(relay, a, b);
      expect(run(relay, a)).toEqual([]);
    }
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    run(relay, a);
    b.at = "198.51.100.9:900" as Endpoint;
    b.bind(relay);
    expect(run(relay, a)).toEqual([1, 2, 3].map(() => `wireguard ${b.at}`));
  });
});

describe("WireGuard between bound agents", () => {
  test("a handshake goes by MAC1 and teaches where transport data goes, both ways", () => {
    const { relay, a, b } = pair();
    expect(whereTo(handshake(relay, a, b))).toEqual([`wireguard ${B_AT}`, `wireguard ${A_AT}`]);
    expect(whereTo(relay.feed(transport(2, 1420), a.at))).toEqual([`wireguard ${B_AT}`]);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
    expect(whereTo(relay.feed(cookieReply(1), b.at))).toEqual([`wireguard ${A_AT}`]);
    expect(relay.drops()).toEqual({});
  });

  test("the bytes are the very bytes that came", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    const packet = transport(2, 1000);
    expect(relay.feed(packet, a.at)[0]?.bytes).toEqual(packet);
  });

  test("an index that nobody taught, and one used from elsewhere, lead nowhere", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    expect(relay.feed(transport(3), a.at)).toEqual([]);
    expect(relay.feed(transport(2), b.at)).toEqual([]);
    expect(relay.feed(transport(2), "192.0.2.9:1" as Endpoint)).toEqual([]);
    expect(relay.drops()).toEqual({ "unknown-flow": 2, "unbound-source": 1 });
  });

  test("a response whose initiation went another way is told by its MAC1", () => {
    const { relay, a, b } = pair();
    expect(whereTo(relay.feed(b.responseTo(a, 2, 1), b.at))).toEqual([`wireguard ${A_AT}`]);
    expect(whereTo(relay.feed(transport(2), a.at))).toEqual([`wireguard ${B_AT}`]);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
  });

  test("networks are kept apart", () => {
    const { relay, a, b } = pair({ network: OTHER_NETWORK });
    expect(relay.feed(a.initiationTo(b, 1), a.at)).toEqual([]);
    expect(relay.feed(b.responseTo(a, 2, 1), b.at)).toEqual([]);
    expect(relay.feed(a.probeTo(b), a.at)).toEqual([]);
    a.bindOnce(relay, { flows: [{ receiverIndex: 2, agent: b.id }] });
    expect(relay.feed(transport(2), a.at)).toEqual([]);
    expect(relay.drops()).toMatchObject({ "handshake-for-nobody": 1, "other-network": 1, "unknown-flow": 2 });
  });

  test("who guesses an index cannot divert a living flow", () => {
    const { relay, a, b } = pair();
    const c = new TestAgent(relay, "192.0.2.3:5000");
    c.bind(relay);
    handshake(relay, a, b);
    relay.feed(c.initiationTo(b, 1), c.at);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
    expect(relay.forwarder.snapshot().flowConflicts).toBe(1);
  });
});

describe("Binds", () => {
  test("the first is challenged, the second binds; each answer is smaller than its question", () => {
    const relay = new TestRelay();
    const a = new TestAgent(relay, A_AT);
    const first = relay.feed(a.bindBytes(), a.at);
    expect(first[0]?.bytes.length).toBe(BOUND_LENGTH);
    expect(BOUND_LENGTH).toBeLessThan(BIND_LENGTH_MIN);
    const challenge = a.open(first[0]);
    expect(challenge).toMatchObject({ status: BindStatus.challenge, observed: A_AT, sequence: 1 });
    expect(relay.forwarder.snapshot().sessions).toBe(0);
    a.cookie = challenge.cookie;
    expect(a.bindOnce(relay)).toMatchObject({ status: BindStatus.bound, observed: A_AT, lifetimeS: 60 });
    expect(relay.forwarder.snapshot()).toMatchObject({ sessions: 1, binds: { challenge: 1, bound: 1 } });
  });

  test("a captured Bind sent from elsewhere does not move the endpoint, nor does a forged cookie", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    const captured = a.bindBytes();
    const thief = "198.51.100.7:666" as Endpoint;
    const answer = relay.feed(captured, thief);
    expect(a.open(answer[0])).toMatchObject({ status: BindStatus.challenge, observed: thief });
    a.cookie = a.random(16);
    const forged = a.bindBytes();
    expect(a.open(relay.feed(forged, thief)[0]).status).toBe(BindStatus.challenge);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
    expect(relay.feed(transport(2), thief)).toEqual([]);
  });

  test("a Bind counts once, from its own address too", () => {
    const { relay, a } = pair();
    const bytes = a.bindBytes();
    expect(relay.feed(bytes, a.at)).toHaveLength(1);
    expect(relay.feed(bytes, a.at)).toEqual([]);
    expect(relay.drops()).toEqual({ "bind-replayed": 1 });
  });

  test("an agent that answers the challenge at a new address has moved there", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    const moved = "192.0.2.77:9000" as Endpoint;
    a.at = moved;
    expect(a.bind(relay).status).toBe(BindStatus.bound);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${moved}`]);
    expect(whereTo(relay.feed(transport(2), moved))).toEqual([`wireguard ${B_AT}`]);
    expect(relay.feed(transport(2), A_AT as Endpoint)).toEqual([]);
    expect(relay.events).toContain(`moved ${a.id} bind`);
    expect(relay.forwarder.snapshot().sessions).toBe(2);
  });

  test("cookies last through one change of the secret, not two", () => {
    const relay = new TestRelay();
    const a = new TestAgent(relay, A_AT);
    a.bind(relay);
    relay.pass(130_000);
    expect(a.bindOnce(relay).status).toBe(BindStatus.bound);
    const old = a.cookie;
    relay.pass(121_000);
    relay.feed(new TestAgent(relay, B_AT).bindBytes(), B_AT as Endpoint);
    relay.pass(121_000);
    a.cookie = old;
    expect(a.bindOnce(relay).status).toBe(BindStatus.challenge);
  });

  test("forged tickets and Binds get no answer; an expired or revoked agent is told so", () => {
    const relay = new TestRelay();
    const stranger = new TestAgent({ id: relay.id, ticketKey: new Uint8Array(32) }, A_AT);
    expect(relay.feed(stranger.bindBytes(), A_AT as Endpoint)).toEqual([]);
    const a = new TestAgent(relay, A_AT);
    const bytes = a.bindBytes();
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    expect(relay.feed(bytes, A_AT as Endpoint)).toEqual([]);
    expect(relay.drops()).toEqual({ "ticket-refused": 1, "bind-forged": 1 });
    const late = new TestAgent(relay, B_AT, { expiresAtMs: T0 - 1 });
    expect(late.bind(relay)).toMatchObject({ status: BindStatus.expired, lifetimeS: 0 });
    a.bind(relay);
    relay.forwarder.revoke(a.id);
    expect(relay.forwarder.snapshot().sessions).toBe(0);
    expect(a.bind(relay).status).toBe(BindStatus.refused);
  });

  test("a ticket for one relay opens at no other", () => {
    const [here, there] = [new TestRelay(), new TestRelay()];
    const a = new TestAgent({ id: there.id, ticketKey: here.ticketKey }, A_AT);
    expect(here.feed(a.bindBytes(), a.at)).toEqual([]);
    expect(here.drops()).toEqual({ "ticket-refused": 1 });
  });

  test("a binding lapses 60 s after the last Bind, exactly, and its address is let go", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    relay.pass(30_000);
    b.bind(relay);
    relay.pass(29_999);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
    relay.now += 1;
    expect(relay.feed(transport(1), b.at)).toEqual([]);
    expect(relay.drops()).toEqual({ "destination-away": 1 });
    relay.pass(1_000);
    expect(relay.forwarder.snapshot().sessions).toBe(1);
    expect(relay.events).toContain(`unbound ${a.id} lapsed`);
    expect([...relay.addresses.pins.keys()]).toEqual([relay.addresses.handle(b.at)]);
    // Back within the session's life: the flows still stand.
    a.bind(relay);
    expect(whereTo(relay.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
  });

  test("leaving ends the binding at once and is answered", () => {
    const { relay, a } = pair();
    expect(a.bindOnce(relay, { leaving: true })).toMatchObject({ status: BindStatus.bound, lifetimeS: 0 });
    expect(relay.forwarder.snapshot().sessions).toBe(1);
    expect(relay.events).toContain(`unbound ${a.id} left`);
  });

  test("draining is told in the answer, and packets go on flowing", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    relay.forwarder.setDraining(true);
    expect(a.bindOnce(relay)).toMatchObject({ status: BindStatus.draining, lifetimeS: 60 });
    expect(whereTo(relay.feed(transport(2), a.at))).toEqual([`wireguard ${B_AT}`]);
    relay.forwarder.setDraining(false);
    expect(a.bindOnce(relay).status).toBe(BindStatus.bound);
  });

  test("a restarted relay needs no handshake: Binds name the indices, in whatever order agents come back", () => {
    const { relay, a, b } = pair();
    handshake(relay, a, b);
    const again = new TestRelay({ like: relay, boot: 2 });
    a.bind(again, [{ receiverIndex: 2, agent: b.id }]);
    expect(again.feed(transport(2), a.at)).toEqual([]);
    b.bind(again, [{ receiverIndex: 1, agent: a.id }]);
    expect(whereTo(again.feed(transport(2), a.at))).toEqual([`wireguard ${B_AT}`]);
    expect(whereTo(again.feed(transport(1), b.at))).toEqual([`wireguard ${A_AT}`]);
  });

  test("a renewed ticket takes over; the old one's sequences cannot be replayed", () => {
    const relay = new TestRelay();
    const a = new TestAgent(relay, A_AT);
    a.bind(relay);
    const old = a.bindBytes();
    relay.feed(old, a.at);
    a.renewTicket(relay);
    a.sequence = 0;
    expect(a.bindOnce(relay).status).toBe(BindStatus.bound);
    expect(relay.feed(old, a.at)).toEqual([]);
    expect(relay.drops()).toEqual({ "bind-replayed": 1 });
  });

  test("two agents cannot hold one address: the later has it", () => {
    const { relay, a, b } = pair();
    b.at = a.at;
    b.bind(relay);
    expect(relay.forwarder.snapshot().sessions).toBe(1);
    expect(relay.events).toContain(`unbound ${a.id} replaced`);
  });

  test("a full relay says so and keeps who it has", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, sessionsMax: 2 } });
    const [a, b, c] = [1, 2, 3].map((i) => new TestAgent(relay, `192.0.2.${i}:1`));
    expect(a?.bind(relay).status).toBe(BindStatus.bound);
    expect(b?.bind(relay).status).toBe(BindStatus.bound);
    expect(c?.bind(relay).status).toBe(BindStatus.refused);
    expect(relay.forwarder.snapshot().sessions).toBe(2);
    expect(a?.bind(relay).status).toBe(BindStatus.bound);
  });

  test("tickets expire by the wall clock, though it was set right after the start only", () => {
    const relay = new TestRelay();
    const late = new TestAgent(relay, A_AT, { expiresAtMs: T0 - 1 });
    expect(late.bindOnce(relay).status).toBe(BindStatus.expired);
    relay.forwarder.tick(relay.now, T0 - 3_600_000);
    expect(late.bind(relay).status).toBe(BindStatus.bound);
    const good = new TestAgent(relay, B_AT);
    expect(good.bind(relay).status).toBe(BindStatus.bound);
    relay.forwarder.tick(relay.now, T0 + 90_000_000);
    expect(good.bindOnce(relay).status).toBe(BindStatus.expired);
  });
});

describe("probes", () => {
  test("go by the agent id in them, when the sender is who it says", () => {
    const { relay, a, b } = pair();
    const c = new TestAgent(relay, "192.0.2.3:5000");
    expect(whereTo(relay.feed(a.probeTo(b), a.at))).toEqual([`probe ${B_AT}`]);
    expect(relay.feed(b.probeTo(a), a.at)).toEqual([]);
    expect(relay.feed(a.probeTo(c), a.at)).toEqual([]);
    expect(relay.feed(a.probeTo(a), a.at)).toEqual([]);
    expect(relay.feed(c.probeTo(a), c.at)).toEqual([]);
    expect(relay.drops()).toEqual({
      "probe-sender-mismatch": 1,
      "probe-receiver-unknown": 2,
      "unbound-source": 1,
    });
  });
});

test("introductions go as probes do", () => {
  const { relay, a, b } = pair();
  const c = new TestAgent(relay, "192.0.2.3:5000");
  expect(whereTo(relay.feed(a.introductionTo(b), a.at))).toEqual([`introduction ${B_AT}`]);
  expect(relay.feed(b.introductionTo(a), a.at)).toEqual([]);
  expect(relay.feed(c.introductionTo(a), c.at)).toEqual([]);
  expect(relay.drops()).toEqual({ "probe-sender-mismatch": 1, "unbound-source": 1 });
});

describe("budgets", () => {
  test("handshakes for nobody end when the agent's budget does, and others are not touched", () => {
    const relay = new TestRelay();
    const agents = Array.from({ length: 40 }, (_, i) => new TestAgent(relay, `192.0.2.${i}:1`));
    for (const agent of agents) agent.bind(relay);
    const [hostile, a, b] = agents as [TestAgent, TestAgent, TestAgent];
    const nobody = new TestAgent(relay, "192.0.2.200:1");
    for (let i = 0; i < 500; i++) relay.feed(hostile.initiationTo(nobody, i), hostile.at);
    expect(relay.drops()["handshake-for-nobody"]).toBe(Math.floor(4_096 / 39));
    expect(relay.drops()["handshake-budget"]).toBe(500 - Math.floor(4_096 / 39));
    expect(whereTo(relay.feed(a.initiationTo(b, 1), a.at))).toEqual([`wireguard ${b.at}`]);
    relay.pass(5_000);
    expect(whereTo(relay.feed(hostile.initiationTo(b, 1), hostile.at))).toEqual([`wireguard ${b.at}`]);
  });

  test("those who know each other rekey whatever others search for", () => {
    const relay = new TestRelay();
    const agents = Array.from({ length: 40 }, (_, i) => new TestAgent(relay, `192.0.2.${i}:1`));
    for (const agent of agents) agent.bind(relay);
    const [a, b, ...hostile] = agents as [TestAgent, TestAgent, ...TestAgent[]];
    handshake(relay, a, b);
    const nobody = new TestAgent(relay, "192.0.2.200:1");
    for (const each of hostile) {
      for (let i = 0; i < 50; i++) relay.feed(each.initiationTo(nobody, i), each.at);
    }
    expect(relay.drops()["handshake-budget"]).toBeGreaterThan(1_000);
    expect(whereTo(relay.feed(a.initiationTo(b, 9), a.at))).toEqual([`wireguard ${b.at}`]);
    const [stranger] = hostile;
    expect(relay.feed(b.initiationTo(stranger as TestAgent, 9), b.at)).toEqual([]);
  });

  test("a search that ran out of budget goes on where it stopped", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, partiesMax: 8_192 } });
    const a = new TestAgent(relay, A_AT);
    a.bind(relay);
    const last = new TestAgent(relay, B_AT);
    const other = new TestRelay();
    relay.forwarder.setRelays([other.info]);
    const filler = Array.from({ length: 5_000 }, (_, i): Route => {
      const key = new Uint8Array(32).fill(7);
      new DataView(key.buffer).setUint32(0, i);
      const agent = i.toString(16).padStart(16, "0") as Route["agent"];
      return { agent, key: keyToText(key), network: a.network, relay: other.id };
    });
    const route = { agent: last.id, key: keyToText(last.publicKey), network: a.network, relay: other.id };
    relay.forwarder.setRoutes([...filler, route], [], true, relay.now);
    expect(relay.feed(a.initiationTo(last, 1), a.at)).toEqual([]);
    expect(relay.drops()).toEqual({ "handshake-budget": 1 });
    relay.pass(5_000);
    expect(whereTo(relay.feed(a.initiationTo(last, 2), a.at))).toEqual([`trunk ${other.endpoint}`]);
    // From then on the partner is tried first.
    relay.pass(100);
    expect(whereTo(relay.feed(a.initiationTo(last, 3), a.at))).toEqual([`trunk ${other.endpoint}`]);
  });

  test("the ticket's rate class holds an agent to its rate", () => {
    const relay = new TestRelay();
    const a = new TestAgent(relay, A_AT, { rateClass: 1 });
    const b = new TestAgent(relay, B_AT);
    a.bind(relay);
    b.bind(relay);
    handshake(relay, a, b);
    let passed = 0;
    // 10 Mbit/s is 1.25 MB/s; this offers twice as much for two seconds.
    for (let ms = 0; ms < 2_000; ms++) {
      relay.pass(1);
      for (let i = 0; i < 2; i++) passed += relay.feed(transport(2, 1_250), a.at).length;
    }
    expect(passed).toBeGreaterThan(2_000);
    expect(passed).toBeLessThan(2_000 + 300);
    expect(relay.drops()).toEqual({ "rate-limited": 4_000 - passed });
  });
});
