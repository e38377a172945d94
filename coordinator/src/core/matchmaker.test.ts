/** Pairs: both are told of relays that neither has for a home, and again when what they measure says otherwise. */
import { expect, test } from "bun:test";
import type { AgentId, RelayId } from "@burrow/protocol";
import { agentRecord, LOAD, relayRecord, VirtualMesh } from "../testing/mesh.ts";

const [near, far, middle, spare] = [1, 2, 3, 4].map((n) => relayRecord(n)) as [
  ReturnType<typeof relayRecord>,
  ReturnType<typeof relayRecord>,
  ReturnType<typeof relayRecord>,
  ReturnType<typeof relayRecord>,
];

/** Two agents, each at home on a relay of its own, 200 ms apart by trunk. */
function pair() {
  const virtual = new VirtualMesh();
  for (const record of [near, far, middle, spare]) virtual.relay(record);
  const reach = [{ relay: far.id, rttMs: 200 }];
  virtual.do((mesh, now) =>
    mesh.relaySaid(near.id, { type: "heartbeat", load: LOAD, draining: false, reach }, now),
  );
  const [a, b] = [virtual.agent(agentRecord(1)), virtual.agent(agentRecord(2))];
  for (const id of [a, b]) {
    virtual.do((mesh, now) => mesh.agentSaid(id, { type: "candidates", candidates: [], nat: "none" }, now));
  }
  home(virtual, a, near.id, { [near.id]: 10, [far.id]: 210 });
  home(virtual, b, far.id, { [near.id]: 205, [far.id]: 10 });
  return { virtual, a, b };
}

function home(virtual: VirtualMesh, agent: AgentId, at: RelayId, rtts: Record<string, number>): void {
  const measured = Object.entries(rtts).map(([relay, rttMs]) => ({ relay: relay as RelayId, rttMs }));
  virtual.do((mesh, now) =>
    mesh.agentSaid(agent, { type: "home", home: at, rtts: measured, reason: "test" }, now),
  );
}

const told = (virtual: VirtualMesh, id: AgentId) => virtual.toAgent(id, "pair-relays");

test("how far relays are from one another is known from themselves, and shown", () => {
  const { virtual } = pair();
  const entry = virtual.mesh.relays.get(far.id);
  const links = entry === undefined ? [] : virtual.mesh.linksOf(entry);
  expect(links.map(({ to, estimate }) => [to.record.id, estimate?.ms, estimate?.source])).toEqual([
    [near.id, 200, "measured"],
    [middle.id, undefined, undefined],
    [spare.id, undefined, undefined],
  ]);
});

test("both measure what may be best, and once they have, are told of the relay that is neither's home", () => {
  const { virtual, a, b } = pair();
  virtual.do((mesh, now) => mesh.agentSaid(a, { type: "introduce", peer: b }, now));
  // As far as anybody knows now, the trunk between the homes.
  expect(told(virtual, a).at(-1)?.reason).toMatch(/^by region-(1|2): |^by the trunk/);
  virtual.forgetOutputs();
  home(virtual, a, near.id, { [near.id]: 10, [far.id]: 210, [middle.id]: 40 });
  home(virtual, b, far.id, { [near.id]: 205, [far.id]: 10, [middle.id]: 45 });
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const last = told(virtual, one).at(-1);
    expect(last).toMatchObject({ peer: other, relays: [{ relay: middle.id, expectedRttMs: 85 }] });
    expect(last?.reason).toMatch(/^by region-3: 4[05]\.0 ms measured \+ 4[05]\.0 ms measured = 85\.0 ms$/);
  }
});

test("nothing new is nothing told; a relay that went down is no choice any more", () => {
  const { virtual, a, b } = pair();
  const all = { [near.id]: 10, [far.id]: 310, [middle.id]: 40 };
  home(virtual, a, near.id, all);
  home(virtual, b, far.id, { [near.id]: 305, [far.id]: 10, [middle.id]: 45 });
  virtual.do((mesh, now) => mesh.agentSaid(a, { type: "introduce", peer: b }, now));
  expect(told(virtual, b).at(-1)?.relays[0]?.relay).toBe(middle.id);
  virtual.forgetOutputs();
  home(virtual, a, near.id, all);
  expect([...told(virtual, a), ...told(virtual, b)]).toEqual([]);
  for (let i = 0; i < 6; i++) {
    for (const record of [near, far, spare]) virtual.heartbeat(record.id);
    virtual.pass(1_000);
  }
  home(virtual, a, near.id, all);
  expect(told(virtual, a).at(-1)?.reason).toContain("by the trunk from region-1 to region-2");
  expect(
    told(virtual, a)
      .at(-1)
      ?.relays.map(({ relay }) => relay),
  ).not.toContain(middle.id);
});

test("strangers, the absent and those long introduced are not matched", () => {
  const { virtual, a, b } = pair();
  const stranger = virtual.agent(agentRecord(9, { network: "00000000000000bb" as never }));
  virtual.do((mesh, now) => mesh.agentSaid(a, { type: "introduce", peer: stranger }, now));
  virtual.do((mesh, now) => mesh.agentDisconnected(b, now));
  virtual.do((mesh, now) => mesh.agentSaid(a, { type: "introduce", peer: b }, now));
  expect([...told(virtual, a), ...told(virtual, stranger), ...told(virtual, b)]).toEqual([]);
});
