/** The limits that watchers live under: readers that do not read, crowds, and how much is kept. */
import { afterEach, expect, jest, test } from "bun:test";
import {
  EventHub,
  HEARTBEAT_MS,
  KEPT_BYTES_MAX,
  OPERATORS_PLACES,
  UNREAD_BYTES_MAX,
  WATCHERS_MAX,
  WATCHERS_PER_HOST_MAX,
} from "./event-hub.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function makeHub() {
  let cut = 0;
  const hub = new EventHub({
    boot: "b00",
    now: () => 1,
    loads: () => undefined,
    published: () => {},
    cutOff: () => cut++,
  });
  ends.push(() => hub.stop());
  return { hub, cut: () => cut };
}

/** `bytes` long, near enough. */
function publish(hub: EventHub, bytes: number): void {
  hub.publish(
    { type: "relay-removed", atMs: 1, relay: { id: "00", region: "x".repeat(bytes) } },
    "everybody",
  );
}

test("a reader that does not read is cut off, its connection ends, and nothing of it is kept", async () => {
  const { hub, cut } = makeHub();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    development: false,
    fetch: () => new Response(hub.watch("everybody", undefined, "192.0.2.1")),
  });
  ends.push(() => server.stop(true));
  const closed = Promise.withResolvers<void>();
  let received = 0;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port ?? 0,
    socket: {
      open: (open) => {
        open.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        open.pause();
      },
      data: (_, bytes) => {
        received += bytes.length;
      },
      close: () => closed.resolve(),
    },
  });
  while (hub.watchers === 0) await Bun.sleep(5);
  let sent = 0;
  // The kernel's buffers take some megabytes before the hub sees anything unread.
  for (; cut() === 0 && sent < 64 * 1024 * 1024; sent += 64 * 1024) {
    publish(hub, 64 * 1024);
    await Bun.sleep(1);
  }
  expect(cut()).toBe(1);
  expect(hub.watchers).toBe(0);
  expect(sent).toBeGreaterThan(UNREAD_BYTES_MAX);
  socket.resume();
  await closed.promise;
  expect(received).toBeLessThan(sent);
});

test("a stream on which nothing happens is kept open by comments, until its reader leaves", async () => {
  jest.useFakeTimers();
  ends.push(() => jest.useRealTimers());
  const { hub } = makeHub();
  const reader = hub.watch("everybody", undefined, "192.0.2.1")?.getReader();
  const read = async () => new TextDecoder().decode((await reader?.read())?.value);
  expect(await read()).toContain('"type":"hello"');
  for (let n = 0; n < 3; n++) {
    jest.advanceTimersByTime(HEARTBEAT_MS);
    expect(await read()).toBe(":\n\n");
  }
  await reader?.cancel();
  expect(hub.watchers).toBe(0);
  expect(jest.getTimerCount()).toBe(0);
});

test("an address, too, has a limit, and what is closed makes room", async () => {
  const { hub } = makeHub();
  const watch = (address: string) => hub.watch("everybody", undefined, address);
  const streams = Array.from({ length: WATCHERS_PER_HOST_MAX }, () => watch("192.0.2.1"));
  expect(streams).not.toContain(undefined);
  expect(watch("192.0.2.1")).toBeUndefined();
  expect(watch("192.0.2.2")).toBeDefined();
  await streams[0]?.cancel();
  expect(watch("192.0.2.1")).toBeDefined();
});

test("a /64 of IPv6 counts as one address, and operators have places of their own", () => {
  const { hub } = makeHub();
  const everybody = (address: string) => hub.watch("everybody", undefined, address) !== undefined;
  const operator = (address: string) => hub.watch("operators", undefined, address) !== undefined;
  const inOne64 = Array.from({ length: 1_000 }, (_, n) => everybody(`2001:db8::${(n + 1).toString(16)}`));
  expect(inOne64.filter((is) => is)).toHaveLength(WATCHERS_PER_HOST_MAX);
  expect(operator("2001:db8::1")).toBe(true);
  for (let n = 0; n < WATCHERS_MAX; n++) everybody(`2001:db8:0:${(n + 1).toString(16)}::1`);
  expect(hub.watchers).toBe(WATCHERS_MAX - OPERATORS_PLACES);
  expect(everybody("192.0.2.1")).toBe(false);
  for (let n = 0; n < 2 * OPERATORS_PLACES; n++) operator(`192.0.2.${n}`);
  expect(hub.watchers).toBe(WATCHERS_MAX);
});

test("the latest are kept, up to a number of bytes; who missed more is told so", async () => {
  const { hub } = makeHub();
  const count = 40;
  const bytes = KEPT_BYTES_MAX / 16;
  for (let n = 0; n < count; n++) publish(hub, bytes);
  const replayed = async (id: string) => {
    const stream = hub.watch("everybody", id, "192.0.2.1");
    const reader = stream?.getReader();
    let text = "";
    for (
      let resumes = true;
      resumes;
      resumes = text.includes('"resumed":true') && !text.includes(`id: b00-${count}\n`)
    ) {
      text += new TextDecoder().decode((await reader?.read())?.value);
    }
    await reader?.cancel();
    return [...text.matchAll(/^id: b00-(\d+)$/gm)].map(([, number]) => Number(number));
  };
  expect(await replayed("b00-38")).toEqual([38, 39, 40]);
  expect(await replayed("b00-30")).toEqual([30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
  // Stale: the stream starts at the present.
  expect(await replayed("b00-3")).toEqual([40]);
});
