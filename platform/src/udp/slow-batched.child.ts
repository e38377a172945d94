/** Part of batched.test.ts: sends more than a slow link's buffer holds, and prints the counters before and after. */
import { Poller } from "./linux/poller.ts";
import { openBatchedUdp } from "./linux/socket.ts";

const ASKED = 3000;
const socket = openBatchedUdp({
  address: "0.0.0.0",
  port: 0,
  family: 4,
  sendBufferBytes: 200_000,
  onBatch: () => {},
});
const to = socket.addresses.intern("10.9.9.2", 9);
// A neighbour entry stands in for a host that answers.
Bun.spawnSync("ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev far".split(" "));
for (let i = 0; i < ASKED; i++) socket.send(to, new Uint8Array(1400));
socket.flush();
const blocked = { ...socket.counters };
const poller = new Poller([socket.fd]);
poller.wantWrite(0, true);
while (socket.counters.sent + socket.counters.dropQueueFull < ASKED) {
  poller.wait(1_000);
  socket.flush();
}
console.log(JSON.stringify({ asked: ASKED, blocked, after: socket.counters }));
socket.close();
