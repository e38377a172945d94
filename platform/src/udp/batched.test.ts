/** The batched socket against the contract, its runs by GSO and GRO, and what a full way out does to it. */
import { afterEach, describe, expect, test } from "bun:test";
import { inNamespace, withNamespaces } from "../testing/namespaces.ts";
import { needs } from "../testing/needs.ts";
import { testedOffloads } from "./linux/offload.ts";
import { Poller } from "./linux/poller.ts";
import { ReceivedBatch } from "./linux/receiver.ts";
import { type BatchedSocket, type BatchedUdpOptions, openBatchedUdp } from "./linux/socket.ts";
import { openSteeredUdp } from "./linux/steering.ts";
import {
  clearEvent,
  closeDescriptor,
  hasBatchedCalls,
  openEvent,
  PinnedMemory,
  signalEvent,
} from "./linux/system.ts";
import { udpContract, until } from "./socket.contract.ts";
import type { DatagramBatch, DatagramSocket } from "./socket.ts";

const isHere = hasBatchedCalls();
if (!isHere) console.log("batched socket: not tested here: needs Linux on x86-64 or arm64");

function opens(family: 4 | 6, address: string): boolean {
  try {
    openBatchedUdp({ address, port: 0, family, onBatch() {} }).close();
    return true;
  } catch {
    return false;
  }
}

const hasV6 = isHere && opens(6, "::1");

const OFF = { gso: false, gro: false } as const;

/** Batched sockets have no event loop: here the test's turns it. */
const pumped = new Set<BatchedSocket>();

async function openPumped(options: BatchedUdpOptions): Promise<BatchedSocket> {
  const socket = openBatchedUdp(options);
  pumped.add(socket);
  const turn = () => {
    if (!pumped.has(socket)) return;
    while (socket.receive()) {}
    setTimeout(turn, 0);
  };
  turn();
  return socket;
}

