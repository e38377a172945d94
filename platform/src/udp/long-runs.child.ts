/** Part of batched.test.ts: `send` makes runs longer than the link's MTU allows; `sink` prints what arrived whole. */
import { Poller } from "./linux/poller.ts";
import { openBatchedUdp } from "./linux/socket.ts";

const PORT = 4007;
const COUNT = 40;
const LENGTHS = [2000, 2000, 1400] as const;

function sink(): void {
  let whole = 0;
  const socket = openBatchedUdp({
    address: "0.0.0.0",
    port: PORT,
    family: 4,
    onBatch(batch) {
      for (let i = 0; i < batch.count; i++) {
        const bytes = batch.bytes(i);
        const n = bytes[0] ?? 0;
        if (bytes.length === LENGTHS[n % LENGTHS.length] && bytes.every((byte) => byte === n)) whole++;
      }
    },
  });
  console.log("ready");
  const poller = new Poller([socket.fd]);
  for (const until = performance.now() + 5_000; whole < COUNT && performance.now() < until; ) {
    poller.wait(100);
    while (socket.receive()) {}
  }
  console.log(JSON.stringify({ whole }));
}

function send(): void {
  const socket = openBatchedUdp({ address: "0.0.0.0", port: 0, family: 4, onBatch() {} });
  const to = socket.addresses.intern("10.9.9.2", PORT);
  for (let n = 0; n < COUNT; n++) {
    socket.send(to, new Uint8Array(LENGTHS[n % LENGTHS.length] ?? 0).fill(n));
  }
  socket.flush();
  console.log(JSON.stringify({ asked: COUNT, counters: socket.counters }));
}

if (process.argv[2] === "sink") sink();
else send();
process.exit(0);
