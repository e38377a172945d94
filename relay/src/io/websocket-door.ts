/**
 * The relay's door for networks that block UDP: the same datagrams as binary WebSocket messages over TLS. Each
 * connection gets a UDP socket of its own on loopback that talks to the relay's port, so that to the data plane it is
 * an endpoint like any other, with the same admission, limits and counters.
 */
import { type DatagramSocket, openUdp } from "@burrow/platform";
import { DATAGRAMS_PATH, type Endpoint, endpoint, splitEndpoint, UserError } from "@burrow/protocol";
import type { Certificate } from "./certificate.ts";
import { log } from "./log.ts";

export interface WebsocketDoorOptions {
  readonly listen: { readonly address: string; readonly port: number };
  readonly certificate: Certificate;
  /** Where the data plane listens. */
  readonly local: Endpoint;
}

export interface WebsocketDoor {
  readonly port: number;
  readonly connections: number;
  stop(): Promise<void>;
}

/** Each costs a file descriptor and some kilobytes. */
const CONNECTIONS_MAX = 4096;
/** Households and offices share an address. */
const CONNECTIONS_PER_ADDRESS_MAX = 64;
/** The largest datagram that we forward, jumbo frames included. */
const MESSAGE_BYTES_MAX = 9_000;
/** What a slow reader may have waiting before its packets are dropped, as a full UDP queue would. */
const BACKLOG_BYTES_MAX = 1 << 20;
/** Agents send a Bind every 15 s. */
const IDLE_TIMEOUT_S = 60;
/** Messages that may wait for the loopback socket to open. */
const WAITING_MAX = 16;

interface Passage {
  readonly address: string;
  socket: DatagramSocket | undefined;
  readonly waiting: Uint8Array[];
  closed: boolean;
}

/** Throws a UserError when the port cannot be had or the certificate is of no use. */
export function openWebsocketDoor(options: WebsocketDoorOptions): WebsocketDoor {
  const { listen, certificate } = options;
  const target = loopbackOf(options.local);
  const perAddress = new Map<string, number>();
  let connections = 0;
  const leave = (passage: Passage) => {
    passage.closed = true;
    passage.socket?.close();
    connections--;
    const left = (perAddress.get(passage.address) ?? 1) - 1;
    if (left === 0) perAddress.delete(passage.address);
    else perAddress.set(passage.address, left);
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
        const address = from.requestIP(request)?.address ?? "";
        const full =
          connections >= CONNECTIONS_MAX || (perAddress.get(address) ?? 0) >= CONNECTIONS_PER_ADDRESS_MAX;
        if (full) return new Response(null, { status: 503 });
        const data: Passage = { address, socket: undefined, waiting: [], closed: false };
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
          perAddress.set(ws.data.address, (perAddress.get(ws.data.address) ?? 0) + 1);
          openPassage(ws.data, target, (datagram) => {
            if (ws.getBufferedAmount() < BACKLOG_BYTES_MAX) ws.sendBinary(datagram);
          }).catch((error: unknown) => {
            log.warn("no loopback socket for a WebSocket: {error}", { error: String(error) });
            ws.close(1011);
          });
        },
        message: (ws, message) => {
          if (typeof message === "string") return ws.close(1003, "datagrams are binary");
          forward(ws.data, target, message);
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
  target: Endpoint,
  deliver: (datagram: Uint8Array) => void,
): Promise<void> {
  const { address } = splitEndpoint(target);
  const socket = await openUdp({
    address,
    port: 0,
    family: address.includes(":") ? 6 : 4,
    onBatch: (batch) => {
      for (let i = 0; i < batch.count; i++) deliver(batch.bytes(i));
    },
  });
  if (passage.closed) return socket.close();
  passage.socket = socket;
  for (const datagram of passage.waiting.splice(0)) forward(passage, target, datagram);
}

function forward(passage: Passage, target: Endpoint, datagram: Uint8Array): void {
  const { socket } = passage;
  if (socket === undefined) {
    if (passage.waiting.length < WAITING_MAX) passage.waiting.push(datagram.slice());
    return;
  }
  socket.send(socket.addresses.internEndpoint(target), datagram);
  socket.flush();
}

/** How this machine reaches its own socket: an unspecified address is reached at loopback. */
function loopbackOf(local: Endpoint): Endpoint {
  const { address, port } = splitEndpoint(local);
  if (address === "0.0.0.0") return endpoint("127.0.0.1", port);
  return address === "::" ? endpoint("::1", port) : local;
}
