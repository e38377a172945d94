/** The coordinator from outside: real server, real WebSockets, real files. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  agentIdOf,
  type Candidate,
  endpoint,
  fromBase64,
  nobleSealer,
  openTicket,
  relayIdOf,
  type ToAgent,
  UserError,
} from "@burrow/protocol";
import { readOperatorFile, startCoordinator } from "./main.ts";
import type { TestClient } from "./testing/client.ts";
import { TestCoordinator } from "./testing/coordinator.ts";

let coordinator: TestCoordinator;
afterEach(() => coordinator?.end());

/** What a client that is not let in is told, before the channel is closed on it. */
async function refusal(client: TestClient, hello: Record<string, unknown>, tamper = false) {
  await client.hello({ role: "agent", acceptsOutside: false, ...hello }, tamper);
  const { code, remedy } = await client.next("error");
  expect(remedy).not.toBe("");
  const closed = await client.closed;
  expect(closed).toEqual({ code: 1008, reason: code });
  return code;
}

async function userError(run: () => Promise<unknown>): Promise<UserError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("nothing was wrong");
}

describe("enrolment", () => {
  test("an agent and a relay are let in by token, and later by key alone", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay({ region: "here", at: { lat: 1, lon: 2 } });
    expect(relay.id).toBe(relayIdOf(relay.client.publicKey));
    expect(relay.welcome.endpoints.map(String)).toEqual(["127.0.0.1:21820"]);

    const agent = await coordinator.agent({ name: "alice" });
    expect(agent.id).toBe(agentIdOf(agent.client.publicKey));
    expect(agent.welcome.agent).toMatchObject({ name: "alice", networkName: "default", ipv4: "100.64.0.1" });
    expect(agent.welcome.observed.address).toBe("127.0.0.1");
    expect(agent.welcome.relays).toMatchObject([{ id: relay.id, region: "here", state: "healthy" }]);
    expect(agent.welcome.ranking.map(({ relay }) => relay)).toEqual([relay.id]);

    const again = coordinator.client(agent.client.privateKey);
    expect((await again.asAgent()).agent).toEqual(agent.welcome.agent);
    const relayAgain = coordinator.client(relay.client.privateKey);
    expect((await relayAgain.asRelay({ region: "here" })).ticketKey).toBe(relay.welcome.ticketKey);
  });

  test("tickets open at their relay", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const { welcome, client } = await coordinator.agent({ acceptsOutside: true });
    const [granted] = welcome.tickets;
    const ticketKey = fromBase64(relay.welcome.ticketKey) ?? new Uint8Array();
    const sealed = fromBase64(granted?.ticket ?? "") ?? new Uint8Array();
    const opened = openTicket(sealed, relay.id, ticketKey, nobleSealer);
    expect(opened).toMatchObject({ network: welcome.agent.network, acceptsOutside: true });
    if (typeof opened === "string") throw new Error(opened);
    expect(Buffer.from(opened.agentKey).equals(client.publicKey)).toBe(true);
    expect(opened.sessionKey).toEqual(fromBase64(granted?.sessionKey ?? "") ?? new Uint8Array());
    expect(opened.expiresAtMs).toBe(granted?.expiresAtMs ?? 0);
  });

  test("wrong proof, and tokens that are wrong, missing, expired, used up or of the other kind", async () => {
    let ahead = 0;
    coordinator = await TestCoordinator.start({ now: () => Date.now() + ahead });
    const token = await coordinator.token("agent");
    expect(await refusal(coordinator.client(), { token }, true)).toBe("proof-wrong");
    expect(await refusal(coordinator.client(), {})).toBe("key-unknown");
    expect(await refusal(coordinator.client(), { token: `${token}x` })).toBe("token-wrong");
    const forRelay = await coordinator.token("relay");
    expect(await refusal(coordinator.client(), { token: forRelay })).toBe("token-kind");
    const relay = { role: "relay", region: "r", endpoints: [], port: 1, token };
    expect(await refusal(coordinator.client(), relay)).toBe("token-kind");
    // None of this has used it up.
    const first = coordinator.client();
    await first.asAgent({ token });
    expect(await refusal(coordinator.client(), { token })).toBe("token-used-up");
    await coordinator.client(first.privateKey).asAgent({ token });
    const short = await coordinator.token("agent", { expiresInMs: 60_000 });
    ahead = 60_001;
    expect(await refusal(coordinator.client(), { token: short })).toBe("token-expired");
    expect(await coordinator.metric('hellos_refused_total{role="agent",code="token-used-up"}')).toBe(1);
    expect(await coordinator.metric('enrolled_total{role="agent"}')).toBe(1);
  });

  test("a name is taken once in a network; without one a free one is found", async () => {
    coordinator = await TestCoordinator.start();
    await coordinator.agent({ name: "alice" });
    const token = await coordinator.token("agent");
    const late = coordinator.client();
    expect(await refusal(late, { token, name: "alice" })).toBe("name-taken");
    expect((await late.next("error")).remedy).toContain("--name");
    const welcome = await coordinator.client(late.privateKey).asAgent({ token });
    expect(welcome.agent.name).toMatch(/^agent-[0-9a-f]{4}$/);
    const elsewhere = await coordinator.agent({ name: "alice", network: "other" });
    expect(elsewhere.welcome.agent).toMatchObject({
      name: "alice",
      networkName: "other",
      ipv4: "100.64.0.1",
    });
    expect(elsewhere.welcome.peers).toEqual([]);
  });

  test("a newer connection of a key replaces the older", async () => {
    coordinator = await TestCoordinator.start();
    const { client } = await coordinator.agent();
    const newer = coordinator.client(client.privateKey);
    await newer.asAgent();
    expect((await client.next("error")).code).toBe("replaced");
    expect((await client.closed).code).toBe(4001);
    newer.send({ type: "ping" });
    await newer.next("pong");
    expect((await coordinator.operator.agents())[0]?.online).toBe(true);
  });
});

