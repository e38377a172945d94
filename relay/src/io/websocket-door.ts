/**
 * The relay's door for networks that block UDP: the same datagrams as binary WebSocket messages over TLS. Each
 * connection gets a UDP socket of its own on loopback that talks to the relay's port, so that to the data plane it is
 * an endpoint like any other, with the same admission, limits and counters. Each client has a loopback address of its
 * own, made from where it comes from: what the data plane grants to a host, it grants to each client.
 */
import { type AddressHandle, AddressTable, type DatagramSocket, openUdp } from "@burrow/platform";
import {
  DATAGRAMS_PATH,
  type Endpoint,
  hostOf,
  PacketType,
  splitEndpoint,
  TokenBucket,
  UserError,
} from "@burrow/protocol";
import { BINDS_PER_AGENT } from "../core/limits.ts";
import type { Certificate } from "./certificate.ts";
import { loopbackOf } from "./data-plane.ts";
import { log } from "./log.ts";

export interface WebsocketDoorOptions {
  readonly listen: { readonly address: string; readonly port: number };
  readonly certificate: Certificate;
  /** Where the data plane listens. */
  readonly local: readonly [Endpoint, ...Endpoint[]];
}

export interface WebsocketDoor {
  readonly port: number;
  readonly connections: number;
  stop(): Promise<void>;
}

/** Each costs a file descriptor and some kilobytes. */
const CONNECTIONS_MAX = 4096;
/** Households and offices share an address. */
const CONNECTIONS_PER_HOST_MAX = 64;
/** The largest datagram that we forward, jumbo frames included. */
const MESSAGE_BYTES_MAX = 9_000;
/** What a slow reader may have waiting before its packets are dropped, as a full UDP queue would. */
const BACKLOG_BYTES_MAX = 1 << 20;
/** Agents send a Bind every 15 s. */
const IDLE_TIMEOUT_S = 60;
/** Messages that may wait for the loopback socket to open. */
const WAITING_MAX = 16;
/** 127.64.0.0/10: 2^22 addresses of this machine alone, far from those that people and programs use. */
const PASSAGES_NETWORK = 0x7f40_0000;
const PASSAGES_HOST_MASK = 0x003f_ffff;

interface Passage {
  /** The client's address, or of IPv6 its /64. */
  readonly host: string;
  /** One connection is one agent, and asks as often as one. */
  readonly binds: TokenBucket;
  socket: DatagramSocket | undefined;
  readonly waiting: Uint8Array[];
  closed: boolean;
}

/** The data plane as all passages see it: one table of addresses, since thousands of their own would be gigabytes. */
interface Inside {
  readonly address: string;
  readonly addresses: AddressTable;
  /** Pinned. */
  readonly handle: AddressHandle;
}

/** The data plane, and whoever else of this machine sends to a passage; they are not listened to. */
const ADDRESSES_MAX = 64;

function newInside(target: Endpoint): Inside {
  const addresses = new AddressTable({ capacity: ADDRESSES_MAX });
  const handle = addresses.internEndpoint(target);
  addresses.pin(handle);
  return { address: splitEndpoint(target).address, addresses, handle };
}

