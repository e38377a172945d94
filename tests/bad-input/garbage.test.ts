/**
 * Garbage at every door of a running mesh: UDP of relay and agent, WebSocket, HTTP of relay and coordinator, the agent's
 * own socket. It is counted, unanswered or refused with a 4xx; nobody dies, and packets go on flowing.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALONE, Daemon, LOOPBACK, run } from "./command.ts";

const TIMEOUT_MS = 60_000;
const ANSWER_WAIT_MS = 1_000;
/** So many at a time, so that the kernel's buffers do not drop what is to be looked at. */
const BATCH = 50;
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

const directory = mkdtempSync(join(tmpdir(), "burrow-garbage-"));
const state = (name: string) => join(directory, name);

let coordinator: Daemon;
let relay: Daemon;
let ann: Daemon;
let bob: Daemon;
let url = "";
let relayUrl = "";

/** The same bytes in every run: xorshift32 from a seed. */
function noise(seed: number): (length: number) => Uint8Array {
  let word = seed;
  const next = () => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return word & 0xff;
  };
  return (length) => Uint8Array.from({ length }, next);
}

beforeAll(async () => {
  coordinator = await Daemon.start(["coordinator", "--listen", LOOPBACK, "--state", state("coordinator")]);
  url = String(coordinator.ready.url);
  const token = async (kind: string) => {
    const words = ["token", "create", "--for", kind, "--uses", "2", "--state", state("coordinator")];
    return (await run(words)).stdout.trim();
  };
  const doors = ["--listen", LOOPBACK, "--http", LOOPBACK, "--region", "here"];
  const join = async (kind: string) => ["--coordinator", url, "--token", await token(kind)];
  relay = await Daemon.start(["relay", ...(await join("relay")), ...doors, "--state", state("relay")]);
  relayUrl = String(relay.ready.httpUrl);
  const asAgent = await join("agent");
  const up = (name: string) =>
    Daemon.start(["up", ...asAgent, "--name", name, ...ALONE, "--state", state(name)]);
  [ann, bob] = await Promise.all([up("ann"), up("bob")]);
  await stillServing();
}, TIMEOUT_MS);

