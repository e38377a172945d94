/** Garbage at the WebSocket and at every HTTP path: counted, answered with an error or a 4xx, and nobody dies. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { CLIENT_MESSAGE_BYTES_MAX, PATHS_MAX } from "@burrow/protocol";
import fc from "fast-check";
import { TestCoordinator } from "../testing/coordinator.ts";
import { BYTE_LIMIT } from "./connection.ts";

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await TestCoordinator.start();
});
afterAll(() => coordinator.end());

async function expectAlive(): Promise<void> {
  expect((await fetch(`${coordinator.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${coordinator.url}/readyz`)).status).toBe(200);
}

/** Texts from noise over JSON to messages that are nearly right. */
const nearMessage = fc.record(
  {
    type: fc.constantFrom(
      "hello",
      "candidates",
      "home",
      "introduce",
      "ticket-request",
      "paths",
      "heartbeat",
      "x",
    ),
    role: fc.constantFrom("agent", "relay", "both"),
    key: fc.string(),
    proof: fc.base64String({ maxLength: 60 }),
    peer: fc.stringMatching(/^[0-9a-f]{16}$/),
    relays: fc.array(fc.stringMatching(/^[0-9a-f]{16}$/), { maxLength: 20 }),
    home: fc.oneof(fc.stringMatching(/^[0-9a-f]{16}$/), fc.jsonValue()),
    rtts: fc.jsonValue(),
    reason: fc.string(),
    candidates: fc.oneof(fc.jsonValue(), fc.array(fc.record({ kind: fc.string(), endpoint: fc.string() }))),
    nat: fc.constantFrom("none", "unknown", "?"),
    paths: fc.jsonValue(),
    load: fc.jsonValue(),
    draining: fc.jsonValue(),
  },
  { requiredKeys: ["type"] },
);
const text = fc.oneof(
  fc.string(),
  fc.json(),
  nearMessage.map((message) => JSON.stringify(message)),
);

test("before hello: answered, closed for breach of policy, counted", async () => {
  const before = await coordinator.metric('messages_refused_total{reason="not-hello"}');
  await fc.assert(
    fc.asyncProperty(text, async (garbage) => {
      const client = coordinator.client();
      await client.next("challenge");
      client.send(garbage);
      expect((await client.next("error")).code).toMatch(/^(bad-message|proof-wrong)$/);
      expect((await client.closed).code).toBe(1008);
    }),
    { numRuns: 60 },
  );
  expect(await coordinator.metric('messages_refused_total{reason="not-hello"}')).toBeGreaterThan(before + 50);
  const binary = coordinator.client();
  await binary.next("challenge");
  binary.sendBytes(new Uint8Array([1, 2, 3]));
  expect((await binary.closed).code).toBe(1008);
  await expectAlive();
});

test("after hello, from agents and relays: the channel goes on", async () => {
  const agent = await coordinator.agent();
  const relay = await coordinator.relay();
  await fc.assert(
    fc.asyncProperty(text, async (garbage) => {
      agent.client.send(garbage);
      relay.client.send(garbage);
    }),
    { numRuns: 500 },
  );
  agent.client.sendBytes(new Uint8Array(1000));
  agent.client.send({ type: "ping" });
  await agent.client.next("pong");
  relay.client.heartbeat(false, 42);
  await agent.client.next("error");
  expect(agent.client.isOpen && relay.client.isOpen).toBe(true);
  expect(await coordinator.metric('messages_refused_total{reason="schema"}')).toBeGreaterThan(500);
  expect((await coordinator.operator.relays()).find(({ id }) => id === relay.id)?.sessions).toBe(42);
  await expectAlive();
});

test("a message past the limit ends its channel, and only that", async () => {
  const agent = await coordinator.agent();
  agent.client.send("x".repeat(CLIENT_MESSAGE_BYTES_MAX + 1));
  expect((await agent.client.closed).code).toBe(1009);
  await expectAlive();
  expect(await coordinator.metric('messages_refused_total{reason="too-large"}')).toBe(1);
});

