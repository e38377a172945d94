/** `GET /v1/events` of a real coordinator: who is told what, and what a reader finds who was away. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TestCoordinator } from "../../testing/coordinator.ts";
import { EventReader } from "../../testing/event-reader.ts";

let coordinator: TestCoordinator;
const readers: EventReader[] = [];
beforeAll(async () => {
  coordinator = await TestCoordinator.start();
});
afterAll(async () => {
  for (const reader of readers) reader.close();
  await coordinator.end();
});

const bearer = () => ({ authorization: `Bearer ${coordinator.operatorToken}` });

async function watch(headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = await EventReader.open(coordinator.url, headers);
  readers.push(reader);
  return reader;
}

describe("what happens is told", () => {
  test("relays to everybody, agents and paths to operators alone", async () => {
    const [everybody, operator] = [await watch(), await watch(bearer())];
    expect(await everybody.next("hello")).toMatchObject({ resumed: false, operator: false });
    expect(await operator.next("hello")).toMatchObject({ resumed: false, operator: true });

    const relay = await coordinator.relay({ region: "here", at: { lat: 1, lon: 2 } });
    const alice = await coordinator.agent({ name: "alice" });
    const bob = await coordinator.agent({ name: "bob" });
    for (const reader of [everybody, operator]) {
      const { relay: added } = await reader.next("relay-added");
      expect(added).toMatchObject({ id: relay.id, region: "here", at: { lat: 1, lon: 2 }, state: "healthy" });
    }
    expect((await operator.next("agent-connected")).agent).toMatchObject({ name: "alice", online: true });

    const home = { type: "home", home: relay.id, rtts: [{ relay: relay.id, rttMs: 3 }], reason: "nearest" };
    alice.client.send(home);
    expect(await operator.next("agent-home")).toMatchObject({
      agent: { id: alice.id, home: relay.id, region: "here", homeReason: "nearest" },
      from: null,
      to: relay.id,
    });

    const path = { peer: bob.id, kind: "relay", relay: relay.id, sinceMs: 5, reason: "relay-first" };
    alice.client.send({ type: "paths", paths: [path] });
    await operator.next("path-changed", ({ to }) => to.kind === "relay");
    const { relay: _, ...straight } = { ...path, kind: "direct", endpoint: "192.0.2.9:1", rttMs: 7 };
    alice.client.send({ type: "paths", paths: [{ ...straight, reason: "direct-found" }] });
    expect(await operator.next("path-changed", ({ to }) => to.kind === "direct")).toMatchObject({
      agent: { id: alice.id, name: "alice" },
      peer: { id: bob.id, name: "bob" },
      from: { kind: "relay", endpoint: null, relay: relay.id },
      to: { kind: "direct", endpoint: "192.0.2.9:1", relay: null },
      rttMs: 7,
      reason: "direct-found",
    });

    await coordinator.operator.drainRelay(relay.id);
    expect(await everybody.next("relay-state")).toMatchObject({
      relay: { id: relay.id, state: "draining" },
      from: "healthy",
    });
    relay.client.heartbeat(false, 7);
    const loads = await everybody.next("relay-loads");
    expect(loads.relays).toMatchObject([{ id: relay.id, load: { sessions: 7 }, agents: 1 }]);
    await coordinator.operator.revokeAgent(bob.id);
    expect((await operator.next("agent-removed")).agent).toEqual({
      id: bob.id,
      name: "bob",
      network: "default",
    });
    alice.client.close();
    expect((await operator.next("agent-disconnected")).agent).toMatchObject({ name: "alice", online: false });
    await coordinator.operator.removeRelay(relay.id);
    expect((await everybody.next("relay-removed")).relay).toEqual({ id: relay.id, region: "here" });
    const types = new Set(everybody.events.map(({ type }) => type));
    expect([...types].filter((type) => type !== "hello" && !type.startsWith("relay-"))).toEqual([]);
  });

  test("a wrong token is refused, not taken for none", async () => {
    const url = `${coordinator.url}/v1/events`;
    const wrong = await fetch(url, { headers: { authorization: "Bearer wrong" } });
    expect(wrong.status).toBe(401);
    const open = async () => await coordinator.metric("event_streams");
    const before = await open();
    const head = await fetch(url, { method: "HEAD" });
    expect(head.headers.get("content-type")).toBe("text/event-stream");
    expect(await open()).toBe(before);
  });
});

describe("coming back", () => {
  test("with Last-Event-ID, what was missed follows, and nothing twice", async () => {
    const first = await watch(bearer());
    await first.next("hello");
    const carol = await coordinator.agent({ name: "carol" });
    await first.next("agent-connected", ({ agent }) => agent.name === "carol");
    first.close();
    await first.ended;
    const before = await coordinator.metric('events_total{type="agent-disconnected"}');
    carol.client.close();
    while ((await coordinator.metric('events_total{type="agent-disconnected"}')) === before)
      await Bun.sleep(20);

    const second = await watch({ ...bearer(), "last-event-id": first.lastEventId });
    await second.next("agent-disconnected", ({ agent }) => agent.name === "carol");
    expect(second.events.map(({ type }) => type)).toEqual(["hello", "agent-disconnected"]);
    expect(second.events[0]).toMatchObject({ resumed: true });
    // Nobody is shown by coming back what they may not see.
    const third = await watch({ "last-event-id": first.lastEventId });
    await third.next("hello");
    await coordinator.relay({ region: "new" });
    await third.next("relay-added");
    expect(third.events.map(({ type }) => type).filter((type) => type.startsWith("agent-"))).toEqual([]);
  });

  test("ids of another start and nonsense mean that the lists are asked for again", async () => {
    const known = await watch();
    await known.next("hello");
    const [boot] = known.lastEventId.split("-");
    for (const id of ["x", "-1", `${boot}-999999`, `${boot}--1`, `${boot}-`, "0123456789ab-0", " "]) {
      const reader = await watch({ "last-event-id": id });
      expect(await reader.next("hello")).toMatchObject({ resumed: false });
      expect(reader.lastEventId).toBe(known.lastEventId);
      reader.close();
    }
    await coordinator.restart();
    await known.ended;
    const after = await watch({ "last-event-id": known.lastEventId });
    expect(await after.next("hello")).toMatchObject({ resumed: false });
  });
});

test("streams that are closed are forgotten", async () => {
  const reader = await watch();
  await reader.next("hello");
  const open = await coordinator.metric("event_streams");
  reader.close();
  while ((await coordinator.metric("event_streams")) >= open) await Bun.sleep(20);
});