describe("where a relay says that it is reached", () => {
  const refusalOf = async (endpoints: readonly string[], from?: string) => {
    const client = coordinator.client(undefined, from);
    const token = await coordinator.token("relay");
    await client.hello({ role: "relay", region: "r", endpoints, port: 1, token });
    const { type, ...told } = await Promise.race([client.next("error"), client.next("welcome")]);
    return type === "error" && "remedy" in told ? told : undefined;
  };

  test("is not where no datagram belongs; loopback only for those who come by it", async () => {
    coordinator = await TestCoordinator.start({ trustProxy: true });
    const never = ["169.254.169.254:80", "239.1.1.1:5", "255.255.255.255:9", "0.0.0.0:7", "[fe80::1]:7"];
    for (const endpoint of never) {
      const told = await refusalOf(["192.0.2.1:21820", endpoint]);
      expect(told?.code).toBe("endpoint-unusable");
      expect(told?.message).toContain(endpoint);
      expect(told?.remedy).toContain("--advertise");
    }
    expect(await refusalOf(["127.0.0.1:53"], "198.51.100.1")).toMatchObject({ code: "endpoint-unusable" });
    expect(await refusalOf(["127.0.0.1:53"])).toBeUndefined();
    expect(await refusalOf(["10.1.2.3:21820"], "198.51.100.1")).toBeUndefined();
  });

  test("is not where another one is at work, until that one is gone", async () => {
    coordinator = await TestCoordinator.start();
    const first = await coordinator.relay({ endpoints: ["192.0.2.1:21820", "192.0.2.1:443"] });
    const told = await refusalOf(["192.0.2.2:21820", "192.0.2.1:443"]);
    expect(told).toMatchObject({ code: "endpoint-taken" });
    expect(told?.message).not.toContain(first.id);
    // It itself comes back whenever it likes.
    const back = coordinator.client(first.client.privateKey);
    await back.asRelay({ endpoints: ["192.0.2.1:21820", "192.0.2.1:443"] });
    const token = await coordinator.token("relay");
    const heir = { role: "relay", region: "r", endpoints: ["192.0.2.1:443"], port: 1, token };
    await coordinator.operator.removeRelay(first.id);
    await coordinator.client().asRelay(heir);
  });
});

