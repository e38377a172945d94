/** The whole relay on loopback: real sockets, a small coordinator, agents that bind and exchange packets. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openUdp } from "@burrow/platform";
import { BindStatus, type Endpoint, endpoint, keyToText, UserError } from "@burrow/protocol";
import { type RelayConfig, type RunningRelay, SMALL_LIMITS, startRelay } from "./main.ts";
import { FakeCoordinator } from "./testing/fake-coordinator.ts";
import { seededRandom, transport } from "./testing/harness.ts";
import { LiveAgent } from "./testing/live-agent.ts";
import { UdpPeer } from "./testing/udp-agent.ts";

const SOCKET_VARIABLE = "BURROW_SOCKET";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function freshDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "burrow-relay-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

function coordinator(port = 0): FakeCoordinator {
  const made = new FakeCoordinator(port);
  cleanups.push(() => made.stop());
  return made;
}

async function relay(
  from: { readonly url: string },
  overrides: Partial<RelayConfig> = {},
): Promise<RunningRelay> {
  const started = await startRelay({
    coordinatorUrl: from.url,
    token: "right",
    region: "test",
    listen: { address: "127.0.0.1", port: 0 },
    http: { address: "127.0.0.1", port: 0 },
    advertise: [],
    stateDir: await freshDirectory(),
    limits: SMALL_LIMITS,
    ...overrides,
  });
  cleanups.push(() => started.stop());
  return started;
}

function doorOf(running: RunningRelay): Endpoint {
  return endpoint("127.0.0.1", running.port);
}

async function liveAgent(
  from: { readonly ticketKey: Uint8Array },
  running: RunningRelay,
  address = "127.0.0.1",
  acceptsOutside = false,
): Promise<LiveAgent> {
  const agent = await LiveAgent.open(from, running, { address, acceptsOutside });
  cleanups.push(() => agent.peer.close());
  return agent;
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return;
    await Bun.sleep(10);
  }
  throw new Error(`waited in vain: ${what}`);
}

interface Body {
  readonly reason: string;
  readonly packets: number;
  readonly relays: number;
  readonly parties: number;
  readonly drops: { readonly malformed: number; readonly "unknown-type": number };
  readonly [field: string]: unknown;
}

const getJson = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  return { status: response.status, body: (await response.json()) as Body };
};

/** Every thread answers for its status after all that the coordinator told it before. */
async function untilKnown(running: RunningRelay, relays: number, parties: number): Promise<void> {
  await until(async () => {
    const { body } = await getJson(`${running.httpUrl}/v1/status`);
    return body.relays >= relays && body.parties >= parties;
  }, `${relays} relays and ${parties} parties`);
}

