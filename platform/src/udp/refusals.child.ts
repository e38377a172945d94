/** Part of udp.test.ts: sends to what a firewall, a missing route and silence refuse, and prints the counters. */
import { openDualStack } from "./dual-stack.ts";

let received = 0;
const sink = await openDualStack({
  port: 0,
  onBatch: (batch) => {
    received += batch.count;
  },
});
const socket = await openDualStack({ port: 0, onBatch: () => {} });
const good = socket.addresses.intern("10.9.9.1", sink.port);
const forbidden = socket.addresses.intern("10.9.9.3", 9);
const rejected = socket.addresses.intern("10.9.9.4", 9);
const silent = socket.addresses.intern("10.9.9.77", 9);
const unrouted = socket.addresses.intern("203.0.113.1", 9);
const unrouted6 = socket.addresses.intern("2001:db8::1", 9);

const ROUNDS = 50;
for (let round = 0; round < ROUNDS; round++) {
  for (const to of [forbidden, good, unrouted, good, silent, rejected, good, unrouted6]) {
    socket.send(to, new Uint8Array(100));
  }
  socket.flush();
  await Bun.sleep(round === ROUNDS - 2 ? 3500 : 1);
}
await Bun.sleep(50);
console.log(JSON.stringify({ rounds: ROUNDS, received, counters: socket.counters }));
process.exit(0);