/** Throws a UserError when the port cannot be had or the certificate is of no use. */
export function openWebsocketDoor(options: WebsocketDoorOptions): WebsocketDoor {
  const { listen, certificate } = options;
  const inside = newInside(insideOf(options.local));
  const seed = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  const perHost = new Map<string, number>();
  let connections = 0;
  const leave = (passage: Passage) => {
    passage.closed = true;
    passage.socket?.close();
    connections--;
    const left = (perHost.get(passage.host) ?? 1) - 1;
    if (left === 0) perHost.delete(passage.host);
    else perHost.set(passage.host, left);
  };
  try {
    const server = Bun.serve<Passage>({
      hostname: listen.address,
      port: listen.port,
      reusePort: false,
      development: false,
      tls: { cert: certificate.certificate, key: certificate.key },
      fetch: (request, from) => {
        if (new URL(request.url).pathname !== DATAGRAMS_PATH) return new Response(null, { status: 404 });
        const host = hostOf(from.requestIP(request)?.address ?? "");
        const full = connections >= CONNECTIONS_MAX || (perHost.get(host) ?? 0) >= CONNECTIONS_PER_HOST_MAX;
        if (full) return new Response(null, { status: 503 });
        const binds = new TokenBucket(BINDS_PER_AGENT, performance.now());
        const data: Passage = { host, binds, socket: undefined, waiting: [], closed: false };
        return from.upgrade(request, { data }) ? undefined : new Response(null, { status: 426 });
      },
      error: () => new Response(null, { status: 400 }),
      websocket: {
        maxPayloadLength: MESSAGE_BYTES_MAX,
        idleTimeout: IDLE_TIMEOUT_S,
        backpressureLimit: BACKLOG_BYTES_MAX,
        perMessageDeflate: false,
        open: (ws) => {
          connections++;
          perHost.set(ws.data.host, (perHost.get(ws.data.host) ?? 0) + 1);
          openPassage(ws.data, passageAddress(ws.data.host, seed), inside, (datagram) => {
            if (ws.getBufferedAmount() < BACKLOG_BYTES_MAX) ws.sendBinary(datagram);
          }).catch((error: unknown) => {
            log.warn("no loopback socket for a WebSocket: {error}", { error: String(error) });
            ws.close(1011);
          });
        },
        message: (ws, message) => {
          if (typeof message === "string") return ws.close(1003, "datagrams are binary");
          // What is too much is lost, as it would be at the data plane.
          if (message[0] === PacketType.bind && !ws.data.binds.take(performance.now())) return;
          forward(ws.data, inside, message);
        },
        close: (ws) => leave(ws.data),
      },
    });
    return {
      port: server.port ?? listen.port,
      get connections() {
        return connections;
      },
      stop: () => server.stop(true),
    };
  } catch (cause) {
    throw new UserError(
      `cannot serve WebSocket over TLS at ${listen.address}:${listen.port}: ${cause instanceof Error ? cause.message : String(cause)}`,
      "choose another port with --wss, or check the certificate and its key",
      { cause },
    );
  }
}

async function openPassage(
  passage: Passage,
  own: string,
  inside: Inside,
  deliver: (datagram: Uint8Array) => void,
): Promise<void> {
  const { address, addresses } = inside;
  const open = (at: string): Promise<DatagramSocket> =>
    openUdp({
      address: at,
      port: 0,
      addresses,
      family: at.includes(":") ? 6 : 4,
      onBatch: (batch) => {
        for (let i = 0; i < batch.count; i++) if (batch.source(i) === inside.handle) deliver(batch.bytes(i));
      },
    });
  // Linux has all of 127.0.0.0/8 at hand; elsewhere, and with IPv6 alone, clients share one address and its limits.
  const hasOwn = process.platform === "linux" && !address.includes(":");
  const socket = hasOwn ? await open(own).catch(() => open(address)) : await open(address);
  if (passage.closed) return socket.close();
  passage.socket = socket;
  for (const datagram of passage.waiting.splice(0)) forward(passage, inside, datagram);
}

function forward(passage: Passage, inside: Inside, datagram: Uint8Array): void {
  const { socket } = passage;
  if (socket === undefined) {
    if (passage.waiting.length < WAITING_MAX) passage.waiting.push(datagram.slice());
    return;
  }
  socket.send(inside.handle, datagram);
  socket.flush();
}

/** Where this machine reaches the data plane: by IPv4 if it can, since passages then have addresses of their own. */
function insideOf(local: readonly [Endpoint, ...Endpoint[]]): Endpoint {
  return loopbackOf(local.find((one) => !one.startsWith("[")) ?? local[0]);
}

/** A client's own address among the passages'. The seed is this process's secret: nobody picks a neighbour. */
export function passageAddress(address: string, seed: bigint): string {
  const hash = Number(Bun.hash.wyhash(hostOf(address), seed) & BigInt(PASSAGES_HOST_MASK));
  const word = PASSAGES_NETWORK | hash;
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join(".");
}
