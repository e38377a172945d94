/** Agents that lie, flood or ask for too much: what they say reaches neither memory without end nor other networks. */
import { describe, expect, test } from "bun:test";
import type { AgentId, FromAgent, NetworkId, RelayId } from "@burrow/protocol";
import { agentRecord, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import { MOVES_BURST } from "./home-pace.ts";
import { Mesh } from "./mesh.ts";
import type { AgentRecord } from "./records.ts";
import { RelayEvidence } from "./relay-evidence.ts";

const frankfurt = relayRecord(1, { at: { lat: 50.1, lon: 8.7 } });
const sydney = relayRecord(2, { at: { lat: -33.9, lon: 151.2 } });
const paris = relayRecord(3, { at: { lat: 48.9, lon: 2.4 } });
const networks = ["00000000000000a1", "00000000000000a2", "00000000000000a3"] as NetworkId[];
const [na, nb, nc] = networks as [NetworkId, NetworkId, NetworkId];

type Rtts = Extract<FromAgent, { type: "home" }>["rtts"];

function home(virtual: VirtualMesh, agent: AgentId, to: RelayId, rtts: Rtts, standby?: RelayId): void {
  virtual.do((mesh, now) =>
    mesh.agentSaid(agent, { type: "home", home: to, standby, rtts, reason: "" }, now),
  );
}

function bogus(n: number): RelayId {
  return n.toString(16).padStart(16, "0") as RelayId;
}

describe("what agents say that they measured", () => {
  test("of relays that there are not is forgotten at once", () => {
    const virtual = new VirtualMesh([], [frankfurt]);
    const a = virtual.agent(agentRecord(1));
    const rtts = Array.from({ length: 60 }, (_, n) => ({ relay: bogus(n), rttMs: 1 }));
    home(virtual, a, frankfurt.id, [{ relay: frankfurt.id, rttMs: 2 }, ...rtts], bogus(7));
    expect(virtual.mesh.agents.get(a)?.rtts).toEqual([{ relay: frankfurt.id, rttMs: 2 }]);
  });

  test("moves what is known between relays only with other networks' word", () => {
    const evidence = new RelayEvidence();
    const said = (rttMs: number) => [{ relay: paris.id, rttMs }];
    expect(evidence.hear(frankfurt.id, na, said(300), 3)).toEqual([]);
    expect(evidence.hear(frankfurt.id, na, said(500), 3)).toEqual([]);
    expect(evidence.hear(frankfurt.id, nb, said(10), 3)).toEqual([]);
    expect(evidence.hear(frankfurt.id, nc, said(12), 3)).toEqual(said(12));
    expect(evidence.hear(frankfurt.id, na, said(1), 3)).toEqual(said(10));
    // A mesh of one network has nobody else to ask, and nobody else to mislead.
    expect(new RelayEvidence().hear(frankfurt.id, na, said(9), 1)).toEqual(said(9));
    expect(evidence.size).toBe(3);
    evidence.forget(paris.id);
    expect(evidence.size).toBe(0);
  });

  test("is not believed where light would be too slow for it", () => {
    const virtual = new VirtualMesh([], [frankfurt, sydney, paris]);
    const a = virtual.agent(agentRecord(1));
    const own = { relay: frankfurt.id, rttMs: 1 };
    home(virtual, a, frankfurt.id, [own, { relay: sydney.id, rttMs: 2 }, { relay: paris.id, rttMs: 9 }]);
    const between = (b: typeof sydney) => virtual.mesh.rttBetween(frankfurt.id, b.id)?.ms;
    expect(between(sydney)).toBeUndefined();
    expect(between(paris)).toBe(9);
  });

  test("is forgotten with the relay", () => {
    const virtual = new VirtualMesh([], [frankfurt, paris]);
    const a = virtual.agent(agentRecord(1));
    home(virtual, a, frankfurt.id, [
      { relay: frankfurt.id, rttMs: 1 },
      { relay: paris.id, rttMs: 9 },
    ]);
    virtual.do((mesh, now) => mesh.relayRemoved(paris.id, now));
    expect(virtual.mesh.rttBetween(frankfurt.id, paris.id)).toBeUndefined();
  });
});

describe("introductions", () => {
  function pair() {
    const virtual = new VirtualMesh();
    const [a, b] = [virtual.agent(agentRecord(1)), virtual.agent(agentRecord(2))];
    for (const agent of [a, b])
      virtual.do((mesh, now) =>
        mesh.agentSaid(agent, { type: "candidates", candidates: [], nat: "none" }, now),
      );
    const ask = (from: AgentId, peer: AgentId) =>
      virtual.do((mesh, now) => mesh.agentSaid(from, { type: "introduce", peer }, now));
    return { virtual, a, b, ask };
  }
  const dropped = (virtual: VirtualMesh) =>
    virtual.outputs.filter((output) => output.to === "log" && output.event.kind === "introduction-dropped")
      .length;

  test("of one pair: four at once, then one in 2.5 s; the other direction has its own", () => {
    const { virtual, a, b, ask } = pair();
    for (let i = 0; i < 100; i++) ask(a, b);
    expect(virtual.toAgent(b, "probe-now")).toHaveLength(4);
    expect(dropped(virtual)).toBe(96);
    virtual.pass(5_000);
    for (let i = 0; i < 100; i++) ask(a, b);
    expect(virtual.toAgent(b, "probe-now")).toHaveLength(6);
    ask(b, a);
    expect(virtual.toAgent(a, "probe-now")).toHaveLength(7);
  });

  test("of one agent with all its peers: a large network's worth at once, then a trickle", () => {
    const virtual = new VirtualMesh();
    const ids = Array.from({ length: 400 }, (_, n) => virtual.agent(agentRecord(n + 1)));
    for (const id of ids)
      virtual.do((mesh, now) => mesh.agentSaid(id, { type: "candidates", candidates: [], nat: "none" }, now));
    const [from, ...peers] = ids as [AgentId, ...AgentId[]];
    for (const peer of peers)
      virtual.do((mesh, now) => mesh.agentSaid(from, { type: "introduce", peer }, now));
    expect(virtual.toAgent(from, "probe-now")).toHaveLength(200);
    virtual.do((mesh, now) => mesh.agentSaid(from, { type: "introduce", peer: bogus(1) as never }, now));
    expect(virtual.toAgent(from, "error")).toEqual([]);
    expect(dropped(virtual)).toBe(200);
  });

  test("a new channel is no new budget", () => {
    const { virtual, a, b, ask } = pair();
    for (let i = 0; i < 5; i++) ask(a, b);
    virtual.do((mesh, now) => mesh.agentDisconnected(a, now));
    virtual.agent(agentRecord(1));
    virtual.do((mesh, now) => mesh.agentSaid(a, { type: "candidates", candidates: [], nat: "none" }, now));
    virtual.forgetOutputs();
    ask(a, b);
    expect(virtual.toAgent(b, "probe-now")).toEqual([]);
  });
});

describe("homes that change all the time", () => {
  test("are told at the agent's pace, the last one always, and over reconnections", () => {
    const virtual = new VirtualMesh();
    for (const relay of [frankfurt, paris]) virtual.relay(relay);
    const records = Array.from({ length: 100 }, (_, n) => agentRecord(n + 1));
    for (const record of records) virtual.agent(record);
    const [record] = records as [AgentRecord];
    virtual.pass(1_000);
    virtual.forgetOutputs();
    const move = (home: RelayId, rtts: { relay: RelayId; rttMs: number }[] = []) => {
      const said: FromAgent = { type: "home", home, rtts, reason: "nearest" };
      virtual.do((mesh, now) => mesh.agentSaid(record.id, said, now));
    };
    const heartbeats = () => {
      for (const relay of [frankfurt, paris]) virtual.heartbeat(relay.id);
    };
    for (let n = 0; n < 4_000; n++) {
      move((n % 2 === 0 ? frankfurt : paris).id);
      if (n % 200 === 0) heartbeats();
      virtual.pass(5);
      if (n % 1_000 !== 500) continue;
      virtual.do((mesh, now) => mesh.agentDisconnected(record.id, now));
      virtual.agent(record);
    }
    // Twenty seconds: ten moves at once, and one in five seconds.
    expect(virtual.toRelays("routes").length).toBeLessThanOrEqual(MOVES_BURST + 4);
    expect(virtual.outputs.filter((output) => "homes" in output).length).toBeLessThanOrEqual(MOVES_BURST + 4);
    expect(virtual.outputs.length).toBeLessThan(200);
    // It was last heard of in Paris.
    move(frankfurt.id);
    move(paris.id);
    heartbeats();
    virtual.pass(3_000);
    heartbeats();
    virtual.pass(3_000);
    expect(virtual.mesh.agents.get(record.id)?.record.home).toBe(paris.id);
    expect(virtual.toRelays("routes").at(-1)?.upsert).toMatchObject([{ relay: paris.id }]);
    // What is no move is taken at once, and ends what waited.
    move(frankfurt.id);
    move(paris.id);
    move(frankfurt.id, [{ relay: paris.id, rttMs: 7 }]);
    expect(virtual.mesh.agents.get(record.id)?.rtts).toEqual([{ relay: paris.id, rttMs: 7 }]);
    for (let s = 0; s < 60; s += 3) {
      heartbeats();
      virtual.pass(3_000);
    }
    expect(virtual.mesh.agents.get(record.id)?.record.home).toBe(frankfurt.id);
    // A pause is enough to move at once again.
    move(paris.id);
    expect(virtual.mesh.agents.get(record.id)?.record.home).toBe(paris.id);
  });
});

describe("a relay that was removed and registered again", () => {
  test("is granted tickets at once, under its new key", () => {
    const virtual = new VirtualMesh([], [frankfurt]);
    const a = virtual.agent(agentRecord(1));
    expect(virtual.toAgent(a, "welcome")[0]?.tickets.map(({ relay }) => relay)).toEqual([frankfurt.id]);
    virtual.do((mesh, now) => mesh.relayRemoved(frankfurt.id, now));
    virtual.pass(1_000);
    virtual.relay(frankfurt);
    virtual.pass(1_000);
    expect(virtual.toAgent(a, "tickets").flatMap(({ tickets }) => tickets.map(({ relay }) => relay))).toEqual(
      [frankfurt.id],
    );
    expect(virtual.mesh).toBeInstanceOf(Mesh);
  });
});
