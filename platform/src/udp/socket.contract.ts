/** What every `DatagramSocket` does, on real sockets over loopback: each implementation's test runs this suite. */
import { afterEach, describe, expect, test } from "bun:test";
import { endpoint, UserError } from "@burrow/protocol";
import type { AddressHandle } from "./address-table.ts";
import { PinnedMemory } from "./linux/system.ts";
import type { DatagramSocket, UdpOptions } from "./socket.ts";

/** Until `condition` holds; the test's own time limit is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

type Open = (options: UdpOptions) => Promise<DatagramSocket>;

export function udpContract(
  name: string,
  openUdp: Open,
  { hearsIcmp = true }: { readonly hearsIcmp?: boolean } = {},
): void {
  const opened: DatagramSocket[] = [];
  const open = async (options: Partial<UdpOptions> = {}) => {
    const socket = await openUdp({ address: "127.0.0.1", port: 0, family: 4, onBatch: () => {}, ...options });
    opened.push(socket);
    return socket;
  };
  afterEach(() => {
    for (const socket of opened.splice(0)) socket.close();
  });
  const echo: UdpOptions["onBatch"] = (batch, socket) => {
    for (let i = 0; i < batch.count; i++) socket.send(batch.source(i), batch.bytes(i));
  };
  const to = (from: DatagramSocket, target: DatagramSocket): AddressHandle => {
    const [local] = target.local;
    if (local === undefined) throw new Error("not bound");
    return from.addresses.internEndpoint(local);
  };

  describe(`${name}: a datagram socket`, () => {
    test("sends what lies in somebody else's memory, pinned or not, before that changes", async () => {
      const got: string[] = [];
      const server = await open({
        onBatch(batch) {
          for (let i = 0; i < batch.count; i++) got.push(new TextDecoder().decode(batch.bytes(i)));
        },
      });
      const client = await open();
      for (const memory of [new PinnedMemory(64).bytes, new Uint8Array(64)]) {
        memory.set(new TextEncoder().encode("xxhellohello!y"));
        client.borrow(to(client, server), memory, 2, 5);
        client.borrow(to(client, server), memory, 7, 5);
        client.borrow(to(client, server), memory, 12, 1);
        client.flush();
        memory.fill(0);
        await until(() => got.length === 3);
        expect(got.splice(0)).toEqual(["hello", "hello", "!"]);
      }
      expect(client.counters.sent).toBe(6);
    });

    test("echoes bytes of every size, the empty datagram and the largest among them", async () => {
      const server = await open({ onBatch: echo });
      const got: Uint8Array[] = [];
      const client = await open({
        onBatch(batch) {
          for (let i = 0; i < batch.count; i++) {
            expect(client.addresses.endpoint(batch.source(i))).toBe(endpoint("127.0.0.1", server.port));
            got.push(batch.bytes(i).slice());
          }
        },
      });
      const sizes = [0, 1, 148, 1420, 9000, 65_507];
      for (const size of sizes) {
        client.send(to(client, server), new Uint8Array(size).fill(size & 255));
        client.flush();
        await until(() => got.length > sizes.indexOf(size));
        expect(got.at(-1)).toEqual(new Uint8Array(size).fill(size & 255));
      }
      expect(client.counters.sent).toBe(sizes.length);
      expect(client.counters.received).toBe(sizes.length);
      expect(client.counters.receivedBytes).toBe(client.counters.sentBytes);
    });

    test("bytes belong to the caller again once send returns", async () => {
      const got: number[] = [];
      const server = await open({
        onBatch(batch) {
          for (let i = 0; i < batch.count; i++) got.push(batch.bytes(i)[0] ?? -1);
        },
      });
      const client = await open();
      const bytes = new Uint8Array(1);
      for (let i = 0; i < 200; i++) {
        bytes[0] = i;
        client.send(to(client, server), bytes);
      }
      client.flush();
      await until(() => got.length === 200);
      expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i));
    });

    test("a batch tells lengths and words without making views, and its datagrams can be handed on", async () => {
      const words: number[][] = [];
      const sink = await open({
        onBatch(batch) {
          for (let i = 0; i < batch.count; i++) {
            words.push([
              batch.length(i),
              batch.u32(i, 0),
              batch.u32(i, 3),
              batch.u32(i, 5),
              batch.bytes(i)[6] ?? -1,
            ]);
          }
        },
      });
      const onward = await open({
        onBatch(batch, socket) {
          const target = to(socket, sink);
          for (let i = 0; i < batch.count; i++) expect(socket.forward(target, batch, i)).toBe(true);
        },
      });
      const client = await open();
      const sent = [
        [4, 0, 0, 0, 0xf1, 0xff, 0xff, 0xff],
        [1, 2, 3, 4, 5, 6, 7],
        [9, 8, 7],
        [],
        [1, 1, 1, 1, 1, 1, 1, 1],
      ];
      for (const bytes of sent) client.send(to(client, onward), Uint8Array.from(bytes));
      client.flush();
      await until(() => words.length === sent.length);
      expect(words).toEqual([
        [8, 4, 0xfffff100, 0, 0xff],
        [7, 0x04030201, 0x07060504, 0, 7],
        [3, 0, 0, 0, -1],
        [0, 0, 0, 0, -1],
        [8, 0x01010101, 0x01010101, 0, 1],
      ]);
      expect(onward.isBlocked).toBe(false);
    });

    test("a burst arrives in batches", async () => {
      let batches = 0;
      let datagrams = 0;
      const server = await open({
        onBatch(batch) {
          batches++;
          datagrams += batch.count;
        },
      });
      const client = await open();
      for (let i = 0; i < 60; i++) client.send(to(client, server), new Uint8Array(100));
      client.flush();
      await until(() => datagrams === 60);
      expect(batches).toBeLessThan(20);
    });

    test("binds to one address of several, and answers from it", async () => {
      const server = await open({ address: "127.0.0.53", onBatch: echo });
      let source: string | undefined;
      const client = await open({
        address: "0.0.0.0",
        onBatch: (batch, socket) => {
          source = socket.addresses.endpoint(batch.source(0));
        },
      });
      client.send(to(client, server), new Uint8Array(4));
      client.flush();
      await until(() => source !== undefined);
      expect(source).toBe(`127.0.0.53:${server.port}`);
    });

    test("ICMP errors of one destination cost other destinations nothing", async () => {
      let received = 0;
      const server = await open({
        onBatch: (batch) => {
          received += batch.count;
        },
      });
      const client = await open();
      const closed = await open();
      const nobody = to(client, closed);
      closed.close();
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 5; i++) {
          client.send(nobody, new Uint8Array(10));
          client.send(to(client, server), new Uint8Array(10));
        }
        client.flush();
        client.send(nobody, new Uint8Array(10));
        client.flush();
        client.send(to(client, server), new Uint8Array(10));
        client.flush();
        await Bun.sleep(1);
      }
      await until(() => received === 120);
      if (hearsIcmp) expect(client.counters.icmpErrors).toBeGreaterThan(0);
      expect(client.counters.sent).toBe(240);
    });

    test("what cannot be sent is counted and harms neither the loop nor its neighbours", async () => {
      let received = 0;
      const server = await open({
        onBatch: (batch) => {
          received += batch.count;
        },
      });
      const client = await open();
      const at = (address: string, port: number) => client.addresses.intern(address, port);
      client.send(to(client, server), new Uint8Array(3));
      expect(client.send(at("127.0.0.1", 9), new Uint8Array(70_000))).toBe(false);
      expect(client.send(at("2001:db8::1", 9), new Uint8Array(3))).toBe(false);
      expect(client.send(at("127.0.0.1", 0), new Uint8Array(3))).toBe(false);
      client.send(at("255.255.255.255", 9), new Uint8Array(3));
      client.send(at("192.0.2.77", 9), new Uint8Array(3));
      client.send(to(client, server), new Uint8Array(3));
      client.flush();
      await until(() => received === 2);
      const { counters } = client;
      expect(counters.dropTooBig).toBe(1);
      expect(counters.dropNoFamily).toBe(1);
      expect(counters.dropBadAddress).toBe(1);
      expect(counters.dropForbidden).toBe(1);
      // From a socket bound to 127.0.0.1 the kernel refuses the world (EINVAL), or has no route to it at all.
      expect(counters.dropOther + counters.dropUnreachable).toBe(1);
      expect(counters.sent).toBe(2);
    });

    test("a time-to-live of its own reaches as far as loopback and is set back", async () => {
      let received = 0;
      const server = await open({
        onBatch: (batch) => {
          received += batch.count;
        },
      });
      const client = await open();
      expect(client.sendWithTtl(to(client, server), new Uint8Array(3), 1)).toBe(true);
      client.send(to(client, server), new Uint8Array(3));
      client.flush();
      await until(() => received === 2);
    });

    test("a datagram to be sent whole arrives like any other, and changes nothing for those after it", async () => {
      let received = 0;
      const server = await open({
        onBatch(batch) {
          received += batch.count;
        },
      });
      const client = await open();
      client.send(to(client, server), new Uint8Array(3));
      expect(client.sendWhole(to(client, server), new Uint8Array(1_400))).toBe(true);
      client.send(to(client, server), new Uint8Array(3));
      client.flush();
      await until(() => received === 3);
      expect(client.counters.sent).toBe(3);
    });

    test("a closed socket drops, counts, and closes again without harm", async () => {
      const socket = await open();
      const self = to(socket, socket);
      socket.close();
      expect(socket.send(self, new Uint8Array(1))).toBe(false);
      expect(socket.sendWithTtl(self, new Uint8Array(1), 3)).toBe(false);
      expect(socket.sendWhole(self, new Uint8Array(1))).toBe(false);
      socket.flush();
      socket.close();
      expect(socket.counters.dropClosed).toBe(3);
    });

    test("takes a larger receive buffer as far as the system gives one", async () => {
      const plain = await open();
      const large = await open({ recvBufferBytes: 1 << 20 });
      if (plain.recvBufferBytes === undefined || large.recvBufferBytes === undefined) return;
      expect(large.recvBufferBytes).toBeGreaterThanOrEqual(plain.recvBufferBytes);
      expect(large.recvBufferBytes).toBeGreaterThanOrEqual(212_992);
    });

    test("a taken port and a foreign address are the user's to mend", async () => {
      const first = await open();
      const refusal = async (options: Partial<UdpOptions>): Promise<UserError> => {
        const error = await open(options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(error).toBeInstanceOf(UserError);
        return error as UserError;
      };
      expect((await refusal({ port: first.port })).message).toContain("in use");
      expect((await refusal({ port: first.port })).remedy).toContain(String(first.port));
      expect((await refusal({ address: "192.0.2.200" })).remedy).toContain("ip addr");
    });
  });
}
