/** The WebSocket door: who comes through it keeps an address of its own, and nobody uses up what is another's. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DATAGRAMS_PATH, type Endpoint, PacketType, splitEndpoint } from "@burrow/protocol";
import WebSocket from "ws";
import { UdpPeer } from "../testing/udp-agent.ts";
import { loadCertificate } from "./certificate.ts";
import { openWebsocketDoor, passageAddress } from "./websocket-door.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A door to a socket that shows what comes and from where. */
async function door() {
  const directory = await mkdtemp(join(tmpdir(), "burrow-door-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const inside = await UdpPeer.open("127.0.0.1");
  cleanups.push(() => inside.close());
  const opened = openWebsocketDoor({
    listen: { address: "127.0.0.1", port: 0 },
    certificate: await loadCertificate(undefined, directory),
    local: [inside.at],
  });
  cleanups.push(() => opened.stop());
  return { inside, opened, url: `wss://127.0.0.1:${opened.port}${DATAGRAMS_PATH}` };
}

async function client(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { rejectUnauthorized: false });
  cleanups.push(() => socket.close());
  await new Promise((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  return socket;
}

/** Datagrams that came within a while, by first byte. */
async function heard(inside: UdpPeer, quietMs = 200): Promise<number[]> {
  const firsts: number[] = [];
  for (;;) {
    const datagram = await inside.next(quietMs);
    if (datagram === undefined) return firsts;
    firsts.push(datagram[0] ?? -1);
  }
}

describe("the address of a passage", () => {
  test("is the client's own part of 127.64.0.0/10, the same each time, of IPv6 one for a /64", () => {
    const of = (address: string) => passageAddress(address, 7n);
    for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", ""]) {
      expect(of(address)).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+$/);
      expect(of(address)).toBe(of(address));
    }
    expect(of("192.0.2.1")).not.toBe(of("192.0.2.2"));
    expect(of("2001:db8::1")).toBe(of("2001:db8::2:3:4"));
    expect(of("2001:db8::1")).not.toBe(of("2001:db8:0:1::1"));
    expect(of("192.0.2.1")).not.toBe(passageAddress("192.0.2.1", 8n));
  });
});

describe("through the door", () => {
  test("datagrams come from the client's own loopback address, never from that of the relay's check", async () => {
    const { inside, url } = await door();
    const socket = await client(url);
    socket.send(Uint8Array.of(PacketType.probe, 1, 2));
    expect(await inside.next()).toEqual(Uint8Array.of(PacketType.probe, 1, 2));
    const { address } = splitEndpoint(inside.lastFrom as Endpoint);
    if (process.platform === "linux") expect(address).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./);
  });

  test("what comes back is the data plane's alone: others of this machine are not heard", async () => {
    const { inside, url } = await door();
    const socket = await client(url);
    socket.send(Uint8Array.of(PacketType.probe));
    await inside.next();
    const passage = inside.lastFrom as Endpoint;
    const came: number[] = [];
    socket.on("message", (message: Buffer) => came.push(message[0] ?? -1));
    const other = await UdpPeer.open("127.0.0.1");
    cleanups.push(() => other.close());
    for (const [from, byte] of [
      [other, 1],
      [inside, 2],
      [other, 3],
      [inside, 4],
    ] as const) {
      from.send(passage, Uint8Array.of(byte));
      await Bun.sleep(20);
    }
    for (let tries = 0; tries < 100 && came.length < 2; tries++) await Bun.sleep(10);
    expect(came).toEqual([2, 4]);
  });

  test("one connection's Binds are held to what an agent needs; all else passes", async () => {
    const { inside, url } = await door();
    const socket = await client(url);
    for (let i = 0; i < 100; i++) socket.send(Uint8Array.of(PacketType.bind, 1, i));
    for (let i = 0; i < 30; i++) socket.send(Uint8Array.of(PacketType.probe, 1, i));
    const firsts = await heard(inside);
    expect(firsts.filter((first) => first === PacketType.bind).length).toBeWithin(20, 30);
    expect(firsts.filter((first) => first === PacketType.probe).length).toBe(30);
    const other = await client(url);
    other.send(Uint8Array.of(PacketType.bind, 1, 0));
    expect(await heard(inside)).toEqual([PacketType.bind]);
  });
});
