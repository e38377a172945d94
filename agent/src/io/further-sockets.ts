/**
 * The main UDP socket, and the further ones that punching a hard NAT takes (puncher.ts): why one socket is not enough
 * there is design section 7. They share one table of addresses.
 */
import { type DatagramBatch, type DatagramSocket, openUdp } from "@burrow/platform";
import type { Endpoint } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { SendOptions } from "../core/contract.ts";

const log = getLogger(["burrow", "agent", "socket"]);

export interface FurtherSocketsSink {
  opened(ids: readonly number[]): void;
  received(batch: DatagramBatch, id: number): void;
}

export class FurtherSockets {
  readonly #main: DatagramSocket;
  readonly #sink: FurtherSocketsSink;
  readonly #sockets = new Map<number, DatagramSocket>();
  readonly #used = new Set<DatagramSocket>();
  #lastId = 0;
  #closed = false;

  constructor(main: DatagramSocket, sink: FurtherSocketsSink) {
    this.#main = main;
    this.#sink = sink;
  }

  /** Queues a datagram on the socket it names; one whose socket is closed is gone. */
  send(datagram: Uint8Array, to: Endpoint, how: SendOptions | undefined): void {
    const socket = how?.socket === undefined ? this.#main : this.#sockets.get(how.socket);
    if (socket === undefined) return;
    const handle = socket.addresses.internEndpoint(to);
    if (how?.ttl !== undefined) socket.sendWithTtl(handle, datagram, how.ttl);
    else if (how?.whole === true) socket.sendWhole(handle, datagram);
    else {
      socket.send(handle, datagram);
      if (socket !== this.#main) this.#used.add(socket);
    }
  }

  flush(): void {
    for (const socket of this.#used) socket.flush();
    this.#used.clear();
  }

  /** Opens as many as the system gives, and tells their ids. */
  open(count: number): void {
    const ids = Array.from({ length: count }, () => ++this.#lastId);
    Promise.allSettled(ids.map((id) => this.#open(id))).then((results) => {
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) {
        log.warn("not all sockets for punching could be opened: {error}", { error: String(failed.reason) });
      }
      this.#sink.opened(ids.filter((id) => this.#sockets.has(id)));
    });
  }

  close(ids: readonly number[]): void {
    for (const id of ids) {
      this.#sockets.get(id)?.close();
      this.#sockets.delete(id);
    }
  }

  closeAll(): void {
    this.#closed = true;
    this.close([...this.#sockets.keys()]);
  }

  async #open(id: number): Promise<void> {
    const socket = await openUdp({
      address: "0.0.0.0",
      port: 0,
      family: 4,
      addresses: this.#main.addresses,
      onBatch: (batch) => this.#sink.received(batch, id),
    });
    if (this.#closed) socket.close();
    else this.#sockets.set(id, socket);
  }
}
