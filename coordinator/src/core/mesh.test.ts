/** Who is told what and when, introductions and tickets, on a virtual clock. */
import { describe, expect, test } from "bun:test";
import type { AgentId, Candidate, FromAgent, NetworkId, RelayId, RelayInfo } from "@burrow/protocol";
import { endpoint, fromBase64, nobleSealer, openTicket, RATE_CLASS, type RateName } from "@burrow/protocol";
import { agentRecord, NETWORK, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import { TICKET_LIFE_MS, TICKET_RENEWAL_MS, TicketOffice } from "./ticket-office.ts";

const [a, b, c] = [agentRecord(1), agentRecord(2), agentRecord(3)];
const stranger = agentRecord(4, { network: "00000000000000bb" as NetworkId });
const relay = relayRecord(1);
const other = relayRecord(2);

function home(virtual: VirtualMesh, agent: AgentId, to: RelayId | undefined, standby?: RelayId): void {
  const said: FromAgent = { type: "home", home: to, standby, rtts: [], reason: "nearest" };
  virtual.do((mesh, now) => mesh.agentSaid(agent, said, now));
}

function candidates(virtual: VirtualMesh, agent: AgentId, port: number): Candidate[] {
  const told: Candidate[] = [{ kind: "host", endpoint: endpoint("192.0.2.9", port) }];
  virtual.do((mesh, now) =>
    mesh.agentSaid(agent, { type: "candidates", candidates: told, nat: "none" }, now),
  );
  return told;
}

describe("who is told what", () => {
  test("members of one network learn of each other, others never", () => {
    const virtual = new VirtualMesh();
    virtual.agent(a);
    virtual.agent(stranger);
    virtual.pass(1000);
    virtual.forgetOutputs();
    virtual.agent(b);
    virtual.pass(1000);
    const [news] = virtual.toAgent(a.id, "peers");
    expect(news?.upsert).toMatchObject([{ id: b.id, name: "a2", ipv4: "100.64.0.2", online: true }]);
    expect(virtual.toAgent(stranger.id, "peers")).toEqual([]);
    expect(virtual.toAgent(b.id, "welcome")[0]?.peers.map(({ id }) => id)).toEqual([a.id]);
    // Nobody is a peer of itself.
    expect(virtual.toAgent(b.id, "peers")).toEqual([]);
  });

  test("agents that arrive together cost one message each", () => {
    const virtual = new VirtualMesh();
    const agents = Array.from({ length: 200 }, (_, n) => agentRecord(n + 1));
    for (const agent of agents) virtual.agent(agent);
    virtual.pass(1000);
    const first = virtual.toAgent(agents[0]?.id ?? a.id, "peers");
    expect(first.length).toBeLessThanOrEqual(4);
    expect(first.flatMap(({ upsert }) => upsert)).toHaveLength(199);
  });

  test("going offline and coming back", () => {
    const virtual = new VirtualMesh();
    virtual.agent(a);
    virtual.agent(b);
    virtual.pass(1000);
    virtual.forgetOutputs();
    virtual.do((mesh, now) => mesh.agentDisconnected(b.id, now));
    virtual.pass(1000);
    expect(virtual.toAgent(a.id, "peers").at(-1)?.upsert).toMatchObject([
      { id: b.id, online: false, lastSeenMs: virtual.now - 1000 },
    ]);
    virtual.agent(b);
    virtual.pass(1000);
    expect(virtual.toAgent(a.id, "peers").at(-1)?.upsert).toMatchObject([{ id: b.id, online: true }]);
  });

  test("a new home goes to the relays first and then to the peers, and is remembered", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.relay(other);
    virtual.agent(a);
    virtual.agent(b);
    virtual.pass(1000);
    virtual.forgetOutputs();
    home(virtual, b.id, relay.id, other.id);
    virtual.pass(1000);
    const kinds = virtual.outputs
      .filter((output) => "message" in output || "homes" in output)
      .map((output) => ("message" in output ? output.message.type : "stored"));
    expect(kinds).toEqual(["routes", "stored", "peers"]);
    const [routes] = virtual.toRelays("routes");
    expect(routes?.upsert).toEqual([{ agent: b.id, key: b.key, network: NETWORK.id, relay: relay.id }]);
    expect(virtual.toAgent(a.id, "peers")[0]?.upsert[0]?.relays).toEqual([relay.id, other.id]);
    // The same report again is no news.
    virtual.forgetOutputs();
    home(virtual, b.id, relay.id, other.id);
    virtual.pass(1000);
    expect(virtual.outputs).toEqual([]);
  });

  test("a route that came late does not come after the peers' news of it", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.agent(a);
    virtual.agent(b);
    virtual.pass(1000);
    virtual.forgetOutputs();
    virtual.do((mesh, now) => mesh.agentDisconnected(b.id, now));
    virtual.agent(b);
    virtual.pass(9);
    home(virtual, b.id, relay.id);
    virtual.pass(100);
    const types = virtual.outputs.flatMap((output) => ("message" in output ? [output.message.type] : []));
    expect(types.indexOf("routes")).toBeLessThan(types.indexOf("peers"));
    expect(types.indexOf("routes")).toBeGreaterThan(-1);
  });

  test("a relay that connects gets every route and those revoked lately", () => {
    const gone = agentRecord(9, { revokedAtMs: 999_000 });
    const longGone = agentRecord(10, { revokedAtMs: 1_000_000 - TICKET_LIFE_MS - 1 });
    const virtual = new VirtualMesh([{ ...a, home: relay.id }, b, gone, longGone], [relay]);
    virtual.relay(relay);
    const sent = virtual.sentTo(relay.id);
    expect(sent[0]).toMatchObject({ type: "welcome", routes: [{ agent: a.id, relay: relay.id }] });
    expect(sent.slice(1)).toEqual([{ type: "revoke", agent: gone.id }]);
  });

  test("revoked: relays drop it and its route, peers forget it", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.agent(a);
    virtual.agent(b);
    home(virtual, b.id, relay.id);
    virtual.pass(1000);
    virtual.forgetOutputs();
    virtual.do((mesh, now) => mesh.agentRevoked(b, now));
    expect(virtual.toRelays("revoke")).toEqual([{ type: "revoke", agent: b.id }]);
    virtual.pass(1000);
    expect(virtual.toRelays("routes")).toEqual([{ type: "routes", upsert: [], remove: [b.id] }]);
    expect(virtual.toAgent(a.id, "peers")).toEqual([{ type: "peers", upsert: [], remove: [b.id] }]);
  });

  test("every connected agent gets the relay map when it changes, with its ranking", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.agent(a);
    virtual.pass(1000);
    virtual.forgetOutputs();
    virtual.pass(10_000);
    const [map] = virtual.toAgent(a.id, "relays");
    expect(map?.relays).toMatchObject([{ id: relay.id, state: "down" }]);
    expect(map?.ranking).toEqual([]);
  });
});

