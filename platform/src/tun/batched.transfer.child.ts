/**
 * Part of batched.test.ts: traffic whose bytes are compared at both ends. The server hashes what is posted and counts
 * datagrams; the client sends by TCP and UDP over both IPs, and prints what became of it as JSON.
 *
 *   bun batched.transfer.child.ts serve            bun batched.transfer.child.ts send ADDRESS4 ADDRESS6 MEGABYTES
 */

import { openBatchedUdp } from "../udp/linux/socket.ts";
import { openUdp } from "../udp/open.ts";

const HTTP_PORT = 8000;
const UDP_PORT = 5000;
/** Not a multiple of anything, and the tail of each burst is another length. */
const DATAGRAM_BYTES = 1_201;
const BURSTS = 60;
const BURST = 20;
/** All are sent again until all have been heard. */
const ROUNDS_MAX = 10;

/** Bytes that differ at every place, so that a segment in the wrong place is seen. */
function content(bytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = seed >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}

const hashOf = (bytes: Uint8Array | ArrayBuffer) =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
const datagram = (i: number) => content(i % BURST === BURST - 1 ? 333 : DATAGRAM_BYTES, i + 1);

async function serve(): Promise<void> {
  const heard = { 4: new Set<number>(), 6: new Set<number>(), damaged: 0 };
  for (const family of [4, 6] as const) {
    await openUdp({
      address: family === 4 ? "0.0.0.0" : "::",
      port: UDP_PORT,
      family,
      onBatch(batch) {
        for (let i = 0; i < batch.count; i++) {
          const bytes = batch.bytes(i);
          const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
          if (hashOf(bytes.subarray(4)) === hashOf(datagram(number))) heard[family].add(number);
          else heard.damaged++;
        }
      },
    });
  }
  Bun.serve({
    hostname: "::",
    port: HTTP_PORT,
    maxRequestBodySize: 1 << 30,
    async fetch(request) {
      const url = new URL(request.url);
      if (url.pathname === "/udp") {
        return Response.json({ v4: heard[4].size, v6: heard[6].size, damaged: heard.damaged });
      }
      if (request.method === "POST") return new Response(hashOf(await request.arrayBuffer()));
      return new Response(content(Number(url.searchParams.get("bytes")), 7));
    },
  });
  console.log("ready");
}

async function send(addresses: readonly string[], bytes: number): Promise<void> {
  const whole: boolean[] = [];
  for (const [i, address] of addresses.entries()) {
    const family = i === 0 ? 4 : 6;
    const url = `http://${family === 4 ? address : `[${address}]`}:${HTTP_PORT}`;
    const there = content(bytes, 3);
    const told = await (await fetch(url, { method: "POST", body: there })).text();
    const back = await (await fetch(`${url}/?bytes=${bytes}`)).arrayBuffer();
    whole.push(told === hashOf(there) && hashOf(back) === hashOf(content(bytes, 7)));
    for (let round = 0; round < ROUNDS_MAX && (await heardBy(url))[`v${family}`] < BURSTS * BURST; round++) {
      await sendDatagrams(family, address);
    }
  }
  const udp = await heardBy(`http://${addresses[0]}:${HTTP_PORT}`);
  console.log(JSON.stringify({ tcp4: whole[0], tcp6: whole[1], udp, datagrams: BURSTS * BURST }));
}

interface Heard {
  readonly v4: number;
  readonly v6: number;
  readonly damaged: number;
}

async function heardBy(url: string): Promise<Heard> {
  return (await (await fetch(`${url}/udp`)).json()) as Heard;
}

/** All of them, in bursts that leave as super-packets. On a machine that is busy elsewhere some get lost. */
async function sendDatagrams(family: 4 | 6, address: string): Promise<void> {
  const socket = openBatchedUdp({ address: family === 4 ? "0.0.0.0" : "::", port: 0, family, onBatch() {} });
  const to = socket.addresses.intern(address, UDP_PORT);
  for (let i = 0; i < BURSTS * BURST; i++) {
    const bytes = datagram(i);
    const numbered = new Uint8Array(4 + bytes.length);
    new DataView(numbered.buffer).setUint32(0, i);
    numbered.set(bytes, 4);
    socket.send(to, numbered);
    if (i % BURST !== BURST - 1) continue;
    socket.flush();
    await Bun.sleep(1);
  }
  socket.close();
  await Bun.sleep(100);
}

const [mode, address4 = "", address6 = "", megabytes = "1"] = process.argv.slice(2);
if (mode === "serve") await serve();
else await send([address4, address6], Number(megabytes) * 1e6);
