/**
 * Puts a WireGuard responder under load: `bun flood.ts ADDRESS PORT PUBLIC_KEY`, inside a namespace. Sends bursts of
 * junk initiations with a right MAC1, and prints `cookie` when the first cookie reply comes back.
 */
import { keyFromText, Mac1, WireGuardInitiation, wireGuardKind } from "@burrow/protocol";

/** wireguard-go is under load while 128 handshakes wait in its queue, and for a second afterwards. */
const BURST = 600;
const BURST_EVERY_MS = 60;

const [address = "", port = "0", publicKey = ""] = process.argv.slice(2);
const message = crypto.getRandomValues(new Uint8Array(WireGuardInitiation.length));
message.set([1, 0, 0, 0]);
new Mac1(keyFromText(publicKey) ?? new Uint8Array(32)).write(message);

let isHeard = false;
const socket = await Bun.udpSocket({
  connect: { hostname: address, port: Number(port) },
  socket: {
    data(_socket, data) {
      if (!isHeard && wireGuardKind(data) === "cookieReply") console.log("cookie");
      isHeard = true;
    },
  },
});
const burst = Array.from({ length: BURST }, () => message);
for (;;) {
  socket.sendMany(burst);
  await Bun.sleep(BURST_EVERY_MS);
}
