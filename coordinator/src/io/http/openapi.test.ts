/** What the OpenAPI document says and what a running coordinator answers are one: every path, every status, every code. */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, rename, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { HEARTBEAT_INTERVAL_MS, type JsonObject } from "@burrow/protocol";
import { Validator } from "@seriousme/openapi-schema-validator";
import { DocumentedClient } from "../../../../protocol/testing/documented.ts";
import { TestCoordinator } from "../../testing/coordinator.ts";
import { EventReader } from "../../testing/event-reader.ts";
import { STRANGERS_PER_HOST_MAX } from "../channel.ts";
import { WATCHERS_PER_HOST_MAX } from "../event-hub.ts";
import { BODY_BYTES_MAX } from "./endpoint.ts";

const NOBODY = "0000000000000000";
let coordinator: TestCoordinator;
let document: JsonObject;
let client: DocumentedClient;
let agent: string;
let relay: string;
let token: Record<string, string>;
let cookie: string;
let heartbeats: ReturnType<typeof setInterval>;

beforeAll(async () => {
  coordinator = await TestCoordinator.start({
    readingsIntervalMs: 20,
    trustProxy: true,
    geo: Object.assign(
      (ip: string) => {
        if (ip === "192.0.2.66") throw new Error("the map is torn");
        return { at: { lat: 52.5, lon: 13.4 }, label: "Berlin, DE", precision: "city" as const };
      },
      { attribution: "a test" },
    ),
  });
  document = (await (await fetch(`${coordinator.url}/openapi.json`)).json()) as JsonObject;
  client = new DocumentedClient(coordinator.url, document);
  token = { authorization: `Bearer ${coordinator.operatorToken}` };
  const [here, there] = [
    await coordinator.relay({ region: "here", at: { lat: 1, lon: 2 } }),
    await coordinator.relay(),
  ];
  relay = here.id;
  here.client.heartbeat();
  heartbeats = setInterval(() => here.client.heartbeat(), HEARTBEAT_INTERVAL_MS);
  const alice = await coordinator.agent({ name: "alice" });
  const bob = await coordinator.agent({ name: "bob" });
  agent = alice.id;
  const natPorts = { order: "sequential", step: 1, last: 40_000 };
  alice.client.send({ type: "candidates", candidates: [], nat: "address-dependent", natPorts });
  alice.client.send({
    type: "home",
    home: relay,
    standby: there.id,
    rtts: [{ relay, rttMs: 12 }],
    reason: "nearest",
  });
  const path = {
    peer: bob.id,
    kind: "direct",
    endpoint: "192.0.2.3:4",
    rttMs: 24,
    sinceMs: 5,
    reason: "found",
  };
  const relayed = { peer: here.id, kind: "relay", relay, sinceMs: 5, reason: "relay-first" };
  alice.client.send({ type: "paths", paths: [path, relayed] });
  alice.client.send({ type: "ping" });
  await alice.client.next("pong");
});
afterAll(() => {
  clearInterval(heartbeats);
  return coordinator.end();
});

const json = { "content-type": "application/json" };

test("the document is one", async () => {
  const result = await new Validator().validate(structuredClone(document));
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
  expect(document).toMatchObject({ openapi: "3.1.0" });
  const paths = client.operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  expect(new Set(client.operations.map(({ operation }) => operation)).size).toBe(paths.length);
});

