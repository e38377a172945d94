/** Which of a relay's doors is taken where the network lets only some pass, how fast, and when it is left again. */
import { describe, expect, test } from "bun:test";
import { type Endpoint, splitEndpoint } from "@burrow/protocol";
import { doorEndpoint, isDoor } from "./doors.ts";
import { FakeRelay, LinksUnderTest } from "./testkit.ts";

const OWN = "203.0.113.1:21820" as Endpoint;
const OWN_V6 = "[2001:db8::1]:21820" as Endpoint;
const HTTPS = "203.0.113.1:443" as Endpoint;
const DNS = "203.0.113.1:53" as Endpoint;

function relayWith(delayMs: number, passes: (door: Endpoint) => boolean): FakeRelay {
  const endpoints = [OWN, OWN_V6, HTTPS, DNS];
  const websocket = { url: "wss://203.0.113.1/v1/datagrams" };
  const relay = new FakeRelay(1, delayMs, { endpoints, websocket });
  relay.passes = passes;
  return relay;
}

function startWith(relay: FakeRelay) {
  const world = new LinksUnderTest(relay).start();
  const link = world.links.get(relay.info.id);
  if (link === undefined) throw new Error("the relay is not on the map");
  return { world, link };
}

const onlyPort = (port: number) => (door: Endpoint) => !isDoor(door) && splitEndpoint(door).port === port;

test("where all pass, packets go by the relay's own port, and no other is knocked at", () => {
  for (const delayMs of [5, 70, 140]) {
    const near = relayWith(delayMs, () => true);
    const { world, link } = startWith(near);
    world.run(60_000);
    expect(link).toMatchObject({ state: "bound", endpoint: OWN });
    if (delayMs < 140) expect(new Set(near.binds.map(({ to }) => to))).toEqual(new Set([OWN]));
  }
});

test("an answer that takes longer than the patience for silence still ends at the own port", () => {
  for (const delayMs of [200, 350, 600]) {
    const { world, link } = startWith(relayWith(delayMs, () => true));
    world.run(30_000);
    expect(link.state).toBe("bound");
    expect([OWN, OWN_V6]).toContain(link.endpoint as Endpoint);
  }
});

describe.each([
  ["443", HTTPS],
  ["53", DNS],
] as const)("where UDP %s alone passes", (port, door) => {
  test("it is taken within a second, and kept", () => {
    const near = relayWith(20, onlyPort(Number(port)));
    const { world, link } = startWith(near);
    world.run(1_000);
    expect(link).toMatchObject({ state: "bound", endpoint: door, isWebsocket: false });
    world.run(120_000);
    expect(link).toMatchObject({ state: "bound", endpoint: door });
    expect(world.events).toEqual(["r1 bound"]);
  });

  test("the own port is taken again soon after it opens", () => {
    const near = relayWith(20, onlyPort(Number(port)));
    const { world, link } = startWith(near);
    world.run(60_000);
    near.passes = () => true;
    world.run(10_500);
    expect(link.endpoint).toBe(OWN);
    const before = near.binds.length;
    world.run(60_000);
    expect(near.binds.slice(before).every(({ to }) => to === OWN)).toBe(true);
  });
});

test("a door that lets nothing back in never takes the binding with it", () => {
  const near = relayWith(20, (door) => door === HTTPS || door === OWN);
  const status = near.status.bind(near);
  near.status = (bind) => (near.binds.at(-1)?.to === OWN ? undefined : status(bind));
  const { world, link } = startWith(near);
  world.run(120_000);
  expect(link).toMatchObject({ state: "bound", endpoint: HTTPS });
  const withCookie = near.binds.filter(({ to, cookie }) => to === OWN && cookie.some((byte) => byte !== 0));
  expect(withCookie).toEqual([]);
});

test("where no UDP passes, WebSocket is taken within a second, and left when UDP comes back", () => {
  const near = relayWith(20, isDoor);
  const { world, link } = startWith(near);
  world.run(1_000);
  expect(link).toMatchObject({ state: "bound", endpoint: doorEndpoint(near.info.id), isWebsocket: true });
  world.run(60_000);
  near.passes = (door) => door === DNS || isDoor(door);
  world.run(10_500);
  expect(link).toMatchObject({ state: "bound", endpoint: DNS });
  near.passes = () => true;
  world.run(10_500);
  expect(link).toMatchObject({ state: "bound", endpoint: OWN });
});

test("a binding whose port closes goes on by another door within a second and a half", () => {
  const near = relayWith(20, () => true);
  const { world, link } = startWith(near);
  world.run(30_000);
  near.passes = (door) => door === HTTPS;
  world.links.doubt(near.info.id, world.now);
  world.run(1_500);
  expect(link).toMatchObject({ state: "bound", endpoint: HTTPS });
});

test("what is knocked at in vain stays little", () => {
  const near = relayWith(20, () => false);
  const sent: Endpoint[] = [];
  near.passes = (door) => {
    sent.push(door);
    return false;
  };
  const { world } = startWith(near);
  world.run(3_000);
  expect(sent.length).toBeLessThanOrEqual(30);
  sent.length = 0;
  world.run(3_600_000);
  expect(sent.length).toBeLessThanOrEqual(1_200);
});
