/**
 * Part of tun.test.ts, run inside a namespace: opens a device, answers echo requests that arrive through it, and
 * tries what a device can be asked. Prints what happened as JSON.
 */
import { UserError } from "@burrow/protocol";
import { openTun } from "./open.ts";

const PROTOCOL_ICMP = 1;
const PROTOCOL_UDP = 17;
const NEXT_HEADER_ICMPV6 = 58;

const flood: number[] = [];
let gone = false;

/** Turns an echo request into its reply where it lies; false when it is something else. */
function reply(packet: Uint8Array): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (packet[0] === 0x45 && packet[9] === PROTOCOL_ICMP && packet[20] === 8) {
    swap(packet, 12, 16, 4);
    packet[20] = 0;
    // One byte less in the sum: 0x0800 more in its complement (RFC 1624).
    view.setUint16(22, carried(view.getUint16(22) + 0x0800));
    return true;
  }
  if ((packet[0] ?? 0) >> 4 === 6 && packet[6] === NEXT_HEADER_ICMPV6 && packet[40] === 128) {
    swap(packet, 8, 24, 16);
    packet[40] = 129;
    view.setUint16(42, carried(view.getUint16(42) + 0xffff - 0x0100));
    return true;
  }
  return false;
}

const carried = (sum: number) => (sum & 0xffff) + (sum >> 16);

function swap(bytes: Uint8Array, a: number, b: number, length: number): void {
  const first = bytes.slice(a, a + length);
  bytes.copyWithin(a, b, b + length);
  bytes.set(first, b);
}

async function ping(...args: string[]): Promise<number> {
  const child = Bun.spawn(["ping", "-q", "-W", "2", ...args], { stdout: "pipe", stderr: "inherit" });
  const received = /(\d+) received/.exec(await child.stdout.text());
  return Number(received?.[1] ?? 0);
}

async function remedyOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return error instanceof UserError ? `${error.message}: ${error.remedy}` : `no UserError: ${error}`;
}

const plain = { mtu: 1420, addresses: [], onPackets: () => {} };
const tun = await openTun({
  name: "burrow0",
  mtu: 1420,
  addresses: [
    { address: "100.64.0.1", prefixLength: 32 },
    { address: "fd77::1", prefixLength: 128 },
  ],
  routes: ["100.64.0.0/10", "fd77::/64"],
  onPackets(batch) {
    for (let i = 0; i < batch.count; i++) {
      const packet = batch.bytes(i);
      if (reply(packet)) tun.write(packet);
      else if (packet[0] === 0x45 && packet[9] === PROTOCOL_UDP) {
        flood.push(new DataView(packet.buffer, packet.byteOffset).getUint32(28));
      }
    }
  },
  onGone() {
    gone = true;
  },
});

const pings4 = await ping("-c", "50", "-i", "0.002", "100.99.1.2");
const pings6 = await ping("-c", "50", "-i", "0.002", "fd77::2");
const pingsFull = await ping("-c", "5", "-i", "0.01", "-M", "do", "-s", String(1420 - 28), "100.99.1.2");
const mtu = (await Bun.file("/sys/class/net/burrow0/mtu").text()).trim();

const FLOOD = 20_000;
const socket = await Bun.udpSocket({ hostname: "0.0.0.0", port: 0 });
for (let i = 0; i < FLOOD; i++) {
  const payload = new Uint8Array(1300);
  new DataView(payload.buffer).setUint32(0, i);
  socket.send(payload, 4000, "100.99.1.2");
  // The kernel queues 500 packets for the device: a pause now and then lets most of them through.
  if (i % 200 === 199) await Bun.sleep(0);
}
await Bun.sleep(100);
const floodReceived = flood.length;

// This thread does not look for a while: the ring fills, the reader sleeps, the kernel drops. Then all goes on.
const STALL = 5_000;
for (let i = 0; i < STALL; i++) {
  const payload = new Uint8Array(1300);
  new DataView(payload.buffer).setUint32(0, FLOOD + i);
  socket.send(payload, 4000, "100.99.1.2");
}
await Bun.sleep(100);
socket.close();
const stallReceived = flood.length - floodReceived;
const pingsAfterStall = await ping("-c", "5", "-i", "0.01", "100.99.1.2");

const malformed = tun.write(new Uint8Array([0xff, 1, 2, 3])) || tun.write(new Uint8Array(0));
const taken = await remedyOf(openTun({ ...plain, name: "burrow0" }));
const notTun = await remedyOf(openTun({ ...plain, name: "lo" }));
const badName = await remedyOf(openTun({ ...plain, name: "much-too-long-a-name" }));
const counters = { ...tun.counters };
await tun.close();
await tun.close();
const afterClose = tun.write(new Uint8Array(20));
const exists = await Bun.file("/sys/class/net/burrow0/mtu").exists();

const doomed = await openTun({ ...plain, name: "burrow1", onGone: () => (gone = true) });
Bun.spawnSync(["ip", "link", "del", "burrow1"]);
for (let i = 0; i < 200 && !gone; i++) await Bun.sleep(10);
await doomed.close();

console.log(
  JSON.stringify({
    pings4,
    pings6,
    pingsFull,
    mtu,
    flood: {
      sent: FLOOD,
      received: floodReceived,
      inOrder: flood.every((n, i) => i === 0 || n > (flood[i - 1] ?? 0)),
    },
    stall: { sent: STALL, received: stallReceived },
    pingsAfterStall,
    malformed,
    taken,
    notTun,
    badName,
    counters,
    afterClose,
    exists,
    gone,
  }),
);
