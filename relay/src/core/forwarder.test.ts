/** The forwarder's rules on a virtual clock, with packets as agents send them. */
import { describe, expect, test } from "bun:test";
import { BindStatus, type Endpoint } from "@burrow/protocol";
import {
  cookieReply,
  OTHER_NETWORK,
  type Sent,
  TestAgent,
  TestRelay,
  transport,
  whereTo,
} from "../testing/harness.ts";

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