describe("answers are as described", () => {
  test("when all goes well", async () => {
    for (const operation of ["readHealth", "readReadiness", "readMetrics", "readDocument", "readReference"]) {
      expect((await client.ask(operation)).status).toBe(200);
    }
    await client.ask("probeNetwork");
    await client.ask("listRelays");
    await client.ask("readRelay", relay);
    await client.ask("drainRelay", relay, { headers: token });
    await client.ask("drainRelay", relay, { headers: { ...token, ...json }, body: '{"draining":false}' });
    await client.ask("readRelayLinks", relay);
    while (((await (await client.ask("readRelayHistory", relay)).json()) as unknown[]).length === 0) {
      await Bun.sleep(10);
    }
    await client.ask("setRelay", relay, { headers: { ...token, ...json }, body: '{"weightMs":0}' });
    await client.ask("rankRelays", "", { query: "?ip=192.0.2.1" });
    await client.ask("listAgents", "", { headers: token });
    await client.ask("readAgent", agent, { headers: token });
    expect(await (await client.ask("listPaths", agent, { headers: token })).json()).toHaveLength(2);
    const made = '{"for":"agent","network":"office"}';
    await client.ask("createToken", "", { headers: { ...token, ...json }, body: made });
    const second = { headers: { ...token, ...json }, body: '{"for":"relay"}' };
    const { id } = (await (await client.ask("createToken", "", second)).json()) as { id: string };
    await client.ask("listTokens", "", { headers: token });
    await client.ask("removeToken", id, { headers: token });
    await client.ask("readSession");
    const login = { headers: json, body: JSON.stringify({ token: coordinator.operatorToken }) };
    const begun = await client.ask("beginSession", "", login);
    cookie = (begun.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    await client.ask("readSession", "", { headers: { cookie } });
    await client.ask("endSession");
    const gone = await coordinator.agent({ name: "carol" });
    await client.ask("revokeAgent", gone.id, { headers: token });
    const removed = await coordinator.relay();
    await client.ask("removeRelay", removed.id, { headers: token });
  });

  test("events, each by the schema of all", async () => {
    const head = await client.ask("watchEvents", "", { method: "HEAD", headers: token });
    expect(head.status).toBe(200);
    const reader = await EventReader.open(coordinator.url, token);
    const dave = await coordinator.agent({ name: "dave" });
    await reader.next("agent-connected", ({ agent: { name } }) => name === "dave");
    dave.client.close();
    await reader.next("agent-disconnected");
    reader.close();
    for (const event of reader.events) client.fits("Event", event);
  });

  test("when the request is wrong: every path, by its own description", async () => {
    const wrong: Record<string, (fill: string) => RequestInit & { query?: string }> = {
      unauthorized: () => ({ headers: { authorization: "Bearer wrong" } }),
      "cross-site": () => ({ headers: { cookie, "sec-fetch-site": "cross-site" } }),
      "not-found": () => ({ headers: token }),
      "method-not-allowed": () => ({ method: "PUT" }),
      "bad-request": () => ({ headers: { ...token, ...json }, body: "{" }),
      "too-large": () => ({ headers: { ...token, ...json }, body: "x".repeat(BODY_BYTES_MAX + 1) }),
      "unsupported-media-type": () => ({ headers: { ...token, "content-type": "text/plain" }, body: "{}" }),
    };
    for (const { operation, method, answers, hasBody, parameters } of client.operations) {
      for (const [status, codes] of answers) {
        for (const code of codes) {
          let init = wrong[code]?.(operation);
          if (init === undefined) continue;
          if (operation === "beginSession" && code === "unauthorized") {
            init = { headers: json, body: '{"token":"wrong"}' };
          }
          if (operation === "beginSession" && code === "cross-site") {
            init = { headers: { ...json, origin: "https://example.net" }, body: '{"token":"wrong"}' };
          }
          if (code === "bad-request" && !hasBody) {
            const query = parameters.includes("ip") ? "?ip=nowhere" : "?limit=0";
            init = { headers: token, query };
          }
          const response = await client.ask(operation, NOBODY, init);
          expect({ operation, method, status: response.status }).toEqual({ operation, method, status });
          expect(await response.json()).toMatchObject({ status, code });
        }
      }
    }
    await client.ask("rankRelays", "", { query: "?ip=192.0.2.66" });
  });

  test("when there are too many", async () => {
    const from = { ...token, "x-forwarded-for": "192.0.2.9" };
    const readers = await Promise.all(
      Array.from({ length: WATCHERS_PER_HOST_MAX }, () => EventReader.open(coordinator.url, from)),
    );
    expect((await client.ask("watchEvents", "", { headers: from })).status).toBe(503);
    for (const reader of readers) reader.close();

    expect((await client.ask("openChannel")).status).toBe(426);
    const strangers = Array.from({ length: STRANGERS_PER_HOST_MAX }, () =>
      coordinator.client(undefined, "192.0.2.9"),
    );
    for (const stranger of strangers) await stranger.next("challenge");
    expect((await client.ask("openChannel", "", { headers: from })).status).toBe(503);
    for (const stranger of strangers) stranger.close();
  });

  test("when the store cannot be written to", async () => {
    const other = new Database(join(coordinator.stateDir, "coordinator.db"));
    const made = await coordinator.operator.createToken({ for: "relay" });
    const torn = ["networks", "agents", "relays"];
    const write = { headers: { ...token, ...json } };
    for (const table of torn) other.run(`ALTER TABLE ${table} RENAME TO ${table}_torn`);
    // One look at the store serves for a second.
    await Bun.sleep(1_050);
    expect((await client.ask("readReadiness")).status).toBe(503);
    for (const [operation, of, body] of [
      ["drainRelay", relay, '{"draining":true}'],
      ["setRelay", relay, '{"weightMs":5}'],
      ["removeRelay", relay, undefined],
      ["revokeAgent", agent, undefined],
    ] as const) {
      const response = await client.ask(operation, of, body === undefined ? write : { ...write, body });
      expect({ operation, status: response.status }).toEqual({ operation, status: 503 });
    }
    other.run("CREATE TRIGGER full BEFORE INSERT ON tokens BEGIN SELECT RAISE(ABORT, 'full'); END");
    other.run("CREATE TRIGGER stuck BEFORE DELETE ON tokens BEGIN SELECT RAISE(ABORT, 'full'); END");
    expect((await client.ask("createToken", "", { ...write, body: '{"for":"relay"}' })).status).toBe(503);
    expect((await client.ask("removeToken", made.id, write)).status).toBe(503);
    expect(await coordinator.metric(`store_failures_total{what="operator's change"}`)).toBe(6);
    for (const trigger of ["full", "stuck"]) other.run(`DROP TRIGGER ${trigger}`);
    for (const table of torn) other.run(`ALTER TABLE ${table}_torn RENAME TO ${table}`);
    other.close();
    await Bun.sleep(1_050);
    expect((await client.ask("readReadiness")).status).toBe(200);
    // What was refused was not done either.
    const kept = (await (await client.ask("readRelay", relay)).json()) as { state: string; weightMs: number };
    // It may have been silent for too long by now, where all is slow.
    expect(kept.state).not.toBe("draining");
    expect(kept.weightMs).toBe(0);
    expect((await client.ask("readAgent", agent, { headers: token })).status).toBe(200);
    expect((await client.ask("removeToken", made.id, { headers: token })).status).toBe(200);
  });

  test("the operator token, last of all", async () => {
    const operatorFile = join(coordinator.stateDir, "operator.json");
    await rename(operatorFile, `${operatorFile}.aside`);
    await mkdir(operatorFile);
    expect((await client.ask("rotateOperatorToken", "", { headers: token })).status).toBe(503);
    await rmdir(operatorFile);
    const rotated = await client.ask("rotateOperatorToken", "", { headers: token });
    token = { authorization: `Bearer ${((await rotated.json()) as { token: string }).token}` };
    expect((await client.ask("listAgents", "", { headers: token })).status).toBe(200);
    // The tests below go on with what a start finds.
    await coordinator.restart();
    client = new DocumentedClient(coordinator.url, document, client.seen);
  });

  test("and nothing is promised that was not seen", () => {
    const unseen = client.promised.filter((one) => !client.seen.has(one));
    // Where nothing can go wrong inside, nothing was made to; and a WebSocket is no answer to hold against a schema.
    expect(unseen.filter((one) => !one.endsWith(" 500 internal"))).toEqual(["openChannel 101"]);
    expect(client.seen).toContain("rankRelays 500 internal");
  });
});

test("docs/api.md names every path, and every code with its status", async () => {
  const text = await Bun.file(new URL("../../../../docs/api.md", import.meta.url)).text();
  const [, coordinatorPart = ""] = text.split("\n## Coordinator\n");
  for (const { method, path } of client.operations) {
    const written = `${method.toUpperCase()} ${path.replaceAll("{id}", "ID")}`;
    expect(coordinatorPart).toMatch(new RegExp(`\`${RegExp.escape(written)}[\`?]`));
  }
  for (const { answers } of client.operations) {
    for (const [status, codes] of answers) {
      for (const code of codes) {
        expect(coordinatorPart).toMatch(new RegExp(`\\| ${status} +\\| \`${code}\` `));
      }
    }
  }
});

describe("pages", () => {
  const ids = async (response: Response) => ((await response.json()) as { id: string }[]).map(({ id }) => id);

  test("go on where the last one ended, in the order of ids, and hold everything once", async () => {
    const all = await ids(await client.ask("listAgents", "", { headers: token }));
    expect(all).toEqual(all.toSorted());
    const found: string[] = [];
    let query = "?limit=1";
    for (let page = 0; query !== "" && page <= all.length; page++) {
      const response = await client.ask("listAgents", "", { headers: token, query });
      expect(response.headers.get("x-total-count")).toBe(String(all.length));
      found.push(...(await ids(response)));
      const link = /^<\/v1\/agents(\?[^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "");
      query = link?.[1] ?? "";
    }
    expect(found).toEqual(all);
    const after = all[0] ?? "";
    const rest = await client.ask("listAgents", "", { headers: token, query: `?after=${after}` });
    expect(await ids(rest)).toEqual(all.slice(1));
    expect(await coordinator.operator.agents()).toHaveLength(all.length);
    for (const query of ["?limit=0", "?limit=1001", "?limit=x", "?limit=1.5", "?after=x"]) {
      expect((await client.ask("listAgents", "", { headers: token, query })).status).toBe(400);
    }
  });
});

describe("browsers", () => {
  test("log in, ask and watch by cookie, change things from our own pages alone, and log out for good", async () => {
    const login = { headers: json, body: JSON.stringify({ token: coordinator.operatorToken }) };
    const begun = await client.ask("beginSession", "", login);
    const [text = "", ...rest] = (begun.headers.get("set-cookie") ?? "").split("; ");
    expect(rest).toEqual(["Max-Age=604800", "Path=/", "HttpOnly", "SameSite=Strict"]);
    expect(text).not.toContain(coordinator.operatorToken);
    const here = { cookie: text, "sec-fetch-site": "same-origin" };
    expect((await client.ask("listAgents", "", { headers: here })).status).toBe(200);
    const reader = await EventReader.open(coordinator.url, here);
    expect(await reader.next("hello")).toMatchObject({ operator: true });
    reader.close();
    for (const site of ["cross-site", "same-site", "none"]) {
      const there = { cookie: text, "sec-fetch-site": site };
      expect((await client.ask("drainRelay", relay, { headers: there })).status).toBe(403);
    }
    const { host } = new URL(coordinator.url);
    for (const [origin, status] of [
      [`http://${host}`, 200],
      [`http://${host}.example.net`, 403],
      ["null", 403],
    ] as const) {
      const old = { ...json, cookie: text, origin };
      const drain = await client.ask("drainRelay", relay, { headers: old, body: '{"draining":false}' });
      expect(drain.status).toBe(status);
    }
    await client.ask("endSession", "", { headers: here });
    expect((await client.ask("listAgents", "", { headers: here })).status).toBe(401);
  });

  test("forged, altered and stale cookies are none", async () => {
    const login = { headers: json, body: JSON.stringify({ token: coordinator.operatorToken }) };
    const begun = await client.ask("beginSession", "", login);
    const good = (begun.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    const [id, expiry, signature] = good.split("=")[1]?.split(".") ?? [];
    const forged = [
      `${id}.${Number(expiry) + 1}.${signature}`,
      `x${id}.${expiry}.${signature}`,
      `${id}.${expiry}.`,
      `${id}.${expiry}.${signature}.x`,
      `${id}.${expiry}`,
      "..",
      "",
      coordinator.operatorToken,
    ];
    for (const value of forged) {
      const headers = { cookie: `burrow_session=${value}` };
      expect((await client.ask("listAgents", "", { headers })).status).toBe(401);
    }
    expect((await client.ask("listAgents", "", { headers: { cookie: good } })).status).toBe(200);
    await coordinator.restart();
    expect((await fetch(`${coordinator.url}/v1/agents`, { headers: { cookie: good } })).status).toBe(200);
    await coordinator.restart({ now: () => Date.now() + 8 * 24 * 60 * 60 * 1000 });
    expect((await fetch(`${coordinator.url}/v1/agents`, { headers: { cookie: good } })).status).toBe(401);
  });

  test("are told to keep answers to themselves, and other sites get nothing", async () => {
    const asked = { headers: { origin: "https://example.net", "x-forwarded-proto": "https" } };
    for (const path of ["/v1/relays", "/docs", "/no/such/path", "/metrics"]) {
      const { headers } = await fetch(coordinator.url + path, asked);
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("content-security-policy")).toStartWith("default-src 'none'");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(headers.get("strict-transport-security")).toBe("max-age=31536000");
    }
    const preflight = await fetch(`${coordinator.url}/v1/tokens`, { ...asked, method: "OPTIONS" });
    expect(preflight.status).toBe(405);
    expect(preflight.headers.get("allow")).toBe("POST, GET, HEAD");
    const login = { method: "POST", headers: { ...json, ...asked.headers, origin: "https://x" }, body: "{}" };
    expect((await fetch(`${coordinator.url}/v1/session`, login)).status).toBe(400);
  });

  test("the page names every operation, and its style passes its own policy", async () => {
    const response = await fetch(`${coordinator.url}/docs`);
    const page = await response.text();
    for (const { operation } of client.operations) expect(page).toContain(`<article id="${operation}">`);
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? "";
    const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
    expect(response.headers.get("content-security-policy")).toContain(`style-src 'sha256-${hash}'`);
    expect(page).not.toMatch(/<script|https?:\/\//);
  });
});
