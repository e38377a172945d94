/**
 * Part of batched.test.ts, run inside a namespace: carries IP packets between a batched TUN device and a UDP socket as
 * they are, until its standard input ends. Prints the device's counters as JSON.
 *
 *   bun batched.child.ts ADDRESS4 ADDRESS6 LOCAL PEER MTU offloads|plain
 */

import { wireGuardPaddedLength } from "@burrow/protocol";
import { Poller } from "../udp/linux/poller.ts";
import { openBatchedUdp } from "../udp/linux/socket.ts";
import { openBatchedTun } from "./batched-linux.ts";

const [address4 = "", address6 = "", local = "", peer = "", mtu = "", way = ""] = process.argv.slice(2);
const PORT = 4000;

const tun = await openBatchedTun({
  name: "burrow0",
  mtu: Number(mtu),
  addresses: [
    { address: address4, prefixLength: 32 },
    { address: address6, prefixLength: 128 },
  ],
  routes: ["100.64.0.0/10", "fd77::/64"],
  offloads: way === "offloads",
  onBatch(batch) {
    for (let i = 0; i < batch.count; i++) {
      const at = batch.at(i);
      if (batch.length(i) > Number(mtu) || batch.bytes(i).byteOffset !== at)
        throw new Error("a packet too long");
      // As far as its sealed form would reach: whatever touches another packet shows as damage.
      batch.memory.bytes.fill(0xa5, at - 16, at);
      batch.memory.bytes.fill(
        0xa5,
        at + batch.length(i),
        at + wireGuardPaddedLength(batch.length(i), Number(mtu)) + 16,
      );
    }
    for (let i = 0; i < batch.count; i++) socket.send(to, batch.bytes(i));
    socket.flush();
  },
});
const socket = openBatchedUdp({
  address: local,
  port: PORT,
  family: 4,
  recvBufferBytes: 4 << 20,
  onBatch(batch) {
    for (let i = 0; i < batch.count; i++) tun.write(batch.bytes(i));
    tun.flush();
  },
});
const to = socket.addresses.intern(peer, PORT);
socket.addresses.pin(to);

let stopped = false;
process.stdin.on("end", () => (stopped = true)).resume();
console.log("ready");
const poller = new Poller([tun.fd, socket.fd]);
while (!stopped) {
  for (let turn = 0; turn < 64; turn++) {
    poller.wait(20);
    if (poller.canRead(0)) tun.receive();
    if (poller.canRead(1)) socket.receive();
  }
  await Bun.sleep(0);
}
const { offloads, counters } = tun;
tun.close();
socket.close();
console.log(JSON.stringify({ offloads, counters }));
