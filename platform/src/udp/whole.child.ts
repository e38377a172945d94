/** Part of udp.test.ts: over a loopback of 1300 bytes, sends what fits and what does not, whole and otherwise. */
import { openBatchedUdp } from "./linux/socket.ts";
import { openPortableUdp } from "./portable.ts";
import type { DatagramSocket } from "./socket.ts";

const lengths: number[] = [];
const sink = await openPortableUdp({
  address: "127.0.0.1",
  port: 0,
  family: 4,
  onBatch: (batch) => {
    for (let i = 0; i < batch.count; i++) lengths.push(batch.length(i));
  },
});

async function tried(socket: DatagramSocket): Promise<unknown> {
  lengths.length = 0;
  const to = socket.addresses.intern("127.0.0.1", sink.port);
  const whole = [1_200, 1_400].map((length) => socket.sendWhole(to, new Uint8Array(length)));
  socket.send(to, new Uint8Array(1_401));
  socket.flush();
  await Bun.sleep(100);
  const { dropTooBig } = socket.counters;
  socket.close();
  return { whole, lengths: [...lengths], dropTooBig };
}

const options = { address: "127.0.0.1", port: 0, family: 4, onBatch: () => {} } as const;
const portable = await tried(await openPortableUdp(options));
const batched = await tried(openBatchedUdp(options));
console.log(JSON.stringify({ portable, batched }));
process.exit(0);
