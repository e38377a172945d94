/** The portable socket against the contract, two families on one port, and a full send buffer. */
import { afterEach, describe, expect, test } from "bun:test";
import { endpoint, UserError } from "@burrow/protocol";
import { inNamespace, withNamespaces } from "../testing/namespaces.ts";
import { needs } from "../testing/needs.ts";
import { openDualStack } from "./dual-stack.ts";
import { openUdp } from "./open.ts";
import { openPortableUdp } from "./portable.ts";
import { udpContract, until } from "./socket.contract.ts";
import type { DatagramSocket } from "./socket.ts";

udpContract("Bun.udpSocket", openPortableUdp);

const opened: DatagramSocket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

const hasV6 = await openUdp({ address: "::1", port: 0, family: 6, onBatch: () => {} }).then(
  (socket) => {
    socket.close();
    return true;
  },
  () => false,
);

describe("two families on one port", () => {
  test.skipIf(!hasV6)("each send leaves by its address's family, each arrival names its own", async () => {
    const sources: string[] = [];
    const server = await openDualStack({
      port: 0,
      onBatch(batch, socket) {
        for (let i = 0; i < batch.count; i++) {
          sources.push(socket.addresses.endpoint(batch.source(i)));
          socket.send(batch.source(i), batch.bytes(i));
        }
      },
    });
    opened.push(server);
    let echoes = 0;
    const client = await openDualStack({
      port: 0,
      address4: "127.0.0.1",
      address6: "::1",
      onBatch: (batch) => {
        echoes += batch.count;
      },
    });
    opened.push(client);
    expect(server.local).toEqual([endpoint("0.0.0.0", server.port), endpoint("::", server.port)]);
    client.send(client.addresses.intern("127.0.0.1", server.port), new Uint8Array(10));
    client.send(client.addresses.intern("::1", server.port), new Uint8Array(10));
    client.flush();
    await until(() => echoes === 2);
    expect(sources.sort()).toEqual([endpoint("127.0.0.1", client.port), endpoint("::1", client.port)].sort());
    expect(server.counters.sent).toBe(2);
    expect(server.hasFamily(6)).toBe(true);
  });

  test("a taken port names itself", async () => {
    const first = await openUdp({ address: "0.0.0.0", port: 0, family: 4, onBatch: () => {} });
    opened.push(first);
    const second = openDualStack({ port: first.port, onBatch: () => {} });
    await expect(second).rejects.toThrow(UserError);
    await expect(second).rejects.toThrow(String(first.port));
  });

  test.skipIf(!hasV6)("IPv4 alone when the machine has no IPv6", async () => {
    const socket = await openDualStack({ port: 0, address6: false, onBatch: () => {} });
    opened.push(socket);
    expect(socket.hasFamily(6)).toBe(false);
    expect(socket.send(socket.addresses.intern("::1", 9), new Uint8Array(1))).toBe(false);
    expect(socket.counters.dropNoFamily).toBe(1);
  });
});

describe("a slow link", () => {
  test.skipIf(!needs("a slow link", { root: true, commands: ["ip", "tc"] }))(
    "fills the queue to its bound, drops what is beyond it, and empties it when the link drains",
    async () => {
      await withNamespaces(["slow", "sink"], ([slow, sink]) => {
        inNamespace(slow, ..."ip link add far type veth peer name near netns".split(" "), sink);
        inNamespace(sink, ..."ip link set near up".split(" "));
        inNamespace(slow, "ip", "addr", "add", "10.9.9.1/24", "dev", "far");
        inNamespace(slow, "ip", "link", "set", "far", "up");
        inNamespace(slow, ..."tc qdisc add dev far root tbf rate 20mbit burst 10kb limit 50mb".split(" "));
        const output = inNamespace(slow, process.execPath, `${import.meta.dir}/slow-link.child.ts`);
        const { asked, blocked, halfway, after } = JSON.parse(output);
        expect(blocked.sent).toBeLessThan(asked);
        expect(blocked.dropQueueFull).toBeGreaterThan(0);
        // Whoever sends while it drains finds the room that was left.
        expect(halfway.dropQueueFull).toBe(blocked.dropQueueFull);
        // What was queued left when the link had room; nothing was lost on the way or counted twice.
        expect(after.sent + after.dropQueueFull).toBe(asked);
        expect(after.sent).toBeGreaterThan(blocked.sent);
      });
    },
    30_000,
  );
});

test.skipIf(!needs("refused datagrams", { root: true, commands: ["ip", "nft"] }))(
  "what a firewall, a missing route and a silent host refuse is counted; the rest arrives",
  async () => {
    await withNamespaces(["refusing", "beyond"], ([place, beyond]) => {
      inNamespace(place, ..."ip link add near type veth peer name far netns".split(" "), beyond);
      inNamespace(beyond, ..."ip link set far up".split(" "));
      inNamespace(place, ..."ip addr add 10.9.9.1/24 dev near".split(" "));
      inNamespace(place, ..."ip link set near up".split(" "));
      inNamespace(place, "nft", "add table ip t; add chain ip t out { type filter hook output priority 0; }");
      inNamespace(place, "nft", "add rule ip t out ip daddr 10.9.9.3 drop");
      inNamespace(place, "nft", "add rule ip t out ip daddr 10.9.9.4 reject with icmp type admin-prohibited");
      const { rounds, received, counters } = JSON.parse(
        inNamespace(place, process.execPath, `${import.meta.dir}/refusals.child.ts`),
      );
      expect(received).toBe(rounds * 3);
      expect(counters.dropForbidden).toBeGreaterThanOrEqual(rounds);
      expect(counters.dropUnreachable).toBeGreaterThanOrEqual(rounds * 2);
      expect(counters.dropOther).toBe(0);
      const drops = counters.dropForbidden + counters.dropUnreachable;
      expect(counters.sent + drops).toBe(rounds * 8);
      expect(counters.icmpErrors).toBeGreaterThan(0);
    });
  },
  30_000,
);

test.skipIf(!needs("unfragmented datagrams", { root: true, commands: ["ip"] }))(
  "what is to be sent whole and does not fit is refused, other datagrams are fragmented",
  async () => {
    await withNamespaces(["whole"], ([place]) => {
      inNamespace(place, ..."ip link set lo mtu 1300".split(" "));
      const seen = JSON.parse(inNamespace(place, process.execPath, `${import.meta.dir}/whole.child.ts`));
      const expected = { whole: [true, false], lengths: [1_200, 1_401], dropTooBig: 1 };
      expect(seen).toEqual({ portable: expected, batched: expected });
    });
  },
  30_000,
);
