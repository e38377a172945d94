/**
 * Two batched TUN devices in namespaces of their own, joined by UDP, with real TCP and UDP through them: every byte is
 * compared, and the kernels on both sides check every checksum.
 */
import { expect, test } from "bun:test";
import { inNamespace, type Namespace, withNamespaces } from "../testing/namespaces.ts";
import { needs } from "../testing/needs.ts";
import { openEvent } from "../udp/linux/system.ts";
import type { BatchedTun } from "./batched.ts";
import { adoptBatchedTun } from "./batched-linux.ts";
import { cutUp, type Fields } from "./offload/testing.ts";

const possible = needs("batched TUN devices", {
  root: true,
  commands: ["ip", "ping", "nstat"],
  files: ["/dev/net/tun"],
});

type Ended = Pick<BatchedTun, "offloads" | "counters">;

/** A program in a namespace: it has said a first line, and is stopped by the end of its input. */
async function start(namespace: Namespace, script: string, ...args: string[]) {
  const child = Bun.spawn(
    ["ip", "netns", "exec", namespace, process.execPath, `${import.meta.dir}/${script}`, ...args],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  const reader = child.stdout.getReader();
  const first = await reader.read();
  if (first.done) throw new Error(`${script} ended with code ${await child.exited}`);
  return {
    async end(): Promise<string> {
      child.stdin.end();
      const parts: Uint8Array[] = [];
      for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(part.value);
      return Buffer.concat(parts).toString();
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** Counters of the kernel's that tell of damage. */
function checksumErrors(namespace: Namespace): number {
  const lines = inNamespace(namespace, "nstat", "-asz").split("\n");
  const errors = lines.filter((line) => /^(Tcp|Udp|Udp6|Ip|Icmp)\w*(CsumErrors|InHdrErrors)\b/.test(line));
  if (errors.length < 4) throw new Error("nstat does not know these counters");
  return errors.reduce((sum, line) => sum + Number(line.split(/\s+/)[1]), 0);
}

for (const [way, mtu] of [
  ["offloads", 1360],
  ["offloads", 1393],
  ["plain", 1360],
] as const) {
  test.skipIf(!possible)(
    `TCP and UDP pass two devices whole: ${way}, MTU ${mtu}`,
    async () => {
      await withNamespaces(["tun-a", "tun-b"], async ([a, b]) => {
        for (const command of [
          `ip link add name va netns ${a} type veth peer name vb netns ${b}`,
          `ip -n ${a} addr add 10.7.0.1/24 dev va`,
          `ip -n ${b} addr add 10.7.0.2/24 dev vb`,
          `ip -n ${a} link set va up`,
          `ip -n ${b} link set vb up`,
        ]) {
          expect(Bun.spawnSync(command.split(" ")).stderr.toString()).toBe("");
        }
        const common = [`${mtu}`, way];
        const tunnels = await Promise.all([
          start(a, "batched.child.ts", "100.64.0.1", "fd77::1", "10.7.0.1", "10.7.0.2", ...common),
          start(b, "batched.child.ts", "100.64.0.2", "fd77::2", "10.7.0.2", "10.7.0.1", ...common),
        ]);
        const server = await start(b, "batched.transfer.child.ts", "serve");
        try {
          const ping = inNamespace(a, "ping", "-qc", "20", "-i", "0.01", "-s", `${mtu - 28}`, "100.64.0.2");
          expect(ping).toContain("20 received");
          const transfer = `${import.meta.dir}/batched.transfer.child.ts`;
          const args = ["send", "100.64.0.2", "fd77::2", "24"];
          const told = JSON.parse(inNamespace(a, process.execPath, transfer, ...args));
          expect(told).toMatchObject({ tcp4: true, tcp6: true });
          expect(told.udp).toEqual({ v4: told.datagrams, v6: told.datagrams, damaged: 0 });
          expect(checksumErrors(a) + checksumErrors(b)).toBe(0);
          for (const tunnel of tunnels) {
            const { offloads, counters } = JSON.parse(await tunnel.end()) as Ended;
            expect(counters).toMatchObject({ dropMalformed: 0, dropOther: 0 });
            const packets = counters.received + counters.written;
            const calls = counters.reads + counters.writes;
            if (offloads.tcp) expect(packets).toBeGreaterThan(calls * 3);
            else expect(counters.written).toBe(counters.writes);
          }
        } finally {
          for (const child of [...tunnels, server]) child.kill();
        }
      });
    },
    60_000,
  );
}

test.skipIf(!possible)("a device that somebody deleted says so, and its name is free again", async () => {
  await withNamespaces(["tun-end"], ([end]) => {
    const printed = inNamespace(end, process.execPath, `${import.meta.dir}/batched-end.child.ts`);
    const expected = { goneBefore: false, readable: true, received: false, isGone: true, dropDown: 1 };
    expect(JSON.parse(printed)).toEqual(expected);
  });
});

test.skipIf(process.platform !== "linux")(
  "a kernel that refuses a super-packet gets its packets one by one, and no more of them",
  () => {
    // An event takes eight bytes and refuses all else with EINVAL, as an older kernel does a kind that it does not know.
    const fd = openEvent();
    const door = { fd, name: "none", mtu: 1_360, offloads: { tcp: true, udp: true } };
    const tun = adoptBatchedTun(door, { onBatch() {} });
    const packets = cutUp(stream, 1_000);
    for (const packet of packets) tun.write(packet);
    tun.flush();
    const { dropMalformed, writes } = tun.counters;
    expect({ dropMalformed, writes }).toEqual({ dropMalformed: packets.length, writes: 1 + packets.length });
    expect(tun.offloads).toEqual({ tcp: false, udp: false });
    for (const packet of packets) tun.write(packet);
    tun.flush();
    expect(tun.counters.writes).toBe(1 + 2 * packets.length);
    tun.write(Uint8Array.of(0x70));
    tun.write(new Uint8Array());
    tun.write(new Uint8Array(70_000));
    expect(tun.counters.dropMalformed).toBe(2 * packets.length + 3);
    tun.close();
  },
);

const stream: Fields = {
  ...{ version: 4, protocol: "tcp", flow: 1, tos: 0, ttl: 64, id: 1, dontFragment: true },
  ...{ sequence: 1, acknowledgement: 1, flags: 0x10, window: 7, options: new Uint8Array() },
  data: new Uint8Array(5_000),
};
