/** UDP sockets inside a lab's hosts, driven from the test: open, send, wait for what comes. */

import type { Host } from "./host.ts";
import type { LabProcess } from "./process.ts";
import type { PeerCommand, PeerEvent } from "./udp-peer.ts";

const PROGRAM = new URL("udp-peer.ts", import.meta.url).pathname;

/** Long enough for a datagram through any lab without delay lines, on a busy machine. */
const SILENCE_MS = 400;

export interface Datagram {
  text: string;
  /** `ADDRESS:PORT` as the receiver saw it. */
  from: string;
}

/** The process that holds a host's sockets. */
export class UdpPeer {
  readonly #process: LabProcess;
  readonly #sockets = new Map<number, UdpSocket>();
  #next = 1;

  constructor(host: Host) {
    this.#process = host.namespace.spawn([process.execPath, PROGRAM], { label: "udp" });
    this.#process.onLine((line) => {
      if (line.stream === "stdout") this.#heard(JSON.parse(line.text));
    });
  }

  async open(options: { port?: number; echo?: boolean; v6?: boolean } = {}): Promise<UdpSocket> {
    const id = this.#next++;
    const socket = new UdpSocket((text, to, ttl) =>
      this.#tell({ do: "send", socket: id, text, ttl, ...splitEndpoint(to) }),
    );
    this.#sockets.set(id, socket);
    this.#tell({
      do: "open",
      socket: id,
      port: options.port ?? 0,
      echo: options.echo ?? false,
      v6: options.v6 ?? false,
    });
    const line = await this.#process.waitForLine(new RegExp(`"event":"open","socket":${id},`));
    socket.port = (JSON.parse(line) as PeerEvent & { event: "open" }).port;
    return socket;
  }

  #tell(command: PeerCommand): void {
    this.#process.write(`${JSON.stringify(command)}\n`);
  }

  #heard(event: PeerEvent): void {
    if (event.event === "datagram")
      this.#sockets.get(event.socket)?.arrived({ text: event.text, from: event.from });
  }
}

export class UdpSocket {
  /** The local port. */
  port = 0;
  readonly #send: (text: string, to: string, ttl: number) => void;
  readonly #arrived: Datagram[] = [];
  #waiter: ((datagram: Datagram) => void) | undefined;

  constructor(send: (text: string, to: string, ttl: number) => void) {
    this.#send = send;
  }

  send(text: string, to: string, options: { ttl?: number } = {}): void {
    this.#send(text, to, options.ttl ?? 64);
  }

  /** The oldest datagram not taken yet; `undefined` when none comes in time. */
  async next(timeoutMs = SILENCE_MS): Promise<Datagram | undefined> {
    const ready = this.#arrived.shift();
    if (ready !== undefined) return ready;
    const { promise, resolve } = Promise.withResolvers<Datagram | undefined>();
    this.#waiter = resolve;
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    const datagram = await promise;
    clearTimeout(timer);
    // Arrived or given up: either way nobody waits any more.
    if (this.#waiter === resolve) this.#waiter = undefined;
    return datagram;
  }

  /** What address this socket has in the eyes of an echoing socket; `undefined` when no answer comes. */
  async reflexive(echo: string): Promise<string | undefined> {
    this.send("who am I?", echo);
    return (await this.next())?.text;
  }

  /** For {@link UdpPeer}. */
  arrived(datagram: Datagram): void {
    const waiter = this.#waiter;
    // Taken at once: a second datagram may come before the one who waits gets to run.
    this.#waiter = undefined;
    if (waiter === undefined) this.#arrived.push(datagram);
    else waiter(datagram);
  }
}

export function splitEndpoint(endpoint: string): { address: string; port: number } {
  const colon = endpoint.lastIndexOf(":");
  return {
    address: endpoint.slice(0, colon).replace(/^\[|\]$/g, ""),
    port: Number(endpoint.slice(colon + 1)),
  };
}