/** Numbers below `below`, the same in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

afterEach(() => {
  for (const socket of pumped) socket.close();
  pumped.clear();
});

if (isHere) {
  udpContract("batched", openPumped, { hearsIcmp: false });
  udpContract("batched without offloads", (options) => openPumped({ ...options, offloads: OFF }), {
    hearsIcmp: false,
  });
}

describe.skipIf(!isHere)("runs", () => {
  const loopback = { address: "127.0.0.1", port: 0, family: 4 } as const;

  test("the self-test has an answer; datagrams of all lengths and destinations arrive in order either way", async () => {
    const offloads = testedOffloads();
    console.log(
      `GSO ${offloads.gso ? "works" : "does not work"}, GRO ${offloads.gro ? "works" : "does not work"}`,
    );
    for (const both of [offloads, OFF]) {
      const got = [0, 1, 2].map(() => [] as string[]);
      const sinks = await Promise.all(
        got.map((list) =>
          openPumped({
            ...loopback,
            offloads: both,
            recvBufferBytes: 1 << 22,
            onBatch(batch) {
              for (let i = 0; i < batch.count; i++) list.push(Buffer.from(batch.bytes(i)).toString("base64"));
            },
          }),
        ),
      );
      const source = await openPumped({ ...loopback, offloads: both, onBatch() {} });
      const expected = sinks.map(() => [] as string[]);
      const targets = sinks.map(({ port }) => source.addresses.intern("127.0.0.1", port));
      const lengths = [1420, 1420, 1420, 200, 1420, 0, 0, 1420, 1421, 1420, 1, 1, 9000];
      for (let n = 0; n < 900; n++) {
        const which = (n * 7 + (n >> 3)) % 3;
        const bytes = Buffer.alloc(lengths[(n * 5) % lengths.length] ?? 0, n & 255);
        if (bytes.length > 3) bytes.writeUInt32LE(n);
        expected[which]?.push(bytes.toString("base64"));
        source.send(targets[which] as never, bytes);
        if (n % 150 === 149) {
          source.flush();
          await until(() => got.reduce((sum, list) => sum + list.length, 0) === n + 1);
        }
      }
      expect(got).toEqual(expected);
      expect(source.counters.sent).toBe(900);
      for (const sink of sinks) expect(sink.counters.receivedBytes).toBeGreaterThan(0);
    }
  });

  test("what is forwarded keeps its bytes through merged arrivals, mixed with answers of its own", async () => {
    const got: string[] = [];
    const sink = await openPumped({
      ...loopback,
      onBatch(batch) {
        for (let i = 0; i < batch.count; i++) got.push(Buffer.from(batch.bytes(i)).toString("latin1"));
      },
    });
    const relay = await openPumped({
      ...loopback,
      onBatch(batch, socket) {
        const to = socket.addresses.intern("127.0.0.1", sink.port);
        for (let i = 0; i < batch.count; i++) {
          socket.forward(to, batch, i);
          if (batch.length(i) === 7) socket.send(to, Buffer.from("answer"));
        }
      },
    });
    const source = await openPumped({ ...loopback, onBatch() {} });
    const to = source.addresses.intern("127.0.0.1", relay.port);
    const expected: string[] = [];
    for (let n = 0; n < 200; n++) {
      const text = n % 50 === 49 ? "odd one" : `${n}`.padEnd(100, "x");
      source.send(to, Buffer.from(text));
      expected.push(text);
      if (text.length === 7) expected.push("answer");
    }
    source.flush();
    await until(() => got.length === expected.length);
    expect(got).toEqual(expected);
  });

  test("runs of any shape arrive as they were sent, told by source, each in its order", async () => {
    for (const offloads of [testedOffloads(), OFF]) {
      const got = [[], []] as string[][];
      const sinks: BatchedSocket[] = [];
      for (const list of got) {
        const onBatch = (batch: DatagramBatch) => {
          for (let i = 0; i < batch.count; i++) list.push(Buffer.from(batch.bytes(i)).toString("latin1"));
        };
        sinks.push(await openPumped({ ...loopback, recvBufferBytes: 1 << 24, onBatch }));
      }
      const sources: BatchedSocket[] = [];
      for (let n = 0; n < 2; n++) sources.push(await openPumped({ ...loopback, offloads, onBatch() {} }));
      let longest = 0;
      const relay = openBatchedUdp({
        ...loopback,
        offloads,
        recvBufferBytes: 1 << 24,
        onBatch(batch) {
          for (let i = 0, end = 0; i < batch.count; i = end) {
            end = batch.runEnd(i);
            longest = Math.max(longest, end - i);
            const port = relay.addresses.port(batch.source(i));
            const sink = sinks[sources.findIndex((source) => source.port === port)];
            const to = relay.addresses.intern("127.0.0.1", sink?.port ?? 0);
            expect(relay.forwardRun(to, batch, i, end)).toBe(end - i);
          }
        },
      });
      pumped.add(relay);
      const random = seeded(7);
      const expected = [[], []] as string[][];
      const lengths = [0, 1, 7, 8, 9, 100, 100, 100, 1_420, 1_420, 9_000, 65_507];
      for (let n = 0; n < 60; n++) {
        const which = random(2);
        const length = lengths[random(lengths.length)] ?? 0;
        const count = length > 9_000 ? 2 : 1 + random(150);
        for (let k = 0; k < count; k++) {
          const text = `head${k % 37 === 36 ? "HEAD" : "head"}${k}`.padEnd(length, "x").slice(0, length);
          const source = sources[which] as BatchedSocket;
          source.send(source.addresses.intern("127.0.0.1", relay.port), Buffer.from(text));
          expected[which]?.push(text);
        }
        for (const source of sources) source.flush();
        while (relay.receive()) {}
        await until(() => got.every((list, i) => list.length === expected[i]?.length));
      }
      expect(got).toEqual(expected);
      expect(longest).toBeGreaterThan(30);
    }
  });

  test.each([4, 6] as const)(
    "IPv%i: what is marked arrives so, and what is not does not, in order",
    async (family) => {
      if (family === 6 && !hasV6) return;
      const address = family === 4 ? "127.0.0.1" : "::1";
      for (const offloads of [testedOffloads(), OFF]) {
        const got: string[] = [];
        const hearing = {
          address,
          port: 0,
          family,
          offloads,
          hearsEcn: true,
          recvBufferBytes: 1 << 22,
        } as const;
        const sink = await openPumped({
          ...hearing,
          onBatch(batch) {
            if (!(batch instanceof ReceivedBatch)) throw new Error("not a batch of a batched socket");
            for (let i = 0; i < batch.count; i++) {
              got.push(`${batch.ecn(i)} ${Buffer.from(batch.bytes(i)).toString("latin1").trim()}`);
            }
          },
        });
        const source = await openPumped({ ...hearing, onBatch() {} });
        const to = source.addresses.intern(address, sink.port);
        const { bytes } = new PinnedMemory(400 * 100);
        const random = seeded(family);
        const expected: string[] = [];
        for (let n = 0, ecn = 0; n < 400; n++) {
          if (random(5) === 0) ecn = random(4);
          const at = n * 100;
          bytes.set(Buffer.from(`${n}`.padEnd(100)), at);
          source.borrow(to, bytes, at, 100, ecn);
          expected.push(`${ecn} ${n}`);
        }
        source.flush();
        await until(() => got.length === expected.length);
        expect(got).toEqual(expected);
      }
    },
  );

  test.skipIf(!hasV6)("IPv6: runs, answers, and what came by IPv4 leaves from where it lies", async () => {
    const got: string[] = [];
    const sink = await openPumped({
      address: "::1",
      port: 0,
      family: 6,
      onBatch(batch, socket) {
        for (let i = 0; i < batch.count; i++) {
          got.push(Buffer.from(batch.bytes(i)).toString("latin1"));
          if (batch.length(i) < 20) socket.send(batch.source(i), Buffer.from("heard"));
        }
      },
    });
    let heard = 0;
    const out = await openPumped({
      address: "::1",
      port: 0,
      family: 6,
      onBatch: (batch) => {
        heard += batch.count;
      },
    });
    const inward = await openPumped({
      ...loopback,
      addresses: out.addresses,
      onBatch(batch) {
        const to = out.addresses.intern("::1", sink.port);
        for (let i = 0; i < batch.count; i++) out.forward(to, batch, i);
        out.flush();
      },
    });
    const source = await openPumped({ ...loopback, onBatch() {} });
    const to = source.addresses.intern("127.0.0.1", inward.port);
    const expected = Array.from({ length: 120 }, (_, n) =>
      n % 7 === 6 ? `odd ${n}` : `${n}`.padEnd(1300, "x"),
    );
    for (const text of expected) source.send(to, Buffer.from(text));
    source.flush();
    await until(() => got.length === expected.length && heard === 17);
    expect(got).toEqual(expected);
    const [local] = out.local;
    expect(sink.addresses.endpoint(sink.addresses.intern("::1", out.port))).toBe(local as never);
  });

  test("a poll waits for datagrams and for an event, each told apart", async () => {
    const socket = openBatchedUdp({ ...loopback, onBatch() {} });
    pumped.add(socket);
    const event = openEvent();
    const poller = new Poller([socket.fd, event]);
    poller.wait(0);
    expect([poller.canRead(0), poller.canRead(1), poller.canWrite(0)]).toEqual([false, false, false]);
    signalEvent(event);
    poller.wait(1_000);
    expect([poller.canRead(0), poller.canRead(1)]).toEqual([false, true]);
    clearEvent(event);
    socket.send(socket.addresses.intern("127.0.0.1", socket.port), new Uint8Array(3));
    socket.flush();
    poller.wantWrite(0, true);
    poller.wait(1_000);
    expect([poller.canRead(0), poller.canRead(1), poller.canWrite(0)]).toEqual([true, false, true]);
    closeDescriptor(event);
  });

  test("steering: the chosen kind has a receive buffer that a flood of the other cannot fill", async () => {
    const kinds = [0, 0];
    const which: BatchedSocket[] = [];
    const options = {
      ...loopback,
      recvBufferBytes: 200_000,
      othersRecvBufferBytes: 50_000,
      onBatch: (batch: DatagramBatch, socket: DatagramSocket) => {
        for (let i = 0; i < batch.count; i++) {
          const kind = which.indexOf(socket as BatchedSocket);
          // The chosen one hears the word and what is too short for one; the other the rest.
          expect([batch.length(i), kind]).toEqual([batch.length(i), batch.length(i) === 100 ? 1 : 0]);
          kinds[kind] = (kinds[kind] ?? 0) + 1;
        }
      },
    };
    const { chosen: all, others } = openSteeredUdp({ ...options, count: 1 }, 0x04000000);
    const [chosen] = all;
    if (others === undefined || chosen === undefined)
      return console.log("steering: not tested here: the kernel cannot");
    which.push(chosen, others);
    for (const socket of which) pumped.add(socket);
    expect(others.port).toBe(chosen.port);
    expect(() => openSteeredUdp({ ...options, count: 1, port: chosen.port }, 0x04000000)).toThrow("in use");
    const source = openBatchedUdp({ ...loopback, offloads: OFF, onBatch() {} });
    pumped.add(source);
    const to = source.addresses.intern("127.0.0.1", chosen.port);
    for (let n = 0; n < 5_000; n++) source.send(to, new Uint8Array(100).fill(n));
    source.flush();
    for (let n = 0; n < 20; n++) source.send(to, Uint8Array.of(4, 0, 0, 0, n));
    source.send(to, Uint8Array.of(7));
    source.flush();
    while (chosen.receive()) {}
    while (others.receive()) {}
    expect(kinds[0]).toBe(21);
    expect(kinds[1]).toBeGreaterThan(0);
    expect(kinds[1]).toBeLessThan(5_000);
  });

  test("steering: sources are shared out among threads' sockets, each always to the same", () => {
    const heard = new Map<number, number[]>();
    const which: BatchedSocket[] = [];
    const onBatch = (batch: DatagramBatch, socket: DatagramSocket) => {
      for (let i = 0; i < batch.count; i++) {
        const source = batch.u32(i, 4);
        heard.set(source, [...(heard.get(source) ?? []), which.indexOf(socket as BatchedSocket)]);
      }
    };
    const options = { ...loopback, onBatch, othersRecvBufferBytes: 50_000, count: 3 };
    const { chosen, others } = openSteeredUdp(options, 0x04000000);
    if (others === undefined) return console.log("steering: not tested here: the kernel cannot");
    which.push(...chosen, others);
    for (const socket of which) pumped.add(socket);
    for (let n = 0; n < 60; n++) {
      const source = openBatchedUdp({ ...loopback, offloads: OFF, onBatch() {} });
      pumped.add(source);
      const to = source.addresses.intern("127.0.0.1", others.port);
      for (const type of [4, 4, 4, 1]) source.send(to, Uint8Array.of(type, 0, 0, 0, n, 0, 0, 0));
      source.flush();
    }
    for (const socket of which) while (socket.receive()) {}
    const used = new Set<number>();
    for (const [first, second, third, other] of heard.values()) {
      expect([second, third, other]).toEqual([first, first, 3] as never);
      used.add(first ?? -1);
    }
    expect(heard.size).toBe(60);
    expect([...used].sort()).toEqual([0, 1, 2]);
  });

  test("several sockets share a port when all ask for it", () => {
    const first = openBatchedUdp({ ...loopback, reusePort: true, onBatch() {} });
    pumped.add(first);
    const second = openBatchedUdp({ ...loopback, port: first.port, reusePort: true, onBatch() {} });
    pumped.add(second);
    expect(second.port).toBe(first.port);
    expect(() => openBatchedUdp({ ...loopback, port: first.port, onBatch() {} })).toThrow("in use");
  });
});

test.skipIf(!isHere || !needs("a slow link, batched", { root: true, commands: ["ip", "tc"] }))(
  "a slow link: what the kernel does not take waits up to a bound, and leaves when there is room",
  async () => {
    await withNamespaces(["bslow", "bsink"], ([slow, sink]) => {
      inNamespace(slow, ..."ip link add far type veth peer name near netns".split(" "), sink);
      inNamespace(sink, ..."ip link set near up".split(" "));
      inNamespace(slow, "ip", "addr", "add", "10.9.9.1/24", "dev", "far");
      inNamespace(slow, "ip", "link", "set", "far", "up");
      inNamespace(slow, ..."tc qdisc add dev far root tbf rate 20mbit burst 10kb limit 50mb".split(" "));
      const output = inNamespace(slow, process.execPath, `${import.meta.dir}/slow-batched.child.ts`);
      const { asked, blocked, after } = JSON.parse(output);
      expect(blocked.sent).toBeLessThan(asked);
      expect(blocked.dropQueueFull).toBeGreaterThan(0);
      expect(after.sent + after.dropQueueFull).toBe(asked);
      expect(after.sent).toBeGreaterThan(blocked.sent);
    });
  },
  30_000,
);

test.skipIf(!isHere || !needs("runs beyond the MTU", { root: true, commands: ["ip"] }))(
  "runs that the link cannot take as such leave one by one, whole",
  async () => {
    await withNamespaces(["bruns", "brsink"], async ([from, to]) => {
      inNamespace(from, ..."ip link add far type veth peer name near netns".split(" "), to);
      inNamespace(to, ..."ip addr add 10.9.9.2/24 dev near".split(" "));
      inNamespace(to, ..."ip link set near up".split(" "));
      inNamespace(from, ..."ip addr add 10.9.9.1/24 dev far".split(" "));
      inNamespace(from, ..."ip link set far up".split(" "));
      const child = `${import.meta.dir}/long-runs.child.ts`;
      const sink = Bun.spawn(["ip", "netns", "exec", to, process.execPath, child, "sink"], {
        stdout: "pipe",
      });
      const reader = sink.stdout.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("ready\n");
      const { asked, counters } = JSON.parse(inNamespace(from, process.execPath, child, "send"));
      expect(counters.sent).toBe(asked);
      expect(JSON.parse(new TextDecoder().decode((await reader.read()).value))).toEqual({ whole: asked });
      await sink.exited;
    });
  },
  30_000,
);
