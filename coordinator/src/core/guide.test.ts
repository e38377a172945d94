/** What agents are told once they have measured: on a virtual clock, through the mesh. */
import { expect, test } from "bun:test";
import type { AgentId, RelayId, ToAgent } from "@burrow/protocol";
import { agentRecord, LOAD, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import type { GeoLocation } from "./geo.ts";

const PLACES = [
  ["frankfurt", 50.11, 8.68],
  ["amsterdam", 52.37, 4.9],
  ["london", 51.51, -0.13],
  ["paris", 48.86, 2.35],
  ["virginia", 38.9, -77.5],
  ["oregon", 45.6, -121.2],
  ["singapore", 1.35, 103.82],
  ["tokyo", 35.68, 139.69],
  ["sydney", -33.87, 151.21],
] as const;
const relays = PLACES.map(([region, lat, lon], n) => relayRecord(n + 1, { region, at: { lat, lon } }));
const berlin: GeoLocation = { at: { lat: 52.52, lon: 13.4 }, precision: "city", label: "Berlin, DE" };
const [a, b] = [agentRecord(1), agentRecord(2)];

function mesh(): VirtualMesh {
  const virtual = new VirtualMesh();
  for (const relay of relays) virtual.relay(relay);
  virtual.pass(100);
  return virtual;
}

function idOf(region: string): RelayId {
  const relay = relays.find((one) => one.region === region);
  if (relay === undefined) throw new Error(region);
  return relay.id;
}

function tickets(virtual: VirtualMesh, agent: AgentId): string[] {
  const given = virtual.sentTo(agent).flatMap((message) => ("tickets" in message ? message.tickets : []));
  return given.map(({ relay }) => relays.find((one) => one.id === relay)?.region ?? "?");
}

function home(
  virtual: VirtualMesh,
  agent: AgentId,
  [at, standby]: readonly [string, string?],
  rtts: Record<string, number>,
): void {
  const told = Object.entries(rtts).map(([region, rttMs]) => ({ relay: idOf(region), rttMs }));
  const bound = { home: idOf(at), ...(standby === undefined ? {} : { standby: idOf(standby) }) };
  virtual.do((of, now) =>
    of.agentSaid(agent, { type: "home", ...bound, rtts: told, reason: "nearest" }, now),
  );
}

test("one whom the map puts on the wrong continent gets to the right one", () => {
  const virtual = mesh();
  virtual.agent(a, berlin);
  const trueMs: Record<string, number> = {
    ...{ frankfurt: 280, amsterdam: 285, london: 270, paris: 275, virginia: 200 },
    ...{ oregon: 140, singapore: 95, tokyo: 105, sydney: 8 },
  };
  for (let reports = 0; reports < 3; reports++) {
    const measured = Object.fromEntries(
      tickets(virtual, a.id).map((region) => [region, trueMs[region] ?? 0]),
    );
    const [nearest = ""] = Object.entries(measured).sort(([, x], [, y]) => x - y)[0] ?? [];
    home(virtual, a.id, [nearest], measured);
  }
  expect(tickets(virtual, a.id)).toContain("sydney");
});

test("one that is well off is left alone", () => {
  const virtual = mesh();
  virtual.agent(a, berlin);
  virtual.forgetOutputs();
  home(virtual, a.id, ["frankfurt", "amsterdam"], { frankfurt: 9, amsterdam: 15, london: 22, paris: 24 });
  expect(virtual.sentTo(a.id).filter(({ type }) => type === "tickets" || type === "relays")).toEqual([]);
});

test("one without a standby is advised one elsewhere, once", () => {
  const virtual = mesh();
  virtual.agent(a, berlin);
  virtual.forgetOutputs();
  for (let reports = 0; reports < 3; reports++) home(virtual, a.id, ["frankfurt"], { frankfurt: 9 });
  const maps = virtual.sentTo(a.id).filter(({ type }) => type === "relays") as ToAgent[];
  expect(maps).toHaveLength(1);
  const [map] = maps;
  if (map?.type !== "relays") throw new Error("no relays");
  const advised = map.ranking.filter(({ standby }) => standby === true);
  expect(advised).toHaveLength(1);
  expect(advised[0]?.relay).not.toBe(idOf("frankfurt"));
});

/** Frankfurt is full; then a relay far away goes, and the map is told anew. */
function fillAndTell(virtual: VirtualMesh, sessions: number): void {
  const load = { ...LOAD, sessions, sessionsMax: 100 };
  virtual.do((of, now) => of.relaySaid(idOf("frankfurt"), { type: "heartbeat", load, draining: false }, now));
  virtual.heartbeat(idOf("sydney"), true);
  virtual.pass(1_000);
}

const NEAR = { frankfurt: 9, amsterdam: 15, london: 22, paris: 24 };

test("a full relay keeps the homes that it has, and repels newcomers", () => {
  const virtual = mesh();
  const homes = Array.from({ length: 20 }, (_, n) => agentRecord(n + 10));
  for (const agent of homes) {
    virtual.agent(agent, berlin);
    home(virtual, agent.id, ["frankfurt", "amsterdam"], NEAR);
  }
  virtual.forgetOutputs();
  fillAndTell(virtual, 100);
  for (const { id } of homes) {
    home(virtual, id, ["frankfurt", "amsterdam"], NEAR);
    const maps = virtual.toAgent(id, "relays");
    expect(maps.length).toBeGreaterThan(0);
    for (const { ranking } of maps) {
      expect(ranking.find(({ relay }) => relay === idOf("frankfurt"))?.penaltyMs ?? 0).toBe(0);
    }
    for (const { crowds } of virtual.toAgent(id, "crowds")) {
      expect(crowds.find(({ relay }) => relay === idOf("frankfurt"))?.ms ?? 0).toBeLessThan(5_000);
    }
  }
  virtual.agent(a, berlin);
  expect(tickets(virtual, a.id)).not.toContain("frankfurt");
});

test("how crowded its relays are is told to each with its own numbers, when it is news, and taken back", () => {
  const virtual = mesh();
  const agents = Array.from({ length: 20 }, (_, n) => agentRecord(n + 10));
  const report = () => {
    for (const { id } of agents) home(virtual, id, ["amsterdam", "paris"], NEAR);
  };
  const told = ({ id }: { id: AgentId }) =>
    virtual
      .toAgent(id, "crowds")
      .map(({ crowds }) => crowds.find(({ relay }) => relay === idOf("frankfurt"))?.ms ?? 0);
  for (const agent of agents) virtual.agent(agent, berlin);
  report();
  virtual.forgetOutputs();
  report();
  expect(agents.flatMap(told)).toEqual([]);
  fillAndTell(virtual, 99);
  report();
  const crowds = agents.flatMap(told);
  expect(new Set(crowds).size).toBeGreaterThan(10);
  expect(Math.max(...crowds)).toBeGreaterThan(20);
  report();
  expect(agents.flatMap(told)).toEqual(crowds);
  virtual.forgetOutputs();
  fillAndTell(virtual, 1);
  report();
  const takenBack = agents.flatMap(told);
  expect(takenBack.length).toBeGreaterThanOrEqual(crowds.filter((ms) => ms > 4).length);
  expect(Math.max(...takenBack)).toBeLessThan(2);
});

test("two that want to talk get tickets for what may be the best relay for both", () => {
  const virtual = mesh();
  const mumbai: GeoLocation = { at: { lat: 19.08, lon: 72.88 }, precision: "city", label: "Mumbai, IN" };
  virtual.agent(a, berlin);
  virtual.agent(b, mumbai);
  home(virtual, a.id, ["frankfurt", "amsterdam"], { frankfurt: 9, amsterdam: 15, london: 22, paris: 24 });
  home(virtual, b.id, ["singapore", "tokyo"], { singapore: 60, tokyo: 120 });
  virtual.forgetOutputs();
  virtual.do((of, now) => of.agentSaid(a.id, { type: "introduce", peer: b.id }, now));
  expect([...tickets(virtual, a.id), ...tickets(virtual, b.id)].length).toBeGreaterThan(0);
});
