/**
 * Part of tunnel.ts: hands every datagram of one of two hosts to the other, through the same batched sockets as the
 * relay and without its look-ups. wireguard-go's traffic goes through it, since two WireGuards that know nothing of
 * Burrow have no ticket for a relay.
 *
 *   bun forwarder.child.ts ADDRESS PORT ONE_ADDRESS:PORT OTHER_ADDRESS:PORT
 */
import { openBatchedUdp, Poller, setThreadNiceness } from "@burrow/platform";
import { splitEndpoint } from "../lab/udp.ts";

const [address = "", port = "", ...ends] = process.argv.slice(2);
const socket = openBatchedUdp({
  address,
  port: Number(port),
  family: 4,
  recvBufferBytes: 4 << 20,
  onBatch(batch) {
    for (let i = 0; i < batch.count; i++) socket.forward(batch.source(i) === one ? other : one, batch, i);
  },
});
const [one = socket.addresses.intern("0.0.0.0", 0), other = one] = ends.map((end) => {
  const { address, port } = splitEndpoint(end);
  const handle = socket.addresses.intern(address, port);
  socket.addresses.pin(handle);
  return handle;
});
// As the relay's threads.
setThreadNiceness(-10);
console.log("ready");
const poller = new Poller([socket.fd]);
for (;;) {
  poller.wait(1_000);
  while (socket.receive()) {}
}
