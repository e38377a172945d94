/** What an operator takes back while it comes in again stays taken back: the mesh follows the store's order. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { nativePrimitives, randomBytes, sealerOf } from "@burrow/platform";
import {
  agentIdOf,
  channelProof,
  fromBase64,
  keyFromText,
  keyToText,
  type NetworkId,
  relayIdOf,
  type ToAgent,
  type ToRelay,
  toBase64,
} from "@burrow/protocol";
import { Mesh } from "../core/mesh.ts";
import { temporaryDirectory } from "../testing/coordinator.ts";
import { Census } from "./census.ts";
import { Channel } from "./channel.ts";
import { Connection, type Socket } from "./connection.ts";
import { EventHub } from "./event-hub.ts";
import { createHttpApp } from "./http/app.ts";
import { createMetrics } from "./metrics.ts";
import { hashSecret, newOperatorToken, Operator } from "./operator.ts";
import { ReadingClerk } from "./reading-clerk.ts";
import { Shell } from "./shell.ts";
import { openSqliteStore } from "./store/sqlite.ts";

const keys = nativePrimitives();
const TOKEN = "a token of the test";

/** A coordinator without a server: its store commits when the test lets go of the event loop, and not before. */
class Bench {
  readonly #directory: string;
  readonly #operatorToken = newOperatorToken(randomBytes);
  readonly store;
  readonly mesh = new Mesh({
    agents: [],
    relays: [],
    sealer: sealerOf(keys),
    random: randomBytes,
    now: Date.now(),
  });
  readonly #shell;
  readonly #channel;
  readonly #app;

  constructor(directory: string) {
    this.#directory = directory;
    this.store = openSqliteStore(join(directory, "coordinator.db"));
    const { store, mesh } = this;
    const now = Date.now;
    const census = new Census(mesh.agents);
    const measured = { relays: mesh.relays, figures: mesh.figures, census };
    const metrics = createMetrics({ ...measured, connections: () => 0, eventStreams: () => 0 });
    const shell = new Shell({ mesh, store, metrics, now, unixNow: now, happened: () => {} });
    const channel = new Channel({ shell, store, metrics, geo: undefined, keys, random: randomBytes });
    const nothing = () => undefined;
    const events = new EventHub({ boot: "b", now, loads: nothing, published: nothing, cutOff: nothing });
    const { readings } = new ReadingClerk({ relays: mesh.relays, census, now, intervalMs: undefined });
    const operator = new Operator(this.#operatorToken, randomBytes, async () => {});
    this.#app = createHttpApp({
      ...{ shell, store, channel, metrics, census, events, readings, geo: undefined, operator },
      random: randomBytes,
      networkName: (id) => id,
      networkOf: nothing,
      networkMade: nothing,
    });
    shell.start(channel);
    this.#shell = shell;
    this.#channel = channel;
  }

  async allow(kind: "agent" | "relay"): Promise<void> {
    const token = { hash: hashSecret(TOKEN), kind, networkName: "default", usesMax: 1 };
    const freshNetworkId = "00000000000000aa" as NetworkId;
    await this.store.createToken({ ...token, freshNetworkId, expiresAtMs: Date.now() + 60_000 }, Date.now());
  }

  /** A hello goes out at once; what comes back is for the test to wait for. */
  connect(privateKey: Uint8Array, hello: Record<string, unknown>): (ToAgent | ToRelay)[] {
    const sent: (ToAgent | ToRelay)[] = [];
    const { handler } = this.#channel;
    const fake = {
      data: new Connection("192.0.2.1", Date.now()),
      sendText: (text: string) => sent.push(JSON.parse(text)),
      close: () => queueMicrotask(() => handler.close?.(fake as unknown as Socket, 1000, "")),
    };
    const socket = fake as unknown as Socket;
    handler.open?.(socket);
    const [challenge] = sent;
    if (challenge?.type !== "challenge") throw new Error("no challenge");
    const [server, nonce] = [keyFromText(challenge.key), fromBase64(challenge.nonce)];
    const shared = server === undefined ? undefined : keys.x25519(privateKey, server);
    if (server === undefined || nonce === undefined || shared === undefined) throw new Error("no key");
    const key = keys.x25519Public(privateKey);
    const proof = toBase64(channelProof(shared, nonce, server, key));
    const message = { type: "hello", key: keyToText(key), proof, version: "test", ...hello };
    handler.message?.(socket, JSON.stringify(message));
    return sent;
  }

  async operatorAsks(method: string, path: string, body?: object): Promise<number> {
    const headers = { authorization: `Bearer ${this.#operatorToken}`, "content-type": "application/json" };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const env = { address: "127.0.0.1", isSecure: false };
    return (await this.#app.request(path, init, env)).status;
  }

  async end(): Promise<void> {
    this.#shell.stop();
    this.#channel.stop();
    await this.store.close();
    await rm(this.#directory, { recursive: true });
  }
}

let bench: Bench;
beforeEach(async () => {
  bench = new Bench(await temporaryDirectory());
  await bench.store.load();
});
afterEach(() => bench.end());

const AGENT = { role: "agent", acceptsOutside: false };
const RELAY = { role: "relay", region: "r", endpoints: ["192.0.2.9:21820"], port: 21820 };
const types = (sent: readonly { readonly type: string }[]) => sent.map(({ type }) => type);

test("an agent that is revoked while it reconnects is out", async () => {
  const privateKey = randomBytes(32);
  const id = agentIdOf(keys.x25519Public(privateKey));
  await bench.allow("agent");
  bench.connect(privateKey, { ...AGENT, token: TOKEN });
  await bench.store.check();
  const again = bench.connect(privateKey, AGENT);
  expect(await bench.operatorAsks("DELETE", `/v1/agents/${id}`)).toBe(200);
  expect(types(again)).toEqual(["challenge", "welcome", "crowds", "error"]);
  expect(bench.mesh.agents.get(id)).toBeUndefined();
  const after = bench.connect(privateKey, AGENT);
  await bench.store.check();
  expect(after.at(-1)).toMatchObject({ type: "error", code: "revoked" });
});

test("a relay that is drained, or removed, while it reconnects is that", async () => {
  const privateKey = randomBytes(32);
  const id = relayIdOf(keys.x25519Public(privateKey));
  await bench.allow("relay");
  bench.connect(privateKey, { ...RELAY, token: TOKEN });
  await bench.store.check();
  const again = bench.connect(privateKey, { ...RELAY, version: "2" });
  expect(await bench.operatorAsks("POST", `/v1/relays/${id}/drain`, { draining: true })).toBe(200);
  expect(types(again)).toEqual(["challenge", "welcome", "drain"]);
  expect(bench.mesh.relays.get(id)).toMatchObject({
    state: "draining",
    record: { drainRequested: true, version: "2" },
  });
  const more = bench.connect(privateKey, { ...RELAY, version: "3" });
  expect(await bench.operatorAsks("DELETE", `/v1/relays/${id}`)).toBe(200);
  expect(types(more).slice(-1)).toEqual(["error"]);
  expect(bench.mesh.relays.get(id)).toBeUndefined();
});