describe("a network's own relays", () => {
  test("are its agents' first choice, and nobody else hears of them, even when asked for", async () => {
    coordinator = await TestCoordinator.start();
    const shared = await coordinator.relay();
    const token = await coordinator.token("relay", { network: "office" });
    const own = (await coordinator.client().asRelay({ token, region: "cellar", port: 21900 })).relay;
    const inside = await coordinator.agent({ network: "office" });
    const outside = await coordinator.agent({ network: "other" });
    const ids = (relays: readonly { id?: string; relay?: string }[]) =>
      relays.map(({ id, relay }) => id ?? relay);
    expect(ids(inside.welcome.relays).sort()).toEqual([own, shared.id].sort());
    expect(ids(inside.welcome.ranking)).toEqual([own, shared.id]);
    expect(ids(inside.welcome.tickets).sort()).toEqual([own, shared.id].sort());
    expect(inside.welcome.ranking[1]?.reason).toContain("after the network's own relays");
    for (const told of [outside.welcome.relays, outside.welcome.ranking, outside.welcome.tickets]) {
      expect(ids(told)).toEqual([shared.id]);
    }
    outside.client.send({ type: "ticket-request", relays: [own, shared.id] });
    expect(ids((await outside.client.next("tickets")).tickets)).toEqual([shared.id]);
    // A change of the map tells each its own.
    const third = await coordinator.relay();
    const news = await outside.client.next("relays", ({ relays }) => relays.length > 1);
    expect(ids(news.relays).sort()).toEqual([shared.id, third.id].sort());
    expect(ids((await inside.client.next("relays")).relays)).toContain(own);
    const view = (await coordinator.operator.relays()).find(({ id }) => id === own);
    expect(view).toMatchObject({ network: "office", region: "cellar" });
    // Other relays know of it: they hand over to it.
    expect(ids(third.welcome.relays)).toContain(own);
  });

  test("stay so, and wishes too, over a restart", async () => {
    coordinator = await TestCoordinator.start();
    const token = await coordinator.token("relay", { network: "office" });
    const own = (await coordinator.client().asRelay({ token })).relay;
    await coordinator.operator.setRelay(own, { weightMs: 7, avoid: true });
    await coordinator.restart();
    expect(await coordinator.operator.relays()).toMatchObject([
      { id: own, network: "office", weightMs: 7, avoid: true },
    ]);
  });
});

