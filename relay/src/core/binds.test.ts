/** What Binds may cost, and who pays: floods, replays and junk keep nobody out who has a right to be heard. */
import { describe, expect, test } from "bun:test";
import { BindStatus, type Bytes, type Endpoint } from "@burrow/protocol";
import { TestAgent, TestRelay } from "../testing/harness.ts";
import { BIND_FAILURES, BINDS_PER_AGENT, BINDS_UNBOUND, CHALLENGES_PER_HOST } from "./limits.ts";

function pair() {
  const relay = new TestRelay();
  const a = new TestAgent(relay, "192.0.2.1:5000");
  const b = new TestAgent(relay, "192.0.2.2:5000");
  a.bind(relay);
  b.bind(relay);
  return { relay, a, b };
}

/** A Bind with a ticket that no coordinator made: whoever has it can send it a thousand times. */
const junkFor = (relay: TestRelay): Bytes =>
  new TestAgent({ id: relay.id, ticketKey: new Uint8Array(32) }, "192.0.2.1:5000").bindBytes();

describe("Binds' budgets", () => {
  test("junk from many hosts keeps no newcomer out, up to what there is time for", () => {
    const relay = new TestRelay();
    const junk = junkFor(relay);
    for (let i = 0; i < 10; i++) {
      // Of each second a tenth: 75 hosts, two hundred Binds each.
      for (let n = 0; n < 1_500; n++) relay.feed(junk, `198.51.100.${n % 75}:${1 + n}` as Endpoint);
      expect(new TestAgent(relay, `192.0.2.${i}:1`).bind(relay).status).toBe(BindStatus.bound);
      relay.pass(100);
    }
    expect(relay.drops()).toEqual({ "ticket-refused": 15_000 });
  });

  test("floods of junk beyond that meet a budget; who is bound or was here is still heard", () => {
    const { relay, a } = pair();
    const moving = new TestAgent(relay, "192.0.2.7:1");
    moving.bind(relay);
    const junk = junkFor(relay);
    const { burst } = BIND_FAILURES;
    for (let n = 0; n < 2 * burst; n++) relay.feed(junk, `198.51.100.1:${1 + n}` as Endpoint);
    // One host has half of it and its own share of the rest; other hosts are not held back for it.
    expect(relay.drops()["ticket-refused"]).toBe(burst / 2);
    expect(new TestAgent(relay, "192.0.2.8:1").bind(relay).status).toBe(BindStatus.bound);
    for (let n = 0; n < burst; n++) relay.feed(junk, `198.51.${n % 100}.1:1` as Endpoint);
    expect(relay.drops()["ticket-refused"]).toBe(burst);
    expect(new TestAgent(relay, "192.0.2.9:1").bindBytes()).toSatisfy(
      (bind) => relay.feed(bind, "192.0.2.9:1" as Endpoint).length === 0,
    );
    expect(a.bindOnce(relay).status).toBe(BindStatus.bound);
    moving.at = "192.0.2.70:1" as Endpoint;
    expect(moving.bind(relay).status).toBe(BindStatus.bound);
  });

  test("neither junk under a bound agent's address nor its own Binds sent again use up its budget", () => {
    const { relay, a } = pair();
    const junk = junkFor(relay);
    const captured = a.bindBytes();
    for (let n = 0; n < 1_000; n++) relay.feed(junk, a.at);
    for (let n = 0; n < 1_000; n++) relay.feed(captured, "198.51.100.1:1" as Endpoint);
    for (let n = 0; n < 1_000; n++) relay.feed(captured, a.at);
    expect(a.bindOnce(relay).status).toBe(BindStatus.bound);
  });

  test("an agent that binds without end is held to its own budget, wherever it goes", () => {
    const { relay, a } = pair();
    let [challenges, bound] = [0, 0];
    for (let n = 0; n < 1_000; n++) {
      a.at = `192.0.2.${1 + (n % 2)}:${5_000 + n}` as Endpoint;
      const [answer] = relay.feed(a.bindBytes(), a.at);
      if (answer === undefined) continue;
      challenges++;
      a.cookie = a.open(answer).cookie;
      if (relay.feed(a.bindBytes(), a.at).length > 0) bound++;
    }
    expect(bound).toBeLessThanOrEqual(BINDS_PER_AGENT.burst);
    expect(challenges).toBeLessThanOrEqual(2 * CHALLENGES_PER_HOST.burst);
    expect(relay.drops()["bind-budget"]).toBeGreaterThan(100);
  });

  test("a captured Bind that is sent again from elsewhere keeps its agent from no challenge", () => {
    const { relay, a } = pair();
    const captured = a.bindBytes();
    const replay = (ms: number) => {
      for (let n = 0; n < ms / 10; n++) {
        relay.feed(captured, "198.51.100.9:4000" as Endpoint);
        relay.pass(10);
      }
    };
    replay(5_000);
    for (let home = 1; home <= 10; home++) {
      a.at = `203.0.113.${home}:6000` as Endpoint;
      expect(a.bind(relay).status).toBe(BindStatus.bound);
      replay(1_000);
    }
    const again = new TestRelay({ like: relay, boot: 2 });
    for (let n = 0; n < 100; n++) again.feed(captured, "198.51.100.9:4000" as Endpoint);
    expect(a.bind(again).status).toBe(BindStatus.bound);
  });

  test("one that is sent from ever other addresses leaves half of what there is to newcomers", () => {
    const { relay, a } = pair();
    const captured = a.bindBytes();
    let answers = 0;
    for (let n = 0; n < BINDS_UNBOUND.burst; n++) {
      answers += relay.feed(captured, `198.51.${n % 200}.${n % 251}:1` as Endpoint).length;
    }
    expect(answers).toBeGreaterThanOrEqual(BINDS_UNBOUND.burst / 2 - 10);
    expect(answers).toBeLessThanOrEqual(BINDS_UNBOUND.burst / 2 + BINDS_PER_AGENT.burst);
    expect(new TestAgent(relay, "192.0.2.9:1").bind(relay).status).toBe(BindStatus.bound);
  });

  test("during a flood, junk under a bound agent's address does not use up what its own Binds need", () => {
    const { relay, a } = pair();
    const junk = junkFor(relay);
    for (let round = 0; round < 5; round++) {
      relay.pass(15_000);
      for (let n = 0; n < 2 * BIND_FAILURES.burst; n++) relay.feed(junk, `198.51.${n % 100}.1:1` as Endpoint);
      for (let n = 0; n < 1_000; n++) relay.feed(junk, a.at);
      expect(relay.feed(new TestAgent(relay, "192.0.2.9:1").bindBytes(), "192.0.2.9:1" as Endpoint)).toEqual(
        [],
      );
      expect(a.bindOnce(relay).status).toBe(BindStatus.bound);
    }
  });

  test("floods through the WebSocket door leave the relay's own check its budget", () => {
    const relay = new TestRelay();
    const stranger = new TestAgent({ id: relay.id, ticketKey: new Uint8Array(32) }, "127.64.9.9:1");
    for (let i = 0; i < 10_000; i++) relay.feed(stranger.bindBytes(), `127.64.${i % 40}.9:1` as Endpoint);
    const check = new TestAgent(relay, "127.0.0.1:5");
    expect(check.bindOnce(relay).status).toBe(BindStatus.challenge);
    expect(check.bindOnce(relay, { leaving: true }).status).toBe(BindStatus.bound);
  });
});
