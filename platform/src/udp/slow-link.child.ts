/**
 * Part of udp.test.ts: sends more than a slow link's buffer holds, some more when part of it has left, and prints the
 * counters before, then and after.
 */
import { openUdp } from "./open.ts";

const ASKED = 3000;
/** As many leave before there are more: half of the room that they leave. */
const LEFT = 100;
const MORE = 50;
const socket = await openUdp({ address: "0.0.0.0", port: 0, family: 4, onBatch: () => {} });
const to = socket.addresses.intern("10.9.9.2", 9);
// A neighbour entry stands in for a host that answers.
Bun.spawnSync("ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev far".split(" "));
for (let i = 0; i < ASKED; i++) socket.send(to, new Uint8Array(1400));
socket.flush();
const blocked = { ...socket.counters };
while (socket.counters.sent < blocked.sent + LEFT) await Bun.sleep(1);
for (let i = 0; i < MORE; i++) socket.send(to, new Uint8Array(1400));
const halfway = { ...socket.counters };
while (socket.counters.sent + socket.counters.dropQueueFull < ASKED + MORE) await Bun.sleep(10);
console.log(JSON.stringify({ asked: ASKED + MORE, blocked, halfway, after: socket.counters }));
socket.close();