describe("packets", () => {
  test.each(["batched", "portable"])(
    "two agents bind, shake hands and exchange data (%s)",
    async (socket) => {
      process.env[SOCKET_VARIABLE] = socket;
      cleanups.push(() => delete process.env[SOCKET_VARIABLE]);
      const from = coordinator();
      const running = await relay(from);
      expect(running.registered).toBe(true);
      const a = await liveAgent(from, running);
      const b = await liveAgent(from, running);
      const bound = await a.bind();
      expect(bound).toMatchObject({ status: BindStatus.bound, observed: a.peer.at, lifetimeS: 60 });
      await b.bind();
      const initiation = a.agent.initiationTo(b.agent, 1);
      a.send(initiation);
      expect(await b.peer.next()).toEqual(initiation);
      const response = b.agent.responseTo(a.agent, 2, 1);
      b.send(response);
      expect(await a.peer.next()).toEqual(response);
      const data = transport(2, 1420);
      a.send(data);
      expect(await b.peer.next()).toEqual(data);
      await until(
        () => from.heartbeats.some(({ load }) => load.sessions === 2 && load.packets >= 3),
        "the load",
      );
    },
  );

  test("agents of both address families meet at one relay", async () => {
    const from = coordinator();
    const running = await relay(from, { listen: { address: "0.0.0.0", port: 0 } });
    const a = await liveAgent(from, running);
    const b = await liveAgent(from, running, "::1");
    expect((await a.bind()).observed).toBe(a.peer.at);
    expect((await b.bind()).observed).toBe(b.peer.at);
    const initiation = a.agent.initiationTo(b.agent, 1);
    a.send(initiation);
    expect(await b.peer.next()).toEqual(initiation);
    const response = b.agent.responseTo(a.agent, 2, 1);
    b.send(response);
    expect(await a.peer.next()).toEqual(response);
  });

  test("two relays hand packets to each other by trunk", async () => {
    const from = coordinator();
    const [left, right] = [await relay(from), await relay(from)];
    const a = await liveAgent(from, left);
    const b = await liveAgent(from, right);
    await a.bind();
    await b.bind();
    const relays = [left, right].map((each, i) => ({
      id: each.id,
      key: from.hellos[i]?.key ?? ("" as never),
      region: "test",
      endpoints: [doorOf(each)],
      state: "healthy" as const,
    }));
    from.send({ type: "relays", relays });
    const { agent } = b;
    const route = {
      agent: agent.id,
      key: keyToText(agent.publicKey),
      network: agent.network,
      relay: right.id,
    };
    from.send({ type: "routes", upsert: [route], remove: [] });
    await untilKnown(left, 1, 2);
    await untilKnown(right, 1, 1);
    const initiation = a.agent.initiationTo(agent, 1);
    a.send(initiation);
    expect(await b.peer.next()).toEqual(initiation);
    const response = agent.responseTo(a.agent, 2, 1);
    b.send(response);
    expect(await a.peer.next()).toEqual(response);
    a.send(transport(2, 1_400));
    expect(await b.peer.next()).toEqual(transport(2, 1_400));
  });

  test("garbage at the port is counted and not answered, and the relay lives on", async () => {
    const from = coordinator();
    const running = await relay(from);
    const stranger = await UdpPeer.open();
    cleanups.push(() => stranger.close());
    const random = seededRandom(99);
    for (let i = 0; i < 2_000; i++) {
      const bytes = random(1 + (i % 300));
      bytes[0] = [1, 2, 3, 4, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0, 255][i % 11] ?? 0;
      if (i % 2 === 0 && bytes.length > 3) bytes.fill(0, 1, 4);
      stranger.send(doorOf(running), bytes);
      if (i % 100 === 0) await Bun.sleep(1);
    }
    const a = await liveAgent(from, running);
    expect((await a.bind()).status).toBe(BindStatus.bound);
    expect(await stranger.next(50)).toBeUndefined();
    const { body } = await getJson(`${running.httpUrl}/v1/status`);
    expect(body.drops.malformed).toBeGreaterThan(0);
    expect(body.drops["unknown-type"]).toBeGreaterThan(0);
  });
});

describe("HTTP", () => {
  test("health goes through the port, readiness follows registration and draining", async () => {
    const from = coordinator();
    const running = await relay(from);
    const base = running.httpUrl;
    expect(await getJson(`${base}/healthz`)).toMatchObject({ status: 200, body: { ok: true } });
    expect(await getJson(`${base}/readyz`)).toMatchObject({ status: 200 });
    const post = (body?: string) =>
      getJson(`${base}/v1/drain`, body === undefined ? { method: "POST" } : { method: "POST", body });
    expect(await post()).toMatchObject({ status: 200, body: { draining: true } });
    expect(await getJson(`${base}/readyz`)).toMatchObject({ status: 503, body: { reason: "draining" } });
    const a = await liveAgent(from, running);
    expect((await a.bind()).status).toBe(BindStatus.draining);
    await until(() => from.heartbeats.at(-1)?.draining === true, "the heartbeat that says so");
    expect(await post('{"draining":false}')).toMatchObject({ status: 200, body: { draining: false } });
    expect(await getJson(`${base}/readyz`)).toMatchObject({ status: 200 });
    from.send({ type: "drain", draining: true });
    await until(() => from.heartbeats.at(-1)?.draining === true, "the coordinator's drain");
    expect(await getJson(`${base}/healthz`)).toMatchObject({ status: 200 });
    expect((await getJson(`${base}/v1/status`)).body).toMatchObject({ sessions: 1, draining: true });
  });

  test("health fails, with the reason, when the data plane is stuck", async () => {
    const from = coordinator();
    const running = await relay(from, {
      // Hears nothing: packets arrive and stay in the socket's callback.
      openSocket: ({ address, port }) => openUdp({ address, port, family: 4, onBatch() {} }),
    });
    const { status, body } = await getJson(`${running.httpUrl}/healthz`);
    expect(status).toBe(503);
    expect(body.reason).toContain("did not answer");
  });

  test("metrics are Prometheus text; wrong paths, methods and bodies are 4xx in JSON", async () => {
    const from = coordinator();
    const running = await relay(from);
    const base = running.httpUrl;
    const a = await liveAgent(from, running);
    await a.bind();
    await (await fetch(`${base}/metrics`)).text();
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toContain("burrow_relay_sessions 1");
    expect(text).toContain('burrow_relay_binds_total{status="bound"} 1');
    expect(text).toContain('burrow_relay_drops_total{reason="malformed"} 0');
    expect(await getJson(`${base}/nowhere`)).toMatchObject({ status: 404, body: { code: "not-found" } });
    expect((await getJson(`${base}/healthz`, { method: "DELETE" })).status).toBe(405);
    for (const body of ["{", "[]", '{"draining":1}', '{"x":1}', "\u0000"]) {
      const answer = await getJson(`${base}/v1/drain`, { method: "POST", body });
      expect([body, answer.status]).toEqual([body, 400]);
    }
    expect((await getJson(`${base}/v1/drain`, { method: "POST", body: "x".repeat(10_000) })).status).toBe(
      413,
    );
    expect((await getJson(`${base}/%ff%00/..`)).status).toBe(404);
    for (const header of ["origin", "x-forwarded-for"]) {
      const headers = { [header]: "http://evil.example" };
      expect((await getJson(`${base}/v1/drain`, { method: "POST", headers })).status).toBe(403);
    }
  });
});