describe("introductions", () => {
  test("both get the other's candidates at the same moment", () => {
    const virtual = new VirtualMesh();
    virtual.agent(a);
    virtual.agent(b);
    const ofA = candidates(virtual, a.id, 1);
    const ofB = candidates(virtual, b.id, 2);
    virtual.do((mesh, now) => mesh.agentSaid(a.id, { type: "introduce", peer: b.id }, now));
    expect(virtual.toAgent(a.id, "probe-now")).toEqual([
      { type: "probe-now", peer: b.id, candidates: ofB, nat: "none" },
    ]);
    expect(virtual.toAgent(b.id, "probe-now")).toEqual([
      { type: "probe-now", peer: a.id, candidates: ofA, nat: "none" },
    ]);
  });

  test("one that has not told its candidates yet is waited for", () => {
    const virtual = new VirtualMesh();
    virtual.agent(a);
    virtual.agent(b);
    candidates(virtual, a.id, 1);
    virtual.do((mesh, now) => mesh.agentSaid(a.id, { type: "introduce", peer: b.id }, now));
    expect(virtual.toAgent(a.id, "probe-now")).toEqual([]);
    candidates(virtual, b.id, 2);
    expect(virtual.toAgent(a.id, "probe-now")).toHaveLength(1);
    expect(virtual.toAgent(b.id, "probe-now")).toHaveLength(1);
    candidates(virtual, b.id, 3);
    expect(virtual.toAgent(a.id, "probe-now")).toHaveLength(1);
  });

  test("an agent of another network, an unknown one and oneself are all just unknown", () => {
    const virtual = new VirtualMesh();
    for (const agent of [a, stranger]) {
      virtual.agent(agent);
      candidates(virtual, agent.id, 1);
    }
    virtual.forgetOutputs();
    for (const peer of [stranger.id, c.id, a.id]) {
      virtual.do((mesh, now) => mesh.agentSaid(a.id, { type: "introduce", peer }, now));
    }
    expect(virtual.toAgent(a.id, "error").map(({ code }) => code)).toEqual(Array(3).fill("peer-unknown"));
    expect(virtual.outputs).toHaveLength(3);
  });

  test("nothing happens while the peer is offline", () => {
    const virtual = new VirtualMesh([b]);
    virtual.agent(a);
    virtual.forgetOutputs();
    virtual.do((mesh, now) => mesh.agentSaid(a.id, { type: "introduce", peer: b.id }, now));
    expect(virtual.outputs).toEqual([]);
  });
});

