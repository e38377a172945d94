/** The HTTP API: shapes, rights and refusals. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { HEARTBEAT_INTERVAL_MS } from "@burrow/protocol";
import { TestCoordinator } from "../../testing/coordinator.ts";
import { readOperatorFile } from "../operator.ts";

let coordinator: TestCoordinator;
let agentId: string;
let relayId: string;
let heartbeats: ReturnType<typeof setInterval>;
beforeAll(async () => {
  coordinator = await TestCoordinator.start();
  const relay = await coordinator.relay({ region: "here", at: { lat: 1, lon: 2 } });
  const agent = await coordinator.agent({ name: "alice" });
  const bob = await coordinator.agent({ name: "bob" });
  relayId = relay.id;
  heartbeats = setInterval(() => relay.client.heartbeat(), HEARTBEAT_INTERVAL_MS);
  agentId = agent.id;
  const rtts = [{ relay: relay.id, rttMs: 12 }];
  agent.client.send({ type: "home", home: relay.id, rtts, reason: "the only one" });
  const path = {
    peer: bob.id,
    kind: "relay",
    relay: relay.id,
    rttMs: 24,
    sinceMs: 5,
    reason: "no direct path yet",
  };
  agent.client.send({ type: "paths", paths: [path] });
  agent.client.send({ type: "ping" });
  await agent.client.next("pong");
});
afterAll(() => {
  clearInterval(heartbeats);
  return coordinator.end();
});

function ask(path: string, init: RequestInit & { token?: string } = {}): Promise<Response> {
  const headers: Record<string, string> = {
    ...(init.token === undefined ? {} : { authorization: `Bearer ${init.token}` }),
    ...(init.body === undefined ? {} : { "content-type": "application/json" }),
  };
  return fetch(coordinator.url + path, { ...init, headers });
}

async function expectProblem(response: Response, status: number, code: string): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const body = (await response.json()) as { code: string };
  expect(Object.keys(body)).toEqual(["title", "status", "code", "message", "remedy"]);
  expect(body.code).toBe(code);
}

describe("health", () => {
  test("alive, ready, and metrics as Prometheus wants them", async () => {
    expect((await ask("/healthz")).status).toBe(200);
    expect(await (await ask("/readyz")).json()).toEqual({
      status: "ready",
      store: "sqlite",
      channel: "serving",
    });
    // Counted at most once a second: the count of that second may have missed what came last.
    const guests = `agents_by_home{relay="${relayId}",region="here"}`;
    while ((await coordinator.metric(guests)) !== 1) await Bun.sleep(50);
    const response = await ask("/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const text = await response.text();
    expect(text).toContain('burrow_coordinator_relays{state="healthy"} 1');
    expect(text).toContain('burrow_coordinator_agents{online="true"} 2');
    expect(text).toContain(`burrow_coordinator_agents_by_home{relay="${relayId}",region="here"} 1`);
    expect(text).toContain('burrow_coordinator_messages_received_total{from="agent",type="home"} 1');
  });

  test("what agents tell of themselves is summed up", async () => {
    const counts = [0, 3, 0, 0, 0, 0, 0, 0, 0, 1];
    const none = { counts: counts.map(() => 0), sumMs: 0 };
    const carol = await coordinator.agent({ name: "carol" });
    const figures = {
      type: "figures",
      direct: 2,
      relayed: { "both-nats-hard": 1 },
      bytes: { direct: 1_000, relay: 10 },
      timeToDirect: { counts, sumMs: 60_240 },
      failover: none,
    };
    carol.client.send(figures);
    carol.client.send({ ...figures, direct: 3, bytes: { direct: 1, relay: 0 }, timeToDirect: none });
    carol.client.send({ type: "ping" });
    await carol.client.next("pong");
    const told = {
      'agents_bytes_total{path="direct"}': 1_001,
      'agents_bytes_total{path="relay"}': 10,
      'time_to_direct_seconds_bucket{le="0.05"}': 0,
      'time_to_direct_seconds_bucket{le="0.1"}': 3,
      'time_to_direct_seconds_bucket{le="30"}': 3,
      'time_to_direct_seconds_bucket{le="+Inf"}': 4,
      time_to_direct_seconds_sum: 60.24,
      failover_seconds_count: 0,
      [`selections_total{relay="${relayId}",region="here"}`]: 1,
    };
    for (const [line, value] of Object.entries(told)) expect(await coordinator.metric(line)).toBe(value);
    // Counted at most once a second.
    while ((await coordinator.metric('paths{kind="direct"}')) !== 3) await Bun.sleep(50);
    expect(await coordinator.metric('paths{kind="relay"}')).toBe(1);
    expect(await coordinator.metric('paths_relayed{reason="both-nats-hard"}')).toBe(1);
    await coordinator.operator.revokeAgent(carol.id);
  });

  test("requests are counted by route, whatever strangers ask for", async () => {
    for (let n = 0; n < 5; n++) await ask(`/no/such/path/${n}`);
    await ask("/v1/relays/0000000000000000");
    const text = await (await ask("/metrics")).text();
    expect(text).toMatch(/http_requests_total\{method="GET",route="unknown",status="404"\} 5/);
    expect(text).toMatch(/http_requests_total\{method="GET",route="\/v1\/relays\/:id",status="404"\} 1/);
    expect(text).not.toContain("/no/such");
  });
});

describe("who is where", () => {
  test("relays, for everybody", async () => {
    const list = (await (await ask("/v1/relays")).json()) as unknown[];
    expect(list).toMatchObject([
      {
        id: relayId,
        region: "here",
        at: { lat: 1, lon: 2 },
        endpoints: ["127.0.0.1:21820"],
        state: "healthy",
        reason: "heartbeats arrive; nobody else can tell yet whether its UDP port answers",
        load: { sessions: 0 },
        sessions: 0,
        agents: 1,
        rtt: { samples: 1, p50Ms: 12 },
        version: "test",
      },
    ]);
    expect(await (await ask(`/v1/relays/${relayId}`)).json()).toEqual(list[0]);
    await expectProblem(await ask("/v1/relays/nonsense"), 404, "not-found");
  });

  test("what a relay's counters read, for as long as it speaks", async () => {
    const own = await TestCoordinator.start({ readingsIntervalMs: 20 });
    try {
      const { id, client } = await own.relay();
      const history = async () => {
        const response = await fetch(`${own.url}/v1/relays/${id}/history`);
        expect(response.status).toBe(200);
        return (await response.json()) as { atMs: number; packets: number; drops: number }[];
      };
      expect(await history()).toEqual([]);
      const load = {
        sessions: 3,
        flows: 2,
        packets: 100,
        bytes: 5_000,
        drops: { "no-route": 2, replayed: 1 },
      };
      client.send({ type: "heartbeat", load, draining: false });
      while ((await history()).length === 0) await Bun.sleep(5);
      // The same heartbeat is read once, however long nothing new comes.
      await Bun.sleep(100);
      client.send({ type: "heartbeat", load: { ...load, packets: 200 }, draining: false });
      while ((await history()).length < 2) await Bun.sleep(5);
      const none = { p50Ms: null, p90Ms: null, p99Ms: null };
      expect(await history()).toMatchObject([
        { sessions: 3, packets: 100, bytes: 5_000, drops: 3, ...none },
        { sessions: 3, packets: 200, bytes: 5_000, drops: 3, ...none },
      ]);
      expect((await fetch(`${own.url}/v1/relays/000000000000000f/history`)).status).toBe(404);
    } finally {
      await own.end();
    }
  });

  test("agents and their paths, for operators", async () => {
    const token = coordinator.operatorToken;
    const list = (await (await ask("/v1/agents", { token })).json()) as { name: string }[];
    expect(list.find(({ name }) => name === "alice")).toMatchObject({
      id: agentId,
      network: "default",
      ipv4: "100.64.0.1",
      online: true,
      address: "127.0.0.1",
      place: null,
      home: relayId,
      standby: null,
      region: "here",
      rtts: [{ relay: relayId, rttMs: 12 }],
      nat: "unknown",
      version: "test",
    });
    expect(await (await ask(`/v1/agents/${agentId}/paths`, { token })).json()).toMatchObject([
      {
        peerName: "bob",
        kind: "relay",
        relay: relayId,
        rttMs: 24,
        endpoint: null,
        reason: "no direct path yet",
      },
    ]);
    const carol = await coordinator.agent({ name: "carol-who-leaves" });
    carol.client.send({ type: "paths", paths: [{ peer: agentId, kind: "none", sinceMs: 5, reason: "x" }] });
    const carols = () => coordinator.operator.paths(carol.id);
    while ((await carols()).length === 0) await Bun.sleep(10);
    carol.client.close();
    // What it said last is true no more.
    while ((await carols()).length > 0) await Bun.sleep(10);
    await coordinator.operator.revokeAgent(carol.id);
    await expectProblem(await ask("/v1/agents/0000000000000000/paths", { token }), 404, "not-found");
    await expectProblem(await ask("/v1/agents/x", { token, method: "DELETE" }), 404, "not-found");
  });

  test("nearest, with every term", async () => {
    const view = (await (await ask("/v1/nearest?ip=192.0.2.1")).json()) as { ranking: unknown };
    expect(view).toMatchObject({ ip: "192.0.2.1", place: null, widely: true });
    expect(view.ranking).toMatchObject([{ relay: relayId, probed: true, terms: [] }]);
    expect((await ask("/v1/nearest")).status).toBe(200);
    for (const ip of ["", "1.2.3", "8.8.8.8:443", "8.8.8.8%20", "99.99.99.99.99", "localhost"]) {
      await expectProblem(await ask(`/v1/nearest?ip=${ip}`), 400, "bad-request");
    }
  });
});

describe("operators only", () => {
  const guarded = [
    ["GET", "/v1/agents"],
    ["GET", "/v1/agents/0000000000000000/paths"],
    ["DELETE", "/v1/agents/0000000000000000"],
    ["DELETE", "/v1/relays/0000000000000000"],
    ["PATCH", "/v1/relays/0000000000000000"],
    ["POST", "/v1/tokens"],
    ["GET", "/v1/tokens"],
    ["DELETE", "/v1/tokens/0000000000000000"],
    ["POST", "/v1/operator-token"],
    ["POST", "/v1/relays/0000000000000000/drain"],
  ] as const;

  test("everything that changes anything or shows agents", async () => {
    for (const [method, path] of guarded) {
      await expectProblem(await ask(path, { method }), 401, "unauthorized");
      await expectProblem(await ask(path, { method, token: "wrong" }), 401, "unauthorized");
      const almost = coordinator.operatorToken.slice(0, -1);
      await expectProblem(await ask(path, { method, token: almost }), 401, "unauthorized");
    }
  });

  test("tokens: made as asked, and refused when asked wrongly", async () => {
    const token = coordinator.operatorToken;
    const post = (body: unknown) =>
      ask("/v1/tokens", {
        method: "POST",
        token,
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
    const before = Date.now();
    const made = await post({ for: "agent", network: "office", uses: 3, expiresInMs: 60_000 });
    expect(made.status).toBe(201);
    const created = (await made.json()) as { token: string; expiresAtMs: number };
    expect(created).toMatchObject({ for: "agent", network: "office", uses: 3 });
    expect(created.token).toMatch(/^burrow_[\w-]{43}$/);
    expect(created.expiresAtMs - before).toBeGreaterThanOrEqual(60_000);
    const relay: unknown = await (await post({ for: "relay" })).json();
    expect(Object.keys(relay ?? {})).toEqual(["id", "token", "for", "uses", "expiresAtMs"]);
    const wrong = [
      "",
      "{",
      "[]",
      { for: "nobody" },
      { for: "agent", uses: 0 },
      { for: "agent", uses: 1.5 },
      { for: "agent", network: "Not A Label" },
      { for: "agent", expiresInMs: -1 },
      { for: "agent", more: 1 },
    ];
    for (const body of wrong) await expectProblem(await post(body), 400, "bad-request");
    await expectProblem(await post("x".repeat(70_000)), 413, "too-large");
  });

  test("tokens: listed without their secrets, and taken back", async () => {
    const { operator } = coordinator;
    const made = await operator.createToken({ for: "agent", network: "lab", uses: 2 });
    const used = await coordinator.client().asAgent({ token: made.token });
    const listed = (await operator.tokens()).find(({ id }) => id === made.id);
    expect(listed).toMatchObject({ for: "agent", network: "lab", uses: 2, used: 1, state: "usable" });
    expect(JSON.stringify(await operator.tokens())).not.toContain(made.token);
    expect(await operator.removeToken(made.id)).toEqual(listed ?? expect.anything());
    expect((await operator.tokens()).map(({ id }) => id)).not.toContain(made.id);
    await expectProblem(
      await ask(`/v1/tokens/${made.id}`, { method: "DELETE", token: coordinator.operatorToken }),
      404,
      "not-found",
    );
    const late = coordinator.client();
    await late.hello({ role: "agent", acceptsOutside: false, token: made.token });
    expect(await late.next("error")).toMatchObject({ code: "token-wrong" });
    expect(await operator.agents()).toContainEqual(
      expect.objectContaining({ id: used.agent.id, online: true }),
    );
    await operator.revokeAgent(used.agent.id);
  });

  test("wishes for a relay: shown with it, and by nearest with every term", async () => {
    const token = coordinator.operatorToken;
    const path = `/v1/relays/${relayId}`;
    const patch = (body: unknown, at = path) =>
      ask(at, { method: "PATCH", token, body: JSON.stringify(body) });
    const terms = async () => {
      const view = (await (await ask("/v1/nearest?ip=192.0.2.1")).json()) as {
        ranking: { terms: { name: string; ms: number }[] }[];
      };
      return view.ranking[0]?.terms.map(({ name, ms }) => [name, ms]);
    };
    expect(await (await patch({ weightMs: -20 })).json()).toMatchObject({ weightMs: -20, avoid: false });
    expect(await terms()).toEqual([["weight", -20]]);
    expect(await (await patch({ avoid: true })).json()).toMatchObject({ weightMs: -20, avoid: true });
    expect(await terms()).toEqual([
      ["weight", -20],
      ["avoid", 20_000],
    ]);
    expect(await (await ask(path)).json()).toMatchObject({ weightMs: -20, avoid: true, network: null });
    await patch({ weightMs: 0, avoid: false });
    expect(await terms()).toEqual([]);
    for (const body of [{ weightMs: 1001 }, { weightMs: "5" }, { avoid: 1 }, { drained: true }]) {
      await expectProblem(await patch(body), 400, "bad-request");
    }
    await expectProblem(await patch({ avoid: true }, "/v1/relays/0000000000000000"), 404, "not-found");
    await expectProblem(await ask("/v1/nearest?network=nobodys", { token }), 400, "bad-request");
    // To others it is as if there were no such network.
    await expectProblem(await ask("/v1/nearest?network=default"), 400, "bad-request");
    expect((await ask("/v1/nearest?network=default", { token })).status).toBe(200);
  });

  test("drain takes an empty body for true", async () => {
    const init = { method: "POST", token: coordinator.operatorToken };
    const path = `/v1/relays/${relayId}/drain`;
    expect(await (await ask(path, init)).json()).toMatchObject({ id: relayId, state: "draining" });
    const undone = await ask(path, { ...init, body: '{"draining":false}' });
    expect(await undone.json()).toMatchObject({ id: relayId, state: "healthy" });
    await expectProblem(await ask(path, { ...init, body: '{"draining":"yes"}' }), 400, "bad-request");
    await expectProblem(await ask("/v1/relays/0000000000000000/drain", init), 404, "not-found");
  });
});

test("a new operator token: the old one, its logins and its streams end at once, and files and restarts agree", async () => {
  const mine = await TestCoordinator.start();
  try {
    const old = mine.operatorToken;
    const json = { "content-type": "application/json" };
    const login = { method: "POST", headers: json, body: JSON.stringify({ token: old }) };
    const cookie =
      (await fetch(`${mine.url}/v1/session`, login)).headers.get("set-cookie")?.split(";")[0] ?? "";
    const stream = await fetch(`${mine.url}/v1/events`, { headers: { authorization: `Bearer ${old}` } });
    const everybodys = await fetch(`${mine.url}/v1/events`);
    const statuses = (token: string) =>
      Promise.all(
        [{ authorization: `Bearer ${token}` }, { cookie }].map(
          async (headers) => (await fetch(`${mine.url}/v1/agents`, { headers })).status,
        ),
      );
    expect(await statuses(old)).toEqual([200, 200]);
    const { token } = await mine.operator.rotateOperatorToken();
    expect(token).toMatch(/^burrow_op_[\w-]{43}$/);
    expect(await statuses(old)).toEqual([401, 401]);
    expect(await statuses(token)).toEqual([200, 401]);
    expect(await stream.text()).toContain('"operator":true');
    const reader = everybodys.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
    expect(await readOperatorFile(mine.stateDir)).toEqual({ url: mine.url, token });
    await mine.restart();
    expect(mine.operatorToken).toBe(token);
    // One that cannot be kept does not count.
    await rm(mine.stateDir, { recursive: true });
    const refused = await fetch(`${mine.url}/v1/operator-token`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
    await expectProblem(refused, 503, "store-unavailable");
    expect(await statuses(token)).toEqual([200, 401]);
  } finally {
    await mine.end();
  }
});
