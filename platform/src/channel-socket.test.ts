/** A connection to a side channel, and every way it can fail, in words for whoever has to mend it. */
import { afterEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { CHANNEL_PATH, UserError } from "@burrow/protocol";
import { ChannelSocket, channelUrl } from "./channel-socket.ts";

const PATIENCE_MS = 5_000;
const servers: (Bun.Server<undefined> | Server)[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await ("stop" in server ? server.stop(true) : server.close());
});

function serve(fetch: (request: Request, server: Bun.Server<undefined>) => Response | undefined): string {
  const server = Bun.serve<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    fetch,
    websocket: {
      message: (socket, text) => {
        if (text === "go away") socket.close(4001, "replaced");
        else socket.send(`heard ${text}`);
      },
    },
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

const channel = () =>
  serve((request, server) =>
    new URL(request.url).pathname === CHANNEL_PATH && server.upgrade(request, { data: undefined })
      ? undefined
      : new Response("no", { status: 404 }),
  );

/** All that is heard of one connection, and its end. */
function connect(url: string) {
  const heard: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<readonly [string | undefined, number]>();
  const socket = new ChannelSocket(channelUrl(url), {
    opened: () => heard.push("opened"),
    text: (text) => heard.push(text),
    ponged: () => heard.push("pong"),
    closed: (problem, code) => resolve([problem, code]),
  });
  return { socket, heard, ended };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const atMs = performance.now(); !isTrue(); await Bun.sleep(2)) {
    if (performance.now() - atMs > PATIENCE_MS) throw new Error("it did not come to that");
  }
}

test("texts and pings pass both ways, and the other side's code is told", async () => {
  const { socket, heard, ended } = connect(channel());
  expect(socket.isOpen).toBe(false);
  await until(() => heard.includes("opened"));
  expect(socket.isOpen).toBe(true);
  socket.ping();
  socket.send("you");
  await until(() => heard.length === 3);
  expect(heard.toSorted()).toEqual(["heard you", "opened", "pong"]);
  socket.send("go away");
  expect(await ended).toEqual([undefined, 4001]);
  expect(socket.isOpen).toBe(false);
});

for (const leave of ["close", "abandon"] as const) {
  test(`nothing is heard any more after ${leave}, whenever that is`, async () => {
    const url = channel();
    const [early, late] = [connect(url), connect(url)];
    early.socket[leave]();
    await until(() => late.heard.includes("opened"));
    late.socket.send("you");
    late.socket[leave]();
    const isEnded = Promise.race([early.ended, late.ended]).then(() => true);
    expect(await Promise.race([isEnded, Bun.sleep(100)])).toBeUndefined();
    expect([early.heard, late.heard]).toEqual([[], ["opened"]]);
  });
}

test("what is not there, or is none, is told in words", async () => {
  const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const nobody = `http://127.0.0.1:${gone.port}`;
  await gone.stop(true);
  const other = serve(() => new Response("hello", { status: 200 }));
  const down = serve(() => new Response("bad gateway", { status: 502 }));
  const mute = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  servers.push(mute);
  await until(() => mute.listening);
  const { port } = mute.address() as { readonly port: number };
  for (const [url, told] of [
    [nobody, /connect/i],
    [other, /no coordinator/],
    [down, /502|no coordinator/],
    [other.replace("http:", "https:"), /speaks no TLS there/],
    [`http://127.0.0.1:${port}`, /./],
  ] as const) {
    const { heard, ended } = connect(url);
    expect((await ended)[0]).toMatch(told);
    expect(heard).toEqual([]);
  }
});

test("a coordinator's address becomes its channel's, and what is no address a remedy", () => {
  expect(channelUrl("https://burrow.example.net").href).toBe(`wss://burrow.example.net${CHANNEL_PATH}`);
  expect(channelUrl("http://[::1]:8080/x?y").href).toBe(`ws://[::1]:8080${CHANNEL_PATH}`);
  for (const text of ["", "burrow.example", "ftp://burrow.example"]) {
    expect(() => channelUrl(text)).toThrow(UserError);
  }
});
