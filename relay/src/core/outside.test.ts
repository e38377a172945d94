/** Unmodified WireGuard clients: only towards agents that take them, only by handshakes, only within budgets. */
import { describe, expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import {
  cookieReply,
  TestAgent,
  type TestAgentOptions,
  TestRelay,
  transport,
  whereTo,
} from "../testing/harness.ts";
import { SMALL_LIMITS } from "./limits.ts";

const AGENT_AT = "192.0.2.1:5000";
const CLIENT_AT = "198.51.100.1:41000";

function scene(options: TestAgentOptions = { acceptsOutside: true }) {
  const relay = new TestRelay();
  const agent = new TestAgent(relay, AGENT_AT, options);
  agent.bind(relay);
  /** Has keys like an agent, but never binds. */
  const client = new TestAgent(relay, CLIENT_AT);
  return { relay, agent, client };
}

function handshake({ relay, agent, client }: ReturnType<typeof scene>): void {
  expect(whereTo(relay.feed(client.initiationTo(agent, 1), client.at))).toEqual([`wireguard ${AGENT_AT}`]);
  expect(whereTo(relay.feed(agent.responseTo(client, 2, 1), agent.at))).toEqual([`wireguard ${client.at}`]);
}

describe("an outside client", () => {
  test("shakes hands and exchanges data with an agent that takes such clients", () => {
    const made = scene();
    handshake(made);
    const { relay, agent, client } = made;
    expect(whereTo(relay.feed(transport(2), client.at))).toEqual([`wireguard ${AGENT_AT}`]);
    expect(whereTo(relay.feed(transport(1), agent.at))).toEqual([`wireguard ${CLIENT_AT}`]);
    expect(whereTo(relay.feed(cookieReply(1), agent.at))).toEqual([`wireguard ${CLIENT_AT}`]);
    expect(relay.forwarder.snapshot()).toMatchObject({ outsideClients: 1, sessions: 1 });
  });

  test("reaches nobody who did not ask for it", () => {
    const { relay, agent, client } = scene({ acceptsOutside: false });
    expect(relay.feed(client.initiationTo(agent, 1), client.at)).toEqual([]);
    expect(relay.drops()).toEqual({ "outside-for-nobody": 1 });
    expect(relay.forwarder.snapshot().outsideClients).toBe(0);
  });

  test("moves by a new handshake only", () => {
    const made = scene();
    handshake(made);
    const { relay, agent, client } = made;
    const moved = "198.51.100.99:5" as Endpoint;
    expect(relay.feed(transport(2), moved)).toEqual([]);
    client.at = moved;
    expect(whereTo(relay.feed(client.initiationTo(agent, 11), moved))).toEqual([`wireguard ${AGENT_AT}`]);
    expect(whereTo(relay.feed(agent.responseTo(client, 12, 11), agent.at))).toEqual([`wireguard ${moved}`]);
    expect(whereTo(relay.feed(transport(11), agent.at))).toEqual([`wireguard ${moved}`]);
    expect(whereTo(relay.feed(transport(1), agent.at))).toEqual([`wireguard ${CLIENT_AT}`]);
  });

  test("can be greeted by the agent, whose rekey the relay cannot read", () => {
    const made = scene();
    handshake(made);
    const { relay, agent, client } = made;
    expect(whereTo(relay.feed(agent.initiationTo(client, 21), agent.at))).toEqual([`wireguard ${CLIENT_AT}`]);
    expect(whereTo(relay.feed(client.responseTo(agent, 22, 21), client.at))).toEqual([
      `wireguard ${AGENT_AT}`,
    ]);
    expect(whereTo(relay.feed(transport(22), agent.at))).toEqual([`wireguard ${CLIENT_AT}`]);
  });

  test("whose captured handshake comes from elsewhere is not cut off", () => {
    const made = scene();
    const { relay, agent, client } = made;
    const captured = client.initiationTo(agent, 1);
    relay.feed(captured, client.at);
    relay.feed(captured, "203.0.113.66:6" as Endpoint);
    expect(whereTo(relay.feed(agent.responseTo(client, 2, 1), agent.at))).toEqual([`wireguard ${CLIENT_AT}`]);
  });

  test("is forgotten: unanswered after 15 s, silent after 200 s; traffic keeps it", () => {
    const made = scene();
    const { relay, agent, client } = made;
    relay.feed(client.initiationTo(agent, 1), client.at);
    relay.pass(16_000);
    expect(relay.forwarder.snapshot().outsideClients).toBe(0);
    handshake(made);
    for (let i = 0; i < 10; i++) {
      relay.pass(50_000);
      agent.bind(relay);
      expect(relay.feed(transport(2), client.at)).toHaveLength(1);
    }
    relay.pass(202_000);
    expect(relay.forwarder.snapshot()).toMatchObject({ outsideClients: 0, flows: 0 });
    expect(relay.feed(transport(2), client.at)).toEqual([]);
  });
});

describe("a flood of handshakes from nowhere", () => {
  test("of one host ends at its budget, and another host is heard", () => {
    const { relay, agent, client } = scene();
    for (let i = 0; i < 1_000; i++) relay.feed(client.initiationTo(agent, i), client.at);
    expect(relay.drops()).toEqual({ "outside-budget": 980 });
    const other = new TestAgent(relay, "198.51.100.2:1");
    expect(relay.feed(other.initiationTo(agent, 1), other.at)).toHaveLength(1);
  });

  test("does not end the session of a client that is there", () => {
    const made = scene();
    handshake(made);
    const { relay, agent, client } = made;
    const junk = client.initiationTo(client, 1);
    for (let i = 0; i < 5_000; i++) relay.feed(junk, `198.18.${i >> 8}.${i & 255}:1` as Endpoint);
    expect(relay.drops()["outside-budget"]).toBeGreaterThan(2_000);
    expect(whereTo(relay.feed(client.initiationTo(agent, 7), client.at))).toEqual([`wireguard ${AGENT_AT}`]);
  });

  test("of many hosts ends at the budget of all, the table stays bounded, and bound agents are not touched", () => {
    const relay = new TestRelay({ limits: { ...SMALL_LIMITS, outsideMax: 100 } });
    const agent = new TestAgent(relay, AGENT_AT, { acceptsOutside: true });
    const peer = new TestAgent(relay, "192.0.2.2:1");
    agent.bind(relay);
    peer.bind(relay);
    const client = new TestAgent(relay, CLIENT_AT);
    const initiation = client.initiationTo(agent, 1);
    for (let i = 0; i < 5_000; i++)
      relay.feed(initiation, `198.18.${i >> 8}.${i & 255}:${1 + i}` as Endpoint);
    expect(relay.forwarder.snapshot().outsideClients).toBe(100);
    expect(relay.drops()["outside-budget"]).toBe(4_900);
    expect(relay.feed(peer.initiationTo(agent, 5), peer.at)).toHaveLength(1);
    relay.pass(60_000);
    expect(relay.addresses.pins.size).toBeLessThanOrEqual(2);
  });
});
