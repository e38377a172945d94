/**
 * The coordinator's distance: a TCP relay on loopback that hands everything on only after the time it would travel.
 * Carries the side channel, so that in the demo, too, the coordinator's word comes late and packets do not wait.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export class FarLink {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on loopback for connections to `target`, each way of which takes `delayMs`. */
  static async open(target: URL, delayMs: number): Promise<FarLink> {
    const server = createServer({ allowHalfOpen: true });
    const link = new FarLink(server);
    server.on("connection", (near) => {
      const far = connect({ host: target.hostname, port: Number(target.port), allowHalfOpen: true });
      link.#join(near, far, delayMs);
      link.#join(far, near, delayMs);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    return link;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }

  /** Timers of one length fire in the order in which they were set: bytes stay in order. */
  #join(from: Socket, to: Socket, delayMs: number): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes: Buffer) => setTimeout(() => to.destroyed || to.write(bytes), delayMs));
    from.on("end", () => setTimeout(() => to.end(), delayMs));
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      setTimeout(() => to.destroy(), delayMs);
    });
  }
}
