/**
 * Relays' WebSocket doors, for networks that block UDP. To the machine each is an endpoint inside the discard-only
 * prefix 100::/64 (RFC 6666), which no network routes; what it sends there goes out as binary messages over TLS.
 * Connections open when first used and close when nothing was sent for a while.
 */
import { proxyFor, proxyProblem } from "@burrow/platform";
import {
  type Endpoint,
  RELAY_TLS_NAME,
  type RelayId,
  type RelayInfo,
  type WebsocketDoor,
} from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { WebSocket } from "ws";
import { doorEndpoint } from "../core/relays/doors.ts";

const log = getLogger(["burrow", "agent", "websocket"]);

/** An unused connection closes after this; a used one sees a Bind every 15 s. */
const IDLE_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Datagrams that may wait for a connection; older ones are dropped, as a network would. */
const WAITING_MAX = 32;
/** A reader as slow as this loses packets, as a full queue would. */
const BACKLOG_BYTES_MAX = 1 << 20;

interface Door {
  readonly relay: RelayId;
  info: WebsocketDoor;
  socket: WebSocket | undefined;
  waiting: Uint8Array[];
  lastSentMs: number;
}

export class WebsocketDoors {
  readonly #receive: (datagram: Uint8Array, from: Endpoint) => void;
  readonly #doors = new Map<Endpoint, Door>();
  readonly #sweeper: ReturnType<typeof setInterval>;

  constructor(receive: (datagram: Uint8Array, from: Endpoint) => void) {
    this.#receive = receive;
    this.#sweeper = setInterval(() => this.#sweep(), IDLE_MS / 4);
    this.#sweeper.unref();
  }

  /** The relays as the machine knows them now. */
  learn(relays: readonly RelayInfo[]): void {
    const listed = new Set<Endpoint>();
    for (const { id, websocket } of relays) {
      if (websocket === undefined) continue;
      const at = doorEndpoint(id);
      listed.add(at);
      const known = this.#doors.get(at);
      if (known === undefined) {
        this.#doors.set(at, { relay: id, info: websocket, socket: undefined, waiting: [], lastSentMs: 0 });
      } else if (known.info.url !== websocket.url || known.info.certificate !== websocket.certificate) {
        known.info = websocket;
        known.socket?.terminate();
      }
    }
    for (const [at, door] of this.#doors) {
      if (listed.has(at)) continue;
      door.socket?.terminate();
      this.#doors.delete(at);
    }
  }

  /** False when `to` is no door: then it is for the UDP socket. */
  send(datagram: Uint8Array, to: Endpoint): boolean {
    const door = this.#doors.get(to);
    if (door === undefined) return false;
    door.lastSentMs = performance.now();
    if (door.socket === undefined && !this.#tryToOpen(door, to)) return true;
    if (door.socket?.readyState === WebSocket.OPEN) {
      if (door.socket.bufferedAmount < BACKLOG_BYTES_MAX) door.socket.send(datagram);
    } else {
      door.waiting.push(datagram.slice());
      if (door.waiting.length > WAITING_MAX) door.waiting.shift();
    }
    return true;
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const door of this.#doors.values()) door.socket?.terminate();
    this.#doors.clear();
  }

  /** What a relay says of its door is its own word: where that leads nowhere the door is shut, and nothing else. */
  #tryToOpen(door: Door, at: Endpoint): boolean {
    try {
      this.#open(door, at);
      return true;
    } catch (error) {
      log.debug("{url}: {problem}", { url: door.info.url, problem: String(error) });
      return false;
    }
  }

  #open(door: Door, at: Endpoint): void {
    const { url, certificate } = door.info;
    const tls = certificate === undefined ? undefined : { ca: certificate, serverName: RELAY_TLS_NAME };
    const proxy = proxyFor(new URL(url));
    const socket = new WebSocket(url, {
      handshakeTimeout: CONNECT_TIMEOUT_MS,
      perMessageDeflate: false,
      // Options of Bun's `ws`, which its types do not know.
      ...(tls && { tls }),
      ...(proxy && { proxy: proxy.url }),
    });
    door.socket = socket;
    const timer = setTimeout(() => socket.terminate(), CONNECT_TIMEOUT_MS);
    socket.on("open", () => {
      clearTimeout(timer);
      log.debug("connected to {url}{by}", { url, by: proxy === undefined ? "" : ` by ${proxy.shown}` });
      for (const datagram of door.waiting.splice(0)) socket.send(datagram);
    });
    socket.on("message", (data: unknown) => {
      if (data instanceof Uint8Array) this.#receive(data, at);
    });
    socket.on("error", ({ message }: Error) => {
      const problem = proxy === undefined ? message : proxyProblem(message, proxy);
      log.debug("{url}: {problem}", { url, problem });
    });
    socket.on("close", () => {
      clearTimeout(timer);
      if (door.socket === socket) door.socket = undefined;
      door.waiting = [];
    });
  }

  #sweep(): void {
    for (const door of this.#doors.values()) {
      if (door.socket !== undefined && performance.now() - door.lastSentMs > IDLE_MS) door.socket.close();
    }
  }
}
