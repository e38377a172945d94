/**
 * Agents of `bench:coordinator`, many in one process: each proves a key of its own, enrols, tells what agents tell, and
 * pings as they do. Says on standard output when all are in, and when the last of them has heard of each change.
 */
import { nativePrimitives, randomBytes } from "@burrow/platform";
import { answerChallenge, CHANNEL_PATH, type ToAgent } from "@burrow/protocol";

const [url = "", tokensFile = "", usesText = "20"] = process.argv.slice(2);
const tokens = (await Bun.file(tokensFile).text()).trim().split("\n");
const count = tokens.length * Number(usesText);
const keys = nativePrimitives();

/** As many at once as come to a coordinator that has just been restarted, less what one process can ask for. */
const CONCURRENT = 64;
/** As agents do it while nothing else is to be said. */
const PING_MS = 15_000;
const CANDIDATES = {
  type: "candidates",
  candidates: [
    { kind: "host", endpoint: "192.168.1.20:41641" },
    { kind: "reflexive", endpoint: "198.51.100.4:41641" },
  ],
  nat: "endpoint-independent",
};

const sockets: WebSocket[] = [];
let heard = 0;

function connect(token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const privateKey = randomBytes(32);
    let knows = false;
    const socket = new WebSocket(url.replace(/^http/, "ws") + CHANNEL_PATH);
    socket.onclose = ({ code, reason }) => {
      console.log(JSON.stringify({ event: "lost", code, reason }));
      reject(new Error(`${code} ${reason}`));
    };
    socket.onmessage = ({ data }) => {
      const text = String(data);
      // The change is looked for in the text: to parse it here would cost more than to send it there.
      if (text.startsWith('{"type":"relays"')) {
        const before = knows;
        knows = text.includes('"state":"draining"');
        if (knows && !before && ++heard === count) told();
        return;
      }
      const message = JSON.parse(text) as ToAgent;
      if (message.type === "challenge") socket.send(hello(privateKey, message, token));
      if (message.type === "error") reject(new Error(message.message));
      if (message.type !== "welcome") return;
      const rtts = message.relays.slice(0, 3).map(({ id }, n) => ({ relay: id, rttMs: 10 + n }));
      const [home, standby] = rtts;
      socket.send(JSON.stringify(CANDIDATES));
      socket.send(
        JSON.stringify({ type: "home", home: home?.relay, standby: standby?.relay, rtts, reason: "nearest" }),
      );
      sockets.push(socket);
      resolve();
    };
  });
}

function hello(privateKey: Uint8Array, challenge: Extract<ToAgent, { type: "challenge" }>, token: string) {
  const identity = { privateKey, publicKey: keys.x25519Public(privateKey) };
  const answer = answerChallenge(challenge, identity, keys.x25519);
  if (answer === undefined) throw new Error("no challenge");
  const who = { ...answer, version: "bench", token };
  return JSON.stringify({ type: "hello", role: "agent", acceptsOutside: false, ...who });
}

function told(): void {
  heard = 0;
  console.log(JSON.stringify({ event: "told", atMs: Date.now() }));
}

const queue = tokens.flatMap((token) => Array.from({ length: Number(usesText) }, () => token));
await Promise.all(
  Array.from({ length: CONCURRENT }, async () => {
    for (let token = queue.pop(); token !== undefined; token = queue.pop()) await connect(token);
  }),
);
console.log(JSON.stringify({ event: "in", count: sockets.length }));
// Spread over the interval, as those who came at different times are.
let next = 0;
setInterval(
  () => sockets[next++ % sockets.length]?.send('{"type":"ping"}'),
  Math.max(1, PING_MS / sockets.length),
);