describe("the mesh", () => {
  test("peers of one network come, meet and go; another network hears nothing", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const alice = await coordinator.agent({ name: "alice" });
    const mallory = await coordinator.agent({ name: "mallory", network: "other" });
    const bob = await coordinator.agent({ name: "bob" });
    expect(bob.welcome.peers).toMatchObject([{ name: "alice", online: true }]);
    await alice.client.next("peers", ({ upsert }) => upsert.some(({ name }) => name === "bob"));

    bob.client.send({
      type: "home",
      home: relay.id,
      rtts: [{ relay: relay.id, rttMs: 12 }],
      reason: "only one",
    });
    await relay.client.next("routes", ({ upsert }) => upsert.some(({ agent }) => agent === bob.id));
    await alice.client.next("peers", ({ upsert }) => upsert.some(({ relays }) => relays[0] === relay.id));

    const told = (port: number): Candidate[] => [{ kind: "host", endpoint: endpoint("192.0.2.1", port) }];
    const natPorts = { order: "sequential", step: 2, last: 40_002 } as const;
    alice.client.send({ type: "candidates", candidates: told(1), nat: "none" });
    bob.client.send({ type: "candidates", candidates: told(2), nat: "address-dependent", natPorts });
    alice.client.send({ type: "introduce", peer: bob.id });
    const atAlice = await alice.client.next("probe-now");
    expect(atAlice).toEqual({
      type: "probe-now",
      peer: bob.id,
      candidates: told(2),
      nat: "address-dependent",
      natPorts,
    });
    expect((await bob.client.next("probe-now")).candidates).toEqual(told(1));

    bob.client.close();
    await alice.client.next("peers", ({ upsert }) =>
      upsert.some(({ id, online }) => id === bob.id && !online),
    );
    mallory.client.send({ type: "introduce", peer: alice.id });
    expect((await mallory.client.next("error")).code).toBe("peer-unknown");
    expect(mallory.client.received.filter(({ type }) => type === "peers")).toEqual([]);
  });

  test("a relay that falls silent is down within 5 s, and agents hear of it", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const agent = await coordinator.agent();
    relay.client.heartbeat(false, 3);
    const silentAt = Date.now();
    const map = await agent.client.next("relays", ({ relays }) => relays[0]?.state === "down");
    expect(Date.now() - silentAt).toBeLessThan(5_000);
    expect(map).toMatchObject({ ranking: [] });
    expect((await coordinator.operator.relays())[0]).toMatchObject({ state: "down", sessions: 3 });
    relay.client.heartbeat();
    await agent.client.next("relays", ({ relays }) => relays[0]?.state === "healthy");
  });

  test("drain by an operator reaches the relay and the agents, and outlives a restart", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const agent = await coordinator.agent();
    expect((await coordinator.operator.drainRelay(relay.id)).state).toBe("draining");
    expect((await relay.client.next("drain")).draining).toBe(true);
    await agent.client.next("relays", ({ relays }) => relays[0]?.state === "draining");
    await coordinator.restart();
    const again = coordinator.client(relay.client.privateKey);
    await again.asRelay();
    expect((await again.next("drain")).draining).toBe(true);
    await coordinator.operator.drainRelay(relay.id, false);
    expect((await again.next("drain", ({ draining }) => !draining)).draining).toBe(false);
  });

  test("a removed relay is cut off, gone from the map, and needs a token again", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const agent = await coordinator.agent();
    expect((await coordinator.operator.removeRelay(relay.id)).id).toBe(relay.id);
    expect((await relay.client.closed).code).toBe(4003);
    await agent.client.next("relays", ({ relays }) => relays.length === 0);
    const again = coordinator.client(relay.client.privateKey);
    const hello = { role: "relay", region: "r", endpoints: [], port: 1 };
    expect(await refusal(again, hello)).toBe("key-unknown");
    expect(await coordinator.operator.relays()).toEqual([]);
  });

  test("a revoked agent is cut off, dropped by relays and peers, and not let in again", async () => {
    coordinator = await TestCoordinator.start();
    const relay = await coordinator.relay();
    const alice = await coordinator.agent({ name: "alice" });
    const bob = await coordinator.agent({ name: "bob" });
    expect(await coordinator.operator.revokeAgent(bob.id)).toMatchObject({ id: bob.id, name: "bob" });
    expect((await bob.client.closed).code).toBe(4003);
    expect((await relay.client.next("revoke")).agent).toBe(bob.id);
    await alice.client.next("peers", ({ remove }) => remove.includes(bob.id));
    await coordinator.restart();
    expect(await refusal(coordinator.client(bob.client.privateKey), {})).toBe("revoked");
    const relayAgain = coordinator.client(relay.client.privateKey);
    await relayAgain.asRelay();
    expect((await relayAgain.next("revoke")).agent).toBe(bob.id);
  });

  test("a restart keeps agents, names, addresses, homes, tokens and the operator's token", async () => {
    coordinator = await TestCoordinator.start();
    const token = await coordinator.token("agent", { uses: 2 });
    const relay = await coordinator.relay();
    const alice = coordinator.client();
    const before = await alice.asAgent({ token, name: "alice" });
    alice.send({ type: "home", home: relay.id, rtts: [], reason: "only one" });
    await relay.client.next("routes", ({ upsert }) => upsert.length === 1);
    const { operatorToken } = coordinator;
    await coordinator.restart();
    expect(coordinator.operatorToken).toBe(operatorToken);
    const relayAgain = await coordinator.client(relay.client.privateKey).asRelay();
    expect(relayAgain.routes).toMatchObject([{ agent: before.agent.id, relay: relay.id }]);
    expect(relayAgain.ticketKey).toBe(relay.welcome.ticketKey);
    const after = await coordinator.client(alice.privateKey).asAgent();
    expect(after.agent).toEqual(before.agent);
    await coordinator.client().asAgent({ token });
    expect(await refusal(coordinator.client(), { token })).toBe("token-used-up");
  });

  test("stopping says goodbye, and leaves nothing running", async () => {
    coordinator = await TestCoordinator.start();
    const { client } = await coordinator.agent();
    await coordinator.stop();
    expect([1001, 1006]).toContain((await client.closed).code);
  });
});

