/** The census: right, and taken once a second however often it is asked for. */
import { expect, test } from "bun:test";
import { agentRecord, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import { CENSUS_LIFE_MS, Census } from "./census.ts";

test("counts agents by home, those who are away apart, once a second", () => {
  const relay = relayRecord(1);
  const virtual = new VirtualMesh([agentRecord(9)], [relay]);
  for (const n of [1, 2]) {
    const id = virtual.agent(agentRecord(n));
    const rtts = [{ relay: relay.id, rttMs: n * 10 }];
    virtual.do((mesh, now) =>
      mesh.agentSaid(id, { type: "home", home: relay.id, standby: undefined, rtts, reason: "" }, now),
    );
  }
  let nowMs = 5;
  let counted = 0;
  const all = () => {
    counted++;
    return virtual.mesh.agents.all();
  };
  const census = new Census({ all }, () => nowMs);
  for (let i = 0; i < 100; i++) expect(census.take()).toMatchObject({ online: 2, offline: 1 });
  expect(census.of(relay.id)).toEqual({ agents: 2, rtt: { samples: 2, p50Ms: 20, p90Ms: 20, p99Ms: 20 } });
  expect(census.of(relayRecord(2).id)).toEqual({ agents: 0, rtt: null });
  expect(counted).toBe(1);
  virtual.agent(agentRecord(9));
  nowMs += CENSUS_LIFE_MS;
  expect(census.take()).toMatchObject({ online: 3, offline: 0 });
  expect(counted).toBe(2);
});