describe("several packet threads", () => {
  test("all know every binding and flow, whichever hears a source", async () => {
    const from = coordinator();
    const running = await relay(from, { threads: 3 });
    const agents = await Promise.all(Array.from({ length: 12 }, () => liveAgent(from, running)));
    for (const agent of agents) expect((await agent.bind()).status).toBe(BindStatus.bound);
    for (const [i, a] of agents.entries()) {
      const b = agents[(i + 1) % agents.length] as LiveAgent;
      a.send(a.agent.initiationTo(b.agent, 100 + i));
      expect((await b.peer.next())?.length).toBe(148);
      b.send(b.agent.responseTo(a.agent, 200 + i, 100 + i));
      expect((await a.peer.next())?.length).toBe(92);
      a.send(transport(200 + i, 1420));
      expect(await b.peer.next()).toEqual(transport(200 + i, 1420));
      b.send(transport(100 + i, 32));
      expect(await a.peer.next()).toEqual(transport(100 + i, 32));
    }
    const { body } = await getJson(`${running.httpUrl}/v1/status`);
    expect(body).toMatchObject({ sessions: 12, flows: 24, transports: 24, drops: { "unknown-flow": 0 } });
    expect(body.packets).toBeGreaterThanOrEqual(48);
    // Who leaves is gone everywhere.
    const [a, b] = agents as [LiveAgent, LiveAgent];
    b.send(b.agent.bindBytes({ leaving: true }));
    await b.peer.next();
    a.send(transport(200, 100));
    expect(await b.peer.next(100)).toBeUndefined();
  });

  test("agents of whom only the trunk told are reached from all", async () => {
    const from = coordinator();
    const [near, far] = [await relay(from, { threads: 3 }), await relay(from)];
    const relays = [near, far].map((each, i) => ({
      id: each.id,
      key: from.hellos[i]?.key ?? ("" as never),
      region: "test",
      endpoints: [doorOf(each)],
      state: "healthy" as const,
    }));
    from.send({ type: "relays", relays });
    const agents = await Promise.all(Array.from({ length: 6 }, () => liveAgent(from, near)));
    const toNear = agents.map(({ agent }) => ({
      agent: agent.id,
      key: keyToText(agent.publicKey),
      network: agent.network,
      relay: near.id,
    }));
    from.send({ type: "routes", upsert: toNear, remove: [] });
    await untilKnown(near, 1, 0);
    await untilKnown(far, 1, toNear.length);
    for (const [n, a] of agents.entries()) {
      await a.bind();
      const b = await liveAgent(from, far);
      await b.bind();
      b.send(b.agent.initiationTo(a.agent, 30 + n));
      expect((await a.peer.next())?.length).toBe(148);
      a.send(a.agent.responseTo(b.agent, 40 + n, 30 + n));
      expect((await b.peer.next())?.length).toBe(92);
      a.send(transport(30 + n, 700));
      expect(await b.peer.next()).toEqual(transport(30 + n, 700));
    }
  });

  test("an unmodified WireGuard client is known to all as well", async () => {
    const from = coordinator();
    const running = await relay(from, { threads: 3 });
    for (let n = 0; n < 6; n++) {
      const inside = await liveAgent(from, running, "127.0.0.1", true);
      await inside.bind();
      const client = await liveAgent(from, running);
      client.send(client.agent.initiationTo(inside.agent, 10 + n));
      expect((await inside.peer.next())?.length).toBe(148);
      inside.send(inside.agent.responseTo(client.agent, 20 + n, 10 + n));
      expect((await client.peer.next())?.length).toBe(92);
      client.send(transport(20 + n, 500));
      expect(await inside.peer.next()).toEqual(transport(20 + n, 500));
      inside.send(transport(10 + n, 500));
      expect(await client.peer.next()).toEqual(transport(10 + n, 500));
    }
  });
});

