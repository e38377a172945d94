/** Part of batched.test.ts, run inside a namespace: somebody deletes the interface. Prints what the device then says. */
import { Poller } from "../udp/linux/poller.ts";
import { openBatchedTun } from "./batched-linux.ts";

const options = { name: "burrow0", mtu: 1420, addresses: [], onBatch() {} };
const tun = await openBatchedTun(options);
// What the kernel itself sends into a new interface.
while (tun.receive()) {}
const goneBefore = tun.isGone;
Bun.spawnSync(["ip", "link", "del", "burrow0"]);
const poller = new Poller([tun.fd]);
poller.wait(2_000);
const readable = poller.canRead(0);
const received = tun.receive();
const { isGone } = tun;
tun.write(Uint8Array.of(0x45, 0, 0, 20));
tun.flush();
const { dropDown } = tun.counters;
tun.close();
tun.close();
const again = await openBatchedTun(options);
again.close();
console.log(JSON.stringify({ goneBefore, readable, received, isGone, dropDown }));