describe("GeoIP", () => {
  const geoipFile = new URL("../../tests/data/geoip/GeoIP2-City-Test.mmdb", import.meta.url).pathname;
  const london = { region: "london", at: { lat: 51.5, lon: -0.1 } };
  const oregon = { region: "oregon", at: { lat: 45.6, lon: -121.2 } };

  test("agents are ranked by where the proxy saw them", async () => {
    coordinator = await TestCoordinator.start({ geoipFile, trustProxy: true });
    await coordinator.relay(london);
    await coordinator.relay(oregon);
    const regionOf = (welcome: Extract<ToAgent, { type: "welcome" }>) =>
      welcome.relays.find(({ id }) => id === welcome.ranking[0]?.relay)?.region;
    const european = await coordinator.agent({ from: "1.2.3.4, 89.160.20.112" });
    expect(european.welcome.observed).toEqual({ address: "89.160.20.112", place: "Linköping, SE" });
    expect(regionOf(european.welcome)).toBe("london");
    expect(european.welcome.ranking[0]?.reason).toContain("km at 2 ms per 100 km");
    const [shown] = await coordinator.operator.agents();
    expect(shown).toMatchObject({ place: "Linköping, SE", attribution: "GeoIP2-City" });
    const american = await coordinator.agent({ from: "::ffff:216.160.83.56" });
    expect(american.welcome.observed.address).toBe("216.160.83.56");
    expect(regionOf(american.welcome)).toBe("oregon");
    const near = await coordinator.operator.nearest("81.2.69.142");
    expect(near).toMatchObject({ place: "London, GB", precision: "city", widely: false });
    expect(near.ranking[0]).toMatchObject({ region: "london", probed: true, distanceKm: 2 });
  });

  test("without trust in a proxy its word counts for nothing", async () => {
    coordinator = await TestCoordinator.start({ geoipFile });
    const { welcome } = await coordinator.agent({ from: "89.160.20.112" });
    expect(welcome.observed).toEqual({ address: "127.0.0.1" });
    expect(await coordinator.operator.nearest("127.0.0.1")).toMatchObject({ place: null, widely: true });
  });

  test("a file that is missing or no database is told before anything is started", async () => {
    coordinator = await TestCoordinator.start();
    const missing = join(coordinator.stateDir, "none.mmdb");
    const start = (geoipFile: string) => () =>
      startCoordinator({
        listen: { address: "127.0.0.1", port: 0 },
        stateDir: "/nonexistent/state",
        geoipFile,
      });
    expect((await userError(start(missing))).message).toContain("cannot be read");
    const junk = join(coordinator.stateDir, "junk.mmdb");
    writeFileSync(junk, Buffer.alloc(100_000, "junk"));
    expect((await userError(start(junk))).message).toContain("is not a GeoIP database");
    writeFileSync(junk, "");
    expect((await userError(start(junk))).remedy).toContain("--geoip");
    writeFileSync(junk, readFileSync(geoipFile).subarray(-2000));
    expect((await userError(start(junk))).message).toContain("is not a GeoIP database");
  });
});

describe("starting", () => {
  test("operator.json is the owner's alone and says where and with what to ask", async () => {
    coordinator = await TestCoordinator.start();
    const path = join(coordinator.stateDir, "operator.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await readOperatorFile(coordinator.stateDir)).toEqual({
      url: coordinator.url,
      token: coordinator.operatorToken,
    });
    await coordinator.stop();
    writeFileSync(path, "{");
    expect((await userError(() => coordinator.restart())).message).toContain("operator.json is damaged");
    expect(readFileSync(path, "utf8")).toBe("{");
  });

  test("a state directory in use, a port in use, a broken database: told, and nothing left behind", async () => {
    coordinator = await TestCoordinator.start();
    const { stateDir } = coordinator;
    const listen = { address: "127.0.0.1", port: 0 };
    expect((await userError(() => startCoordinator({ listen, stateDir }))).message).toContain("in use");
    const second = await TestCoordinator.start();
    await second.stop();
    const port = Number(new URL(coordinator.url).port);
    const taken = { listen: { address: "127.0.0.1", port }, stateDir: second.stateDir };
    const error = await userError(() => startCoordinator(taken));
    expect(error.message).toContain("another program has the port");
    expect(error.remedy).toContain("--listen");
    // It has let go of the directory: with another port it starts.
    await second.restart();
    await second.stop();
    writeFileSync(join(second.stateDir, "coordinator.db"), "not a database at all");
    expect((await userError(() => second.restart())).message).toContain("not an SQLite database");
    await second.end();
  });
});