test("a flood is dropped and counted; what comes later is heard", async () => {
  const agent = await coordinator.agent();
  for (let n = 0; n < 5_000; n++) agent.client.send({ type: "ping" });
  const told = await agent.client.next("error", ({ code }) => code === "too-many-messages");
  expect(told.remedy).not.toBe("");
  expect(await coordinator.metric('messages_refused_total{reason="too-many"}')).toBeGreaterThan(1_000);
  expect(agent.client.received.filter(({ type }) => type === "error").length).toBeLessThan(20);
  await Bun.sleep(100);
  const from = agent.client.received.length;
  agent.client.send({ type: "ping" });
  await agent.client.next("pong", () => true, from);
});

test("a flood of long messages is held to so many bytes, and keeps nobody else waiting", async () => {
  const agent = await coordinator.agent();
  const path = { peer: "0123456789abcdef", kind: "direct", sinceMs: 1, reason: "x".repeat(200) };
  const text = JSON.stringify({ type: "paths", paths: Array(PATHS_MAX).fill(path) });
  const before = await coordinator.metric('messages_refused_total{reason="too-many"}');
  const read = await coordinator.metric('messages_received_total{from="agent",type="paths"}');
  const count = 300;
  for (let n = 0; n < count; n++) agent.client.send(text);
  agent.client.send({ type: "ping" });
  const told = await agent.client.next("error", ({ code }) => code === "too-many-messages");
  expect(told.message).toContain("KB a second");
  await agent.client.next("pong");
  const taken = (await coordinator.metric('messages_received_total{from="agent",type="paths"}')) - read;
  expect(taken).toBeGreaterThan(5);
  expect(taken * text.length).toBeLessThan(3 * BYTE_LIMIT.burst);
  const refused = (await coordinator.metric('messages_refused_total{reason="too-many"}')) - before;
  expect(refused + taken).toBe(count);
});

const paths = [
  "/healthz",
  "/readyz",
  "/metrics",
  "/v1/channel",
  "/v1/relays",
  "/v1/relays/x",
  "/v1/relays/x/drain",
  "/v1/session",
  "/docs",
  "/openapi.json",
  "/v1/agents/x",
  "/v1/agents",
  "/v1/agents/x/paths",
  "/v1/nearest",
  "/v1/tokens",
  "/",
];

test("every HTTP path, any method, query, header and body: never a 5xx, never a stack", async () => {
  const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD");
  const token = fc.constantFrom("", "x", "operator");
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      method,
      fc.webQueryParameters(),
      fc.oneof(fc.json(), fc.string()),
      token,
      fc.constantFrom("application/json", "text/plain"),
      async (path, method, query, body, as, type) => {
        const response = await fetch(`${coordinator.url}${path}?ip=${query}`, {
          method,
          headers: {
            authorization: `Bearer ${as === "operator" ? coordinator.operatorToken : as}`,
            "content-type": type,
          },
          ...(method === "GET" || method === "HEAD" ? {} : { body }),
        });
        const answer = await response.text();
        expect(response.status).toBeLessThan(500);
        expect(answer).not.toMatch(/\bat .*\.ts:\d+/);
        if (response.status >= 400 && method !== "HEAD") {
          expect(Object.keys(JSON.parse(answer))).toEqual(["title", "status", "code", "message", "remedy"]);
        }
      },
    ),
    { numRuns: 400 },
  );
  await expectAlive();
}, 30_000);

test("bytes that are not HTTP", async () => {
  const { hostname, port } = new URL(coordinator.url);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        fc.string().map((host) => Buffer.from(`GET /v1/relays HTTP/1.1\r\nHost: ${host}\r\n\r\n`)),
        fc.string().map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)),
        fc.constant(Buffer.from("GET /v1/channel HTTP/1.1\r\nHost: a b\r\nUpgrade: websocket\r\n\r\n")),
      ),
      (bytes) =>
        new Promise<void>((resolve, reject) => {
          let answer = "";
          const socket = connect(Number(port), hostname, () => socket.end(bytes));
          const timer = setTimeout(() => socket.destroy(), 300);
          socket.on("data", (chunk) => {
            answer += chunk.toString("latin1");
          });
          socket.on("error", () => {});
          socket.on("close", () => {
            clearTimeout(timer);
            // 505 is what Bun's parser says to a version of HTTP that it does not know.
            if (/^HTTP\/1\.1 5(?!05)/.test(answer)) reject(new Error(answer));
            else resolve();
          });
        }),
    ),
    { numRuns: 60 },
  );
  await expectAlive();
});
