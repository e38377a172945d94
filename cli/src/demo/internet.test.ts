/** The demo's distances are real time, and its cuts are real losses. */
import { afterEach, expect, test } from "bun:test";
import type { DatagramSocket } from "@burrow/platform";
import { endpoint } from "@burrow/protocol";
import { EmulatedInternet } from "./internet.ts";
import { BERLIN, BOSTON, emulatedRttMs, FRANKFURT, type Site, VIRGINIA } from "./places.ts";

let internet = new EmulatedInternet();
let sockets: DatagramSocket[] = [];

afterEach(() => {
  for (const socket of sockets) socket.close();
  internet.close();
  internet = new EmulatedInternet();
  sockets = [];
});

async function open(site: Site, arrived: (text: string, atMs: number) => void): Promise<DatagramSocket> {
  const socket = await internet.opener(site)({
    port: 0,
    onBatch(batch) {
      for (let i = 0; i < batch.count; i++)
        arrived(new TextDecoder().decode(batch.bytes(i)), performance.now());
    },
  });
  sockets.push(socket);
  return socket;
}

function send(from: DatagramSocket, to: DatagramSocket, text: string): void {
  from.send(from.addresses.internEndpoint(endpoint("127.0.0.1", to.port)), new TextEncoder().encode(text));
  from.flush();
}

test("distances are those of the globe", () => {
  expect(emulatedRttMs(BERLIN.at, BOSTON.at)).toBeWithin(90, 105);
  expect(emulatedRttMs(BERLIN.at, FRANKFURT.at)).toBeWithin(5, 9);
  expect(emulatedRttMs(BERLIN.at, BERLIN.at)).toBe(2);
});

test("datagrams take the emulated time, in order, and answer to the sender's port", async () => {
  const got: { text: string; atMs: number }[] = [];
  const boston = await open(BOSTON, (text, atMs) => got.push({ text, atMs }));
  const berlin = await open(BERLIN, () => {});
  const sentMs = performance.now();
  for (const text of ["a", "b", "c"]) send(berlin, boston, text);
  await Bun.sleep(emulatedRttMs(BERLIN.at, BOSTON.at) / 2 + 60);
  expect(got.map(({ text }) => text)).toEqual(["a", "b", "c"]);
  // Never early. How late is the machine's affair.
  for (const { atMs } of got)
    expect(atMs - sentMs).toBeGreaterThan(emulatedRttMs(BERLIN.at, BOSTON.at) / 2 - 1);
});

test("a cut loses what has not passed the middle, between these two alone, until mended", async () => {
  const got: string[] = [];
  const boston = await open(BOSTON, (text) => got.push(text));
  const berlin = await open(BERLIN, () => {});
  const virginia = await open(VIRGINIA, () => {});
  send(berlin, boston, "past the middle");
  await Bun.sleep(emulatedRttMs(BERLIN.at, BOSTON.at) * 0.35);
  send(berlin, boston, "before the middle");
  internet.cut(BERLIN, BOSTON);
  send(berlin, boston, "too late");
  send(virginia, boston, "from elsewhere");
  await Bun.sleep(120);
  expect(got.toSorted()).toEqual(["from elsewhere", "past the middle"]);
  expect(internet.cutDatagrams).toBe(2);
  internet.mend(BERLIN, BOSTON);
  send(berlin, boston, "again");
  await Bun.sleep(120);
  expect(got.at(-1)).toBe("again");
});

test("there is no way out of the demo", async () => {
  const berlin = await open(BERLIN, () => {});
  const outside = berlin.addresses.internEndpoint(endpoint("192.0.2.1", 9));
  const stranger = berlin.addresses.internEndpoint(endpoint("127.0.0.1", 9));
  expect([berlin.send(outside, new Uint8Array(1)), berlin.send(stranger, new Uint8Array(1))]).toEqual([
    false,
    false,
  ]);
});
