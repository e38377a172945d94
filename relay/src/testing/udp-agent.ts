/** A test agent on a real socket: sends what it is given and keeps what arrives. */

import { type DatagramSocket, openUdp } from "@burrow/platform";
import type { Endpoint } from "@burrow/protocol";

export class UdpPeer {
  readonly arrived: Uint8Array[] = [];
  /** Where the latest datagram came from. */
  lastFrom: Endpoint | undefined;
  readonly #socket: DatagramSocket;
  #waiting: ((bytes: Uint8Array) => void)[] = [];

  private constructor(socket: DatagramSocket) {
    this.#socket = socket;
  }

  static async open(address = "127.0.0.1"): Promise<UdpPeer> {
    let peer: UdpPeer | undefined;
    const socket = await openUdp({
      address,
      port: 0,
      family: address.includes(":") ? 6 : 4,
      onBatch(batch, from) {
        for (let i = 0; i < batch.count && peer !== undefined; i++) {
          peer.lastFrom = from.addresses.endpoint(batch.source(i));
          peer.take(batch.bytes(i).slice());
        }
      },
    });
    peer = new UdpPeer(socket);
    return peer;
  }

  get at(): Endpoint {
    const [local] = this.#socket.local;
    if (local === undefined) throw new Error("not bound");
    return local;
  }

  take(bytes: Uint8Array): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.arrived.push(bytes);
    else next(bytes);
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    this.#socket.send(this.#socket.addresses.internEndpoint(to), bytes);
    this.#socket.flush();
  }

  /** The next datagram, or undefined after a while. */
  async next(timeoutMs = 2_000): Promise<Uint8Array | undefined> {
    const here = this.arrived.shift();
    if (here !== undefined) return here;
    const arrived = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting.push(arrived.resolve);
    const timer = setTimeout(() => arrived.resolve(undefined), timeoutMs);
    const bytes = await arrived.promise;
    clearTimeout(timer);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== arrived.resolve);
    return bytes;
  }

  close(): void {
    this.#socket.close();
  }
}