describe("tickets", () => {
  test("are renewed at half their life, as long as the agent is connected", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.agent(a);
    virtual.agent(b);
    virtual.do((mesh, now) => mesh.agentDisconnected(b.id, now));
    for (let s = 0; s < TICKET_RENEWAL_MS / 1000 - 3; s += 3) {
      virtual.heartbeat(relay.id);
      virtual.pass(3000);
    }
    expect(virtual.toAgent(a.id, "tickets")).toEqual([]);
    virtual.heartbeat(relay.id);
    virtual.pass(3000);
    const [renewed] = virtual.toAgent(a.id, "tickets");
    expect(renewed?.tickets.map(({ relay }) => relay)).toEqual([relay.id]);
    const expiresAtMs = renewed?.tickets[0]?.expiresAtMs ?? 0;
    expect(expiresAtMs - virtual.now).toBeGreaterThan(TICKET_LIFE_MS - 10_000);
    expect(virtual.toAgent(b.id, "tickets")).toEqual([]);
  });

  test("are given on request, for relays that exist", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.agent(a);
    const asked = [relay.id, "ffffffffffffffff" as RelayId];
    virtual.do((mesh, now) => mesh.agentSaid(a.id, { type: "ticket-request", relays: asked }, now));
    const [given] = virtual.toAgent(a.id, "tickets");
    expect(given?.tickets.map(({ relay }) => relay)).toEqual([relay.id]);
    const sealed = fromBase64(given?.tickets[0]?.ticket ?? "") ?? new Uint8Array();
    expect(openTicket(sealed, relay.id, relay.ticketKey, nobleSealer)).toMatchObject({
      network: NETWORK.id,
      rateClass: RATE_CLASS["1G"],
    });
    expect(openTicket(sealed, other.id, other.ticketKey, nobleSealer)).toBe("bad-seal");
  });

  test("say what the operator lets each agent send", () => {
    for (const name of Object.keys(RATE_CLASS) as RateName[]) {
      const office = new TicketOffice({
        sealer: nobleSealer,
        random: (length) => new Uint8Array(length).fill(7),
        agentRate: name,
        unixMs: (at) => at,
      });
      const [granted] = office.issue(a, false, [relay], 0, true);
      const sealed = fromBase64(granted?.ticket ?? "") ?? new Uint8Array();
      expect(openTicket(sealed, relay.id, relay.ticketKey, nobleSealer)).toMatchObject({
        rateClass: RATE_CLASS[name],
      });
    }
  });

  test("for a new relay reach those who are near it without their asking", () => {
    const virtual = new VirtualMesh();
    virtual.agent(a);
    virtual.relay(relay);
    virtual.pass(100);
    const [given] = virtual.toAgent(a.id, "tickets");
    expect(given?.tickets.map(({ relay }) => relay)).toEqual([relay.id]);
    // One each: the map's next change brings no second one.
    virtual.relay(other);
    virtual.pass(100);
    expect(
      virtual
        .toAgent(a.id, "tickets")
        .at(-1)
        ?.tickets.map(({ relay }) => relay),
    ).toEqual([other.id]);
  });
});

