/**
 * The main UDP socket, and the further ones that punching a hard NAT takes (puncher.ts): why one socket is not enough
 * there is design section 7. They share one table of addresses.
 */
import type { DatagramBatch, DatagramSocket } from "@burrow/platform";
import type { Endpoint } from "@burrow/protocol";
import type { SendOptions } from "../core/contract.ts";
import type { Packets } from "../core/packets.ts";
import { type SocketMaker, withSocket } from "./sockets.ts";

export interface FurtherSocketsSink {
  opened(ids: readonly number[]): void;
  received(batch: DatagramBatch, id: number): void;
  /** Not all could be opened. */
  failed(error: unknown): void;
}

export class FurtherSockets {
  readonly #main: DatagramSocket;
  readonly #maker: SocketMaker;
  readonly #sink: FurtherSocketsSink;
  readonly #sockets = new Map<number, DatagramSocket>();
  readonly #used = new Set<DatagramSocket>();
  #lastId = 0;
  #closed = false;

  constructor(main: DatagramSocket, maker: SocketMaker, sink: FurtherSocketsSink) {
    this.#main = main;
    this.#maker = maker;
    this.#sink = sink;
  }

  /** Queues a datagram on the socket it names; one whose socket is closed is gone. */
  send(datagram: Uint8Array, to: Endpoint, how: SendOptions | undefined): void {
    const socket = this.#socketFor(how?.socket);
    if (socket === undefined) return;
    const handle = socket.addresses.internEndpoint(to);
    if (how?.ttl !== undefined) socket.sendWithTtl(handle, datagram, how.ttl);
    else if (how?.whole === true) socket.sendWhole(handle, datagram);
    else socket.send(handle, datagram);
  }

  /** Queues datagrams where they lie: they must stay as they are until the flush. */
  sendAll(datagrams: Packets, to: Endpoint, id: number | undefined, ecn: number): void {
    const socket = this.#socketFor(id);
    if (socket === undefined) return;
    const handle = socket.addresses.internEndpoint(to);
    const { memory, count } = datagrams;
    for (let i = 0; i < count; i++) {
      socket.borrow(handle, memory, datagrams.offset(i), datagrams.length(i), ecn);
    }
  }

  flush(): void {
    for (const socket of this.#used) socket.flush();
    this.#used.clear();
  }

  /** Opens as many as the system gives, and tells their ids. */
  open(count: number): void {
    const ids = Array.from({ length: count }, () => ++this.#lastId);
    let pending = count;
    let failure: { readonly error: unknown } | undefined;
    const settled = () => {
      if (--pending > 0) return;
      if (failure !== undefined) this.#sink.failed(failure.error);
      this.#sink.opened(ids.filter((id) => this.#sockets.has(id)));
    };
    for (const id of ids) {
      withSocket(
        this.#maker,
        {
          address: "0.0.0.0",
          port: 0,
          family: 4,
          addresses: this.#main.addresses,
          onBatch: (batch) => this.#sink.received(batch, id),
        },
        (socket) => {
          if (this.#closed) this.#maker.close(socket);
          else this.#sockets.set(id, socket);
          settled();
        },
        (error) => {
          failure ??= { error };
          settled();
        },
      );
    }
  }

  close(ids: readonly number[]): void {
    for (const id of ids) {
      const socket = this.#sockets.get(id);
      if (socket === undefined) continue;
      this.#sockets.delete(id);
      this.#used.delete(socket);
      this.#maker.close(socket);
    }
  }

  closeAll(): void {
    this.#closed = true;
    this.close([...this.#sockets.keys()]);
  }

  #socketFor(id: number | undefined): DatagramSocket | undefined {
    if (id === undefined) return this.#main;
    const socket = this.#sockets.get(id);
    if (socket !== undefined) this.#used.add(socket);
    return socket;
  }
}
