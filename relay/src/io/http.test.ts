/** What the relay's OpenAPI document says and what a relay answers are one: every path, every status. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@burrow/protocol";
import { Validator } from "@seriousme/openapi-schema-validator";
import { DocumentedClient } from "../../../protocol/testing/documented.ts";
import { type RunningRelay, SMALL_LIMITS, startRelay } from "../main.ts";
import { FakeCoordinator } from "../testing/fake-coordinator.ts";
import { type HttpServer, type RelayView, serveHttp } from "./http.ts";
import { Metrics } from "./metrics.ts";

let coordinator: FakeCoordinator;
let stateDir: string;
let running: RunningRelay;
let broken: HttpServer;
let document: JsonObject;
let client: DocumentedClient;
let brokenClient: DocumentedClient;

beforeAll(async () => {
  coordinator = new FakeCoordinator(0);
  stateDir = await mkdtemp(join(tmpdir(), "burrow-relay-"));
  running = await startRelay({
    coordinatorUrl: coordinator.url,
    token: "right",
    region: "test",
    listen: { address: "127.0.0.1", port: 0 },
    http: { address: "127.0.0.1", port: 0 },
    advertise: [],
    stateDir,
    limits: SMALL_LIMITS,
  });
  broken = serveHttp({ address: "127.0.0.1", port: 0 }, BROKEN, new Metrics());
  const url = running.httpUrl ?? "";
  document = (await (await fetch(`${url}/openapi.json`)).json()) as JsonObject;
  client = new DocumentedClient(url, document);
  brokenClient = new DocumentedClient(broken.url, document);
});
afterAll(async () => {
  await broken.stop();
  await running.stop();
  coordinator.stop();
  await rm(stateDir, { recursive: true, force: true });
});

/** Nothing works in it. */
const BROKEN: RelayView = {
  id: "",
  region: "",
  version: "test",
  startedAtMs: 0,
  endpoints: [],
  boot: 0,
  registered: false,
  notRegisteredBecause: "a test",
  draining: false,
  snapshot: () => Promise.reject(new Error("the data plane does not answer")),
  checkHealth: () => Promise.resolve({ ok: false, reason: "no answer" }),
  drain: () => {
    throw new Error("a test");
  },
};

test("the document is one", async () => {
  const result = await new Validator().validate(structuredClone(document));
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
});

test("answers are as described, and nothing is described that was not seen", async () => {
  for (const operation of ["readHealth", "readReadiness", "readMetrics", "readStatus", "readDocument"]) {
    expect((await client.ask(operation)).status).toBe(200);
    expect((await client.ask(operation, "", { method: "DELETE" })).status).toBe(405);
  }
  for (const operation of ["readMetrics", "readStatus"]) {
    expect((await brokenClient.ask(operation)).status).toBe(500);
  }
  for (const operation of ["readHealth", "readReadiness"]) {
    expect((await brokenClient.ask(operation)).status).toBe(503);
  }
  expect((await client.ask("drain", "", { method: "GET" })).status).toBe(405);
  const asked = [
    [200, { body: '{"draining":true}' }],
    [200, { body: '{"draining":false}' }],
    [400, { body: "{" }],
    [403, { headers: { origin: "https://example.net" } }],
    [413, { body: "x".repeat(10_000) }],
  ] as const;
  for (const [status, init] of asked) expect((await client.ask("drain", "", init)).status).toBe(status);
  expect((await brokenClient.ask("drain")).status).toBe(500);
  const unseen = client.promised.filter((one) => !client.seen.has(one) && !brokenClient.seen.has(one));
  expect(unseen).toEqual([]);
});

test("errors are problems, as the coordinator's are", async () => {
  const url = running.httpUrl ?? "";
  const asked = [
    [404, "not-found", fetch(`${url}/no/such/path`)],
    [405, "method-not-allowed", fetch(`${url}/v1/drain`)],
    [400, "bad-request", fetch(`${url}/v1/drain`, { method: "POST", body: "[]" })],
    [403, "elsewhere", fetch(`${url}/v1/drain`, { method: "POST", headers: { via: "1.1 proxy" } })],
    [500, "internal", fetch(`${broken.url}/v1/status`)],
  ] as const;
  for (const [status, code, asking] of asked) {
    const response = await asking;
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const body = (await response.json()) as object;
    expect(Object.keys(body)).toEqual(["title", "status", "code", "message", "remedy"]);
    expect(body).toMatchObject({ status, code });
  }
});

test("docs/api.md names every path", async () => {
  const text = await Bun.file(new URL("../../../docs/api.md", import.meta.url)).text();
  const [, relayPart = ""] = text.split("\n## Relay\n");
  for (const { method, path } of client.operations) {
    expect(relayPart).toContain(`\`${method.toUpperCase()} ${path}\``);
  }
});
