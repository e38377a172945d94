/** The agent's channel against a coordinator that refuses, goes away, or has met another with the same key. */
import { afterEach, expect, test } from "bun:test";
import { nativePrimitives, randomBytes } from "@burrow/platform";
import { CHANNEL_PATH, CloseCode, PROTOCOL_VERSION, toBase64 } from "@burrow/protocol";
import { type ChannelState, SideChannel } from "./side-channel.ts";

const primitives = nativePrimitives();
const PATIENCE_MS = 5_000;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Challenges everybody, and leaves the rest to `hello`. */
function coordinator(hello: (socket: Bun.ServerWebSocket<undefined>) => void, key = randomKey()) {
  let connections = 0;
  const server = Bun.serve<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) =>
      new URL(request.url).pathname === CHANNEL_PATH && self.upgrade(request, { data: undefined })
        ? undefined
        : new Response("no", { status: 404 }),
    websocket: {
      open(socket) {
        connections++;
        const nonce = toBase64(randomBytes(32));
        socket.send(JSON.stringify({ type: "challenge", protocol: PROTOCOL_VERSION, nonce, key }));
      },
      message: (socket) => hello(socket),
    },
  });
  closers.push(() => server.stop(true));
  return {
    url: `http://127.0.0.1:${server.port}`,
    get connections() {
      return connections;
    },
  };
}

function randomKey(): string {
  return toBase64(primitives.x25519Public(randomBytes(32)));
}

function agent(url: string) {
  const states: ChannelState[] = [];
  const privateKey = randomBytes(32);
  const channel = new SideChannel({
    url,
    identity: { privateKey, publicKey: primitives.x25519Public(privateKey) },
    primitives,
    headers: {},
    hello: { version: "test", acceptsOutside: false },
    onMessage: () => {},
    onState: (state) => states.push(state),
  });
  closers.push(() => channel.close());
  return { channel, states };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const atMs = performance.now(); !isTrue(); await Bun.sleep(5)) {
    if (performance.now() - atMs > PATIENCE_MS) throw new Error("it did not come to that");
  }
}

test("a coordinator that goes away is asked again soon, and says in its own words why it refuses", async () => {
  const error = {
    type: "error",
    code: "token-wrong",
    message: "This token is spent.",
    remedy: "Get another.",
  };
  const there = coordinator((socket) => {
    socket.send(JSON.stringify(error));
    socket.close(CloseCode.policyViolation);
  });
  const { states } = agent(there.url);
  await until(() => there.connections >= 2);
  expect(states[0]).toMatchObject({ state: "down", problem: "This token is spent." });
});

test("whoever was replaced by another with the same key does not throw it out again at once", async () => {
  const there = coordinator((socket) => socket.close(CloseCode.replaced));
  const { states } = agent(there.url);
  await until(() => states.length > 0);
  // The least pause for a rival is 2.5 s, the most of the shortest other 0.4 s.
  await Bun.sleep(1_500);
  expect([there.connections, states.map(({ state }) => state)]).toEqual([1, ["down"]]);
});

test("a challenge of no use is told, and the next connection may have a better one", async () => {
  // A point of small order: all agreements with it are zeros (RFC 7748 §6.1).
  const there = coordinator(() => {}, toBase64(new Uint8Array(32)));
  const { states } = agent(there.url);
  await until(() => there.connections >= 2);
  expect(states[0]).toMatchObject({ state: "down", problem: "the coordinator's challenge is of no use" });
});

test("an https URL for a port without TLS says so", async () => {
  const there = coordinator(() => {});
  const { states } = agent(there.url.replace("http:", "https:"));
  await until(() => states.length > 0);
  expect(states[0]?.problem).toBe("it speaks no TLS there; is it http:// instead of https://?");
});