afterAll(async () => {
  for (const daemon of [bob, ann, relay, coordinator]) await daemon?.end("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

async function stillServing(): Promise<void> {
  expect([coordinator, relay, ann, bob].map((daemon) => daemon.running)).toEqual([true, true, true, true]);
  let pinged = await run(["ping", "bob", "-c", "1", "--timeout", "2s", "--state", state("ann")]);
  for (let tries = 0; pinged.exitCode !== 0 && tries < 5; tries++) {
    pinged = await run(["ping", "bob", "-c", "1", "--timeout", "2s", "--state", state("ann")]);
  }
  expect(pinged.exitCode).toBe(0);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect((await fetch(`${relayUrl}/healthz`)).status).toBe(200);
}
afterEach(stillServing, TIMEOUT_MS);

/** Sends datagrams from one socket; how many answers came. */
async function throwAt(port: number, datagrams: readonly Uint8Array[]): Promise<number> {
  let answers = 0;
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    socket: { data: () => void answers++, error: () => {} },
  });
  for (let at = 0; at < datagrams.length; at += BATCH) {
    for (const datagram of datagrams.slice(at, at + BATCH)) socket.send(datagram, port, "127.0.0.1");
    await Bun.sleep(5);
  }
  await Bun.sleep(300);
  socket.close();
  return answers;
}

/** Of every first byte some, of every length some, and headers as WireGuard's with junk behind them. */
function garbage(seed: number): Uint8Array[] {
  const bytes = noise(seed);
  const firsts = Array.from({ length: 256 }, (_, first) => {
    const datagram = bytes(1 + ((first * 37) % 1_400));
    datagram[0] = first;
    return datagram;
  });
  const lengths = Array.from({ length: 400 }, (_, length) => bytes(length));
  const wireGuard = [1, 2, 3, 4].flatMap((type) =>
    [4, 31, 32, 33, 64, 91, 92, 93, 147, 148, 149, 1_420].map((length) => {
      const datagram = bytes(length);
      datagram.set([type, 0, 0, 0]);
      return datagram;
    }),
  );
  return [...firsts, ...lengths, ...wireGuard];
}

const sum = (counts: Record<string, number> | undefined) =>
  Object.values(counts ?? {}).reduce((total, count) => total + count, 0);

test(
  "UDP of the relay: counted by reason, never answered",
  async () => {
    const drops = async () =>
      ((await (await fetch(`${relayUrl}/v1/status`)).json()) as { drops: Record<string, number> }).drops;
    const before = sum(await drops());
    const datagrams = garbage(1);
    const port = Number(relay.ready.endpoints?.[0]?.replace(/^.*:/, ""));
    expect(await throwAt(port, datagrams)).toBe(0);
    // Empty datagrams are nobody's; the kernel may lose some on a busy machine.
    expect(sum(await drops()) - before).toBeGreaterThan(datagrams.length * 0.9);
    expect(await (await fetch(`${relayUrl}/metrics`)).text()).toMatch(/drop/);
  },
  TIMEOUT_MS,
);

test(
  "UDP of an agent: counted by reason, never answered",
  async () => {
    const ask = async (path: string) =>
      (await fetch(`http://agent${path}`, { unix: join(state("ann"), "agent.sock") })).json();
    const drops = async () => ((await ask("/v1/status")) as { drops: Record<string, number> }).drops;
    const { reflexive } = (await ask("/v1/netcheck")) as { reflexive: string[] };
    const port = Number(reflexive[0]?.replace(/^.*:/, ""));
    expect(port).toBeGreaterThan(0);
    const before = sum(await drops());
    const datagrams = garbage(2);
    expect(await throwAt(port, datagrams)).toBe(0);
    expect(sum(await drops()) - before).toBeGreaterThan(datagrams.length * 0.9);
  },
  TIMEOUT_MS,
);

/** What may be sent to an HTTP server: each method and body at each path. Everything but an answer below 500 is told. */
async function knock(base: string, paths: readonly string[], unix?: string): Promise<string[]> {
  const bytes = noise(3);
  const bodies: readonly (string | Uint8Array<ArrayBuffer> | undefined)[] = [
    undefined,
    "{ not json",
    "[]",
    '{"draining":"perhaps","for":7,"uses":-1,"__proto__":{}}',
    "x".repeat(200_000),
    bytes(3_000) as Uint8Array<ArrayBuffer>,
  ];
  const wrong: string[] = [];
  for (const path of paths) {
    for (const method of METHODS) {
      for (const body of method === "GET" || method === "HEAD" ? [undefined] : bodies) {
        const answer = await fetch(base + path, {
          method,
          ...(body === undefined ? {} : { body }),
          ...(unix === undefined ? {} : { unix }),
          headers: { authorization: "Bearer wrong", "content-type": "application/json" },
          signal: AbortSignal.timeout(10_000),
        }).catch((error: unknown) => error as Error);
        // A body that is too large may end in a closed connection instead of an answer.
        if (answer instanceof Error) {
          if ((body?.length ?? 0) < 10_000) wrong.push(`${method} ${path}: ${answer.message}`);
          continue;
        }
        await answer.body?.cancel();
        const refused = method === "GET" || method === "HEAD" || answer.status >= 400;
        if (answer.status >= 500 || !refused) wrong.push(`${method} ${path}: ${answer.status}`);
      }
    }
  }
  return wrong;
}

const ODD_PATHS = [
  "/",
  "//",
  "/%00",
  "/%ff%fe",
  "/..%2f..%2fetc%2fpasswd",
  `/${"a".repeat(5_000)}`,
  "/v1/",
  "/v1/nothing",
];

test(
  "HTTP of the coordinator: 4xx for what is none of its business",
  async () => {
    const paths = [
      ...["/healthz", "/readyz", "/metrics", "/v1/relays", "/v1/relays/xyz", "/v1/relays/0011223344556677"],
      ...["/v1/relays/0011223344556677/drain", "/v1/agents", "/v1/agents/%20/paths", "/v1/tokens"],
      ...["/v1/nearest", "/v1/nearest?ip=", "/v1/nearest?ip=garbage", "/v1/channel"],
    ];
    expect(await knock(url, [...paths, ...ODD_PATHS])).toEqual([]);
    for (const path of ["/v1/agents", "/v1/agents/0011223344556677/paths"]) {
      expect((await fetch(url + path, { headers: { authorization: "Bearer wrong" } })).status).toBe(401);
    }
    expect((await fetch(`${url}/v1/nearest?ip=garbage`)).status).toBe(400);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/status="4/);
  },
  TIMEOUT_MS,
);

test(
  "HTTP of the relay: 4xx, and no drain by accident",
  async () => {
    const paths = ["/healthz", "/readyz", "/metrics", "/v1/status", ...ODD_PATHS];
    expect(await knock(relayUrl, paths)).toEqual([]);
    for (const body of ["{ not json", '{"draining":1}', "x".repeat(10_000)]) {
      const { status } = await fetch(`${relayUrl}/v1/drain`, { method: "POST", body });
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    }
    expect((await fetch(`${relayUrl}/readyz`)).status).toBe(200);
  },
  TIMEOUT_MS,
);

test(
  "the agent's own socket: 4xx",
  async () => {
    const paths = ["/v1/status", "/v1/peers", "/v1/relays", "/v1/netcheck", "/v1/why/nobody"];
    const pings = ["/v1/ping/nobody", "/v1/ping/bob?count=x&intervalMs=-5", "/v1/ping/%00"];
    const socket = join(state("ann"), "agent.sock");
    expect(await knock("http://agent", [...paths, ...pings, ...ODD_PATHS], socket)).toEqual([]);
  },
  TIMEOUT_MS,
);

/** Writes raw bytes to a TCP port (or a socket file); what came back until it closed, or the wait was over. */
async function raw(where: { port: number } | { path: string }, bytes: Uint8Array | string): Promise<string> {
  const target = "port" in where ? { host: "127.0.0.1", port: where.port } : { path: where.path };
  return new Promise((resolve) => {
    let heard = "";
    const socket = connect(target, () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(), ANSWER_WAIT_MS);
    socket.on("data", (data) => {
      heard += data.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(heard);
    });
  });
}

test(
  "what is not even HTTP, at every TCP door",
  async () => {
    const bytes = noise(4);
    const upgrade = (more: string) =>
      `GET /v1/channel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${more}\r\n`;
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    const inputs = [
      bytes(2_000),
      "\r\n\r\n\r\n",
      "GET",
      "BREW /v1/tokens HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: \u0001\u0002\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(5_000)}\r\n`,
      "POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n{",
      "POST /v1/drain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      upgrade("Sec-WebSocket-Version: 1\r\n"),
      // Frames without a mask, of a length that nobody has, and of no opcode there is.
      `${upgrade(key)}\x81\x05hello`,
      `${upgrade(key)}\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff`,
      `${upgrade(key)}\x8f\x80\x00\x00\x00\x00`,
    ];
    const doors = [
      { port: Number(new URL(url).port) },
      { port: Number(new URL(relayUrl).port) },
      { path: join(state("ann"), "agent.sock") },
    ];
    for (const door of doors) {
      const answers = await Promise.all(
        inputs.map((input) => raw(door, typeof input === "string" ? Buffer.from(input, "latin1") : input)),
      );
      // 505 is for a version that there is not.
      expect(answers.filter((answer) => /^HTTP\/1\.1 5(?!05)/.test(answer))).toEqual([]);
    }
  },
  TIMEOUT_MS,
);

test(
  "the side channel: strangers' messages end their connection, and nothing else",
  async () => {
    const bytes = noise(5);
    const hello = { type: "hello", role: "agent", version: "0", acceptsOutside: false };
    const messages: readonly (string | Uint8Array<ArrayBuffer>)[] = [
      "",
      "garbage",
      "null",
      "[[[[[[",
      `${"[".repeat(50_000)}`,
      bytes(5_000) as Uint8Array<ArrayBuffer>,
      "x".repeat(3_000_000),
      JSON.stringify({ type: "ping" }),
      JSON.stringify({ type: "introduce", peer: "0011223344556677" }),
      JSON.stringify({ ...hello, key: "AAAA", proof: "AAAA" }),
      JSON.stringify({ ...hello, key: Buffer.alloc(32).toString("base64"), proof: "A".repeat(44) }),
      JSON.stringify({ ...hello, role: "king" }),
    ];
    const channel = `${url.replace("http", "ws")}/v1/channel`;
    const ends = messages.map(
      (message) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(channel);
          const timer = setTimeout(() => socket.close(), 5_000);
          let heard = "";
          socket.onopen = () => socket.send(message);
          socket.onmessage = ({ data }) => {
            heard += String(data);
          };
          socket.onclose = ({ code }) => {
            clearTimeout(timer);
            resolve(`${code} ${heard}`);
          };
        }),
    );
    for (const end of await Promise.all(ends)) {
      expect(end).not.toContain('"welcome"');
      // 1000 and 1005 would be our own closing, after five seconds in which nobody minded.
      expect(end).not.toMatch(/^(1000|1005) /);
    }
  },
  TIMEOUT_MS,
);
