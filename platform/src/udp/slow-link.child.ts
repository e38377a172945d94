/** Part of udp.test.ts: sends more than a slow link's buffer holds, and prints the counters before and after. */
import { openUdp } from "./open.ts";

const ASKED = 3000;
const socket = await openUdp({ address: "0.0.0.0", port: 0, family: 4, onBatch: () => {} });
const to = socket.addresses.intern("10.9.9.2", 9);
// A neighbour entry stands in for a host that answers.
Bun.spawnSync("ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev far".split(" "));
for (let i = 0; i < ASKED; i++) socket.send(to, new Uint8Array(1400));
socket.flush();
const blocked = { ...socket.counters };
while (socket.counters.sent + socket.counters.dropQueueFull < ASKED) await Bun.sleep(10);
console.log(JSON.stringify({ asked: ASKED, blocked, after: socket.counters }));
socket.close();