describe("relays of one network", () => {
  const network = stranger.network;
  const own = relayRecord(3, { network });
  const foreign = relayRecord(4, { network: "00000000000000cc" as NetworkId });

  test("are told of their own network's agents alone, and of no other network's own relays", () => {
    const gone = agentRecord(9, { revokedAtMs: 999_000 });
    const virtual = new VirtualMesh([{ ...a, home: relay.id }, { ...stranger, home: own.id }, gone]);
    for (const record of [relay, own, foreign]) virtual.relay(record);
    const toldAgents = (id: RelayId) =>
      virtual.sentTo(id).flatMap((message): AgentId[] => {
        if (message.type === "welcome" && "routes" in message) return message.routes.map((of) => of.agent);
        if (message.type === "routes") return [...message.upsert.map((of) => of.agent), ...message.remove];
        return message.type === "revoke" ? [message.agent] : [];
      });
    expect(toldAgents(relay.id)).toEqual([a.id, stranger.id, gone.id]);
    expect(toldAgents(own.id)).toEqual([stranger.id]);
    expect(toldAgents(foreign.id)).toEqual([]);
    virtual.agent(a);
    virtual.agent(stranger);
    virtual.forgetOutputs();
    home(virtual, a.id, undefined);
    virtual.pass(100);
    expect(toldAgents(relay.id)).toEqual([a.id]);
    home(virtual, stranger.id, relay.id);
    virtual.pass(100);
    virtual.do((mesh, now) => mesh.agentRevoked(a, now));
    virtual.do((mesh, now) => mesh.agentRevoked(stranger, now));
    virtual.pass(100);
    expect(new Set(toldAgents(own.id))).toEqual(new Set([stranger.id]));
    expect(toldAgents(relay.id)).toContain(a.id);
    expect(toldAgents(foreign.id)).toEqual([]);
    virtual.relay(relayRecord(5));
    virtual.pass(100);
    const toldRelays = (id: RelayId) =>
      virtual
        .sentTo(id)
        .flatMap((message) =>
          "relays" in message ? message.relays.map((of) => ("id" in of ? of.id : of.relay)) : [],
        );
    expect(new Set(toldRelays(own.id))).toEqual(new Set([relay.id, own.id, relayRecord(5).id]));
    expect(new Set(toldRelays(relay.id))).toEqual(new Set([relay.id, own.id, foreign.id, relayRecord(5).id]));
  });

  test("are known as such to relays, and not to agents", () => {
    const virtual = new VirtualMesh();
    virtual.relay(relay);
    virtual.relay(own);
    virtual.agent(stranger);
    virtual.pass(1000);
    const ownerOf = (relays: readonly RelayInfo[] = []) =>
      relays.map((of) => [of.id, "network" in of ? of.network : undefined]);
    const told = [
      [relay.id, undefined],
      [own.id, network],
    ];
    expect(virtual.sentTo(own.id)[0]).toMatchObject({ type: "welcome", network });
    expect(virtual.sentTo(relay.id)[0]).not.toHaveProperty("network", network);
    expect(ownerOf(virtual.toRelays("relays").at(-1)?.relays)).toEqual(told);
    const [welcome] = virtual.toAgent(stranger.id, "welcome");
    expect(welcome?.relays.map(({ id }) => id)).toEqual([relay.id, own.id]);
    for (const of of welcome?.relays ?? []) expect(of).not.toHaveProperty("network");
  });
});