describe("stopping", () => {
  test("agents are told first, and served until their packets go elsewhere", async () => {
    const from = coordinator();
    const running = await relay(from, { drainMs: 4_000 });
    const a = await liveAgent(from, running);
    const b = await liveAgent(from, running);
    await a.bind();
    await b.bind();
    a.send(a.agent.initiationTo(b.agent, 1));
    await b.peer.next();
    b.send(b.agent.responseTo(a.agent, 2, 1));
    await a.peer.next();
    const began = performance.now();
    let arrived = 0;
    const stopping = running.stop();
    // Half a second of packets while it drains: none is lost.
    for (let n = 0; n < 25; n++) {
      a.send(transport(2, 100));
      if ((await b.peer.next()) !== undefined) arrived++;
      await Bun.sleep(20);
    }
    expect(arrived).toBe(25);
    expect(from.heartbeats.at(-1)?.draining).toBe(true);
    await stopping;
    expect(performance.now() - began).toBeGreaterThan(1_000);
  });

  test("without agents it stops at once", async () => {
    const running = await relay(coordinator(), { drainMs: 60_000 });
    await running.stop();
  });
});

describe("bad input", () => {
  const mistake = async (starting: Promise<unknown>): Promise<UserError> => {
    const error = await starting.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  };

  test("a wrong token ends the start with the coordinator's remedy", async () => {
    const from = coordinator();
    const stateDir = await freshDirectory();
    const error = await mistake(relay(from, { token: "wrong", stateDir }));
    expect(error.message).toContain("not one of ours");
    expect(error.remedy).toContain("burrow token create");
    // Nothing is held: the next start works, as the same relay.
    expect((await relay(from, { stateDir })).registered).toBe(true);
  });

  test("ports in use and a URL that is none", async () => {
    const from = coordinator();
    const running = await relay(from);
    const taken = await mistake(relay(from, { listen: { address: "127.0.0.1", port: running.port } }));
    expect(taken.message).toContain("in use");
    const http = { address: "127.0.0.1", port: Number(new URL(running.httpUrl ?? "").port) };
    expect((await mistake(relay(from, { http }))).remedy).toContain("--http");
    expect((await mistake(relay({ url: "coordinator.example" }))).remedy).toContain("--coordinator");
  });

  test("a state file that is broken is named and left as it is", async () => {
    const from = coordinator();
    const stateDir = await freshDirectory();
    const first = await relay(from, { stateDir });
    await first.stop();
    for (const name of ["coordinator.json", "boot.json", "identity.json"]) {
      const path = join(stateDir, name);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      const good = await readFile(path);
      await writeFile(path, '{"half":');
      const error = await mistake(relay(from, { stateDir }));
      expect(error.message).toContain(path);
      expect(await readFile(path, "utf8")).toBe('{"half":');
      await writeFile(path, good);
    }
    expect((await relay(from, { stateDir })).id).toBe(first.id);
  });

  test("two relays cannot share a state directory", async () => {
    const from = coordinator();
    const stateDir = await freshDirectory();
    await relay(from, { stateDir });
    expect((await mistake(relay(from, { stateDir }))).message).toContain("in use");
  });
});

describe("without the coordinator", () => {
  test("a relay that never met one starts, and registers when it comes", async () => {
    const away = new FakeCoordinator();
    await away.stop();
    const running = await relay({ url: away.url });
    expect(running.registered).toBe(false);
    const { status, body } = await getJson(`${running.httpUrl}/readyz`);
    expect(status).toBe(503);
    expect(body.reason).not.toBe("");
    expect(await getJson(`${running.httpUrl}/healthz`)).toMatchObject({ status: 200 });
    coordinator(away.port);
    await until(() => running.registered, "registration");
  });

  test("a relay restarted while it is away knows its agents' tickets, and its boot is the next", async () => {
    const from = new FakeCoordinator();
    const stateDir = await freshDirectory();
    const first = await relay(from, { stateDir });
    const a = await liveAgent(from, first);
    await a.bind();
    const { boot } = (await getJson(`${first.httpUrl}/v1/status`)).body;
    await first.stop();
    await from.stop();
    const second = await relay(from, { stateDir, listen: { address: "127.0.0.1", port: first.port } });
    expect([second.id, second.registered]).toEqual([first.id, false]);
    expect((await a.bind()).status).toBe(BindStatus.bound);
    const { body } = await getJson(`${second.httpUrl}/v1/status`);
    expect(body).toMatchObject({ boot: Number(boot) + 1, sessions: 1, registered: false });
  });

  test("junk from the coordinator breaks nothing: the relay comes back", async () => {
    const from = coordinator();
    const running = await relay(from);
    from.sendText("junk");
    await until(() => from.hellos.length === 2 && running.registered, "the second registration");
    expect(from.problems).toEqual([]);
  });
});
