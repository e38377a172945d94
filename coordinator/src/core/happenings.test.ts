/** What watchers are told, what becomes one, and what becomes a number; on a virtual clock. */
import { describe, expect, test } from "bun:test";
import type { AgentId, PathReport, RelayId } from "@burrow/protocol";
import { agentRecord, LOAD, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import { AGENTS_ONE_BY_ONE_MAX, type Happening, NUMBERS_INTERVAL_MS, pathChanges } from "./happenings.ts";

const [a, b] = [agentRecord(1), agentRecord(2)];
const [relay, other] = [relayRecord(1), relayRecord(2)];

/** All that watchers are told of what `act` sets going within `ms`. */
function told(virtual: VirtualMesh, act: () => void, ms = 1_000): Happening[] {
  virtual.forgetOutputs();
  act();
  virtual.pass(ms);
  return virtual.outputs.flatMap((output) => (output.to === "watchers" ? output.happenings : []));
}

function home(virtual: VirtualMesh, agent: AgentId, to: RelayId | undefined): void {
  virtual.do((mesh, now) => mesh.agentSaid(agent, { type: "home", home: to, rtts: [], reason: "near" }, now));
}

function report(virtual: VirtualMesh, paths: PathReport[]): void {
  virtual.do((mesh, now) => mesh.agentSaid(a.id, { type: "paths", paths }, now));
}

const relayed: PathReport = { peer: b.id, kind: "relay", relay: relay.id, sinceMs: 1, reason: "relay-first" };
const direct: PathReport = {
  peer: b.id,
  kind: "direct",
  endpoint: "192.0.2.7:1" as PathReport["endpoint"],
  rttMs: 4,
  sinceMs: 2,
  reason: "direct-found",
};

describe("relays", () => {
  test("come, drain, fall silent, come back and go", () => {
    const virtual = new VirtualMesh([], [other]);
    expect(told(virtual, () => virtual.relay(relay))).toEqual([{ kind: "relay-added", relay: relay.id }]);
    expect(told(virtual, () => virtual.heartbeat(relay.id))).toEqual([]);
    expect(told(virtual, () => virtual.heartbeat(relay.id, true))).toEqual([
      { kind: "relay-state", relay: relay.id, from: "healthy" },
    ]);
    expect(told(virtual, () => {}, 5_000)).toEqual([
      { kind: "relay-state", relay: relay.id, from: "draining" },
    ]);
    expect(told(virtual, () => virtual.heartbeat(relay.id))).toEqual([
      { kind: "relay-state", relay: relay.id, from: "down" },
    ]);
    expect(told(virtual, () => virtual.relay({ ...relay, region: "elsewhere" }))).toEqual([
      { kind: "relay-changed", relay: relay.id },
    ]);
    expect(told(virtual, () => virtual.do((mesh, now) => mesh.relayRemoved(relay.id, now)))).toEqual([
      { kind: "relay-removed", relay: relay.id, region: "elsewhere" },
    ]);
  });

  test("one that was known before the start is not new", () => {
    const virtual = new VirtualMesh([], [relay]);
    expect(told(virtual, () => virtual.relay(relay))).toEqual([]);
  });

  test("flapping within a moment is told once", () => {
    const virtual = new VirtualMesh([], [relay]);
    virtual.relay(relay);
    const flap = (last: boolean) => {
      for (let n = 0; n < 50; n++) virtual.heartbeat(relay.id, n % 2 === 0);
      virtual.heartbeat(relay.id, last);
    };
    expect(told(virtual, () => flap(true))).toEqual([
      { kind: "relay-state", relay: relay.id, from: "healthy" },
    ]);
    expect(told(virtual, () => flap(true))).toEqual([{ kind: "relay-changed", relay: relay.id }]);
  });

  test("one that comes and goes within a moment never was", () => {
    const virtual = new VirtualMesh();
    const act = () => {
      virtual.relay(relay);
      virtual.do((mesh, now) => mesh.relayRemoved(relay.id, now));
    };
    expect(told(virtual, act)).toEqual([]);
  });
});

describe("agents", () => {
  test("connect, move, leave and are taken out", () => {
    const virtual = new VirtualMesh([], [relay, other]);
    expect(told(virtual, () => virtual.agent(a))).toEqual([{ kind: "agent-connected", agent: a.id }]);
    expect(told(virtual, () => home(virtual, a.id, relay.id))).toEqual([
      { kind: "agent-home", agent: a.id, from: undefined, to: relay.id },
    ]);
    expect(told(virtual, () => home(virtual, a.id, relay.id))).toEqual([]);
    const twice = () => {
      home(virtual, a.id, undefined);
      home(virtual, a.id, other.id);
    };
    expect(told(virtual, twice)).toEqual([{ kind: "agent-home", agent: a.id, from: relay.id, to: other.id }]);
    expect(told(virtual, () => virtual.do((mesh, now) => mesh.agentDisconnected(a.id, now)))).toEqual([
      { kind: "agent-disconnected", agent: a.id },
    ]);
    expect(told(virtual, () => virtual.do((mesh, now) => mesh.agentRevoked(a, now)))).toEqual([
      { kind: "agent-removed", agent: a.id, name: a.name, network: a.network },
    ]);
  });

  test("twenty thousand at once: a screenful one by one, the rest as one number, again after a while", () => {
    const virtual = new VirtualMesh([], [relay]);
    const many = Array.from({ length: 20_000 }, (_, n) => agentRecord(n + 1));
    const arrive = () => {
      for (const { id } of many) virtual.do((mesh, now) => mesh.agentDisconnected(id, now));
    };
    for (const record of many) {
      const presence = {
        connectedSinceMs: 0,
        address: "192.0.2.1",
        location: undefined,
        acceptsOutside: false,
      };
      virtual.mesh.agents.connected(record, presence);
    }
    const rest = many.length - AGENTS_ONE_BY_ONE_MAX;
    const happenings = told(virtual, arrive);
    expect(happenings).toHaveLength(AGENTS_ONE_BY_ONE_MAX + 1);
    expect(happenings.at(-1)).toEqual({
      kind: "many-changed",
      connected: 0,
      disconnected: rest,
      moved: 0,
      removed: 0,
      paths: 0,
    });
    const paths = many.slice(1, 301).map(({ id }) => ({ ...relayed, peer: id }));
    expect(told(virtual, () => report(virtual, paths), 500).map(({ kind }) => kind)).toEqual(
      Array.from({ length: AGENTS_ONE_BY_ONE_MAX }, () => "path-changed"),
    );
    expect(told(virtual, () => {}, NUMBERS_INTERVAL_MS)).toMatchObject([
      { kind: "many-changed", disconnected: 0, paths: 200 },
    ]);
  });
});

describe("paths", () => {
  test("from relay to direct and to rest, with the reason", () => {
    const virtual = new VirtualMesh([], [relay]);
    virtual.agent(a);
    virtual.agent(b);
    virtual.pass(1_000);
    const nothing = { kind: "none" as const };
    const byRelay = { kind: "relay" as const, endpoint: undefined, relay: relay.id };
    const straight = { kind: "direct" as const, endpoint: direct.endpoint, relay: undefined };
    const between = { kind: "path-changed" as const, agent: a.id, peer: b.id };
    expect(told(virtual, () => report(virtual, [relayed]))).toMatchObject([
      { ...between, from: nothing, to: byRelay, reason: "relay-first" },
    ]);
    expect(told(virtual, () => report(virtual, [direct]))).toMatchObject([
      { ...between, from: byRelay, to: straight, rttMs: 4, reason: "direct-found" },
    ]);
    expect(told(virtual, () => report(virtual, [{ ...direct, rttMs: 5 }]))).toEqual([]);
    expect(told(virtual, () => report(virtual, []))).toMatchObject([
      { ...between, from: straight, to: nothing, reason: "idle" },
    ]);
  });

  test("there and back within a moment is nothing", () => {
    const virtual = new VirtualMesh([], [relay]);
    virtual.agent(a);
    report(virtual, [relayed]);
    virtual.pass(1_000);
    const act = () => {
      report(virtual, [direct]);
      report(virtual, [relayed]);
    };
    expect(told(virtual, act)).toEqual([]);
  });

  test("a report against itself changes nothing, and the changes lead from one report to the other", () => {
    expect(pathChanges(a.id, [relayed], [relayed])).toEqual([]);
    expect(pathChanges(a.id, [relayed], [direct]).map(({ to }) => to.kind)).toEqual(["direct"]);
    expect(pathChanges(a.id, [{ ...relayed, kind: "none", relay: undefined }], [])).toEqual([]);
  });
});

test("nothing is told while nothing happens, whatever load relays report", () => {
  const virtual = new VirtualMesh([], [relay]);
  virtual.relay(relay);
  const act = () => {
    for (let n = 0; n < 10; n++) {
      const load = { ...LOAD, packets: n };
      virtual.do((mesh, now) => mesh.relaySaid(relay.id, { type: "heartbeat", load, draining: false }, now));
    }
  };
  expect(told(virtual, act)).toEqual([]);
});
