/** For tests: a small HTTP proxy that knows CONNECT (RFC 9110 §9.3.6) and, if told to, wants a name and a password. */
import { connect, createServer, type Server, type Socket } from "node:net";

const HEAD_BYTES_MAX = 8_192;

export interface ConnectProxyOptions {
  readonly listen?: string;
  readonly port?: number;
  /** `name:password` that clients have to know. */
  readonly credentials?: string;
  /** Where a name really is; itself when undefined. */
  resolve?(host: string): string;
}

export class ConnectProxy {
  /** Everybody's wish, as `host:port`, whether granted or not. */
  readonly asked: string[] = [];
  refuses = false;
  readonly #redirects = new Map<string, number>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const server = createServer((client) => proxy.#take(client, options));
    const proxy = new ConnectProxy(server);
    const listening = Promise.withResolvers<void>();
    server.listen(options.port ?? 0, options.listen ?? "127.0.0.1", () => listening.resolve());
    await listening.promise;
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Whoever asks for `host:port` gets this port. */
  redirect(asked: string, port: number): void {
    this.#redirects.set(asked, port);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #take(client: Socket, options: ConnectProxyOptions): void {
    this.#keep(client);
    let head = "";
    const onData = (bytes: Buffer) => {
      head += bytes.toString("latin1");
      if (head.length > HEAD_BYTES_MAX) client.destroy();
      if (!head.includes("\r\n\r\n")) return;
      client.off("data", onData);
      this.#answer(client, head, options);
    };
    client.on("data", onData);
  }

  #answer(client: Socket, head: string, { credentials, resolve }: ConnectProxyOptions): void {
    const [, host, port] = /^CONNECT \[?([^\s\]]+)\]?:(\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
    if (host === undefined || port === undefined) return refuse(client, "405 Method Not Allowed");
    this.asked.push(`${host}:${port}`);
    const [, given = ""] = /^proxy-authorization: basic (\S+)/im.exec(head) ?? [];
    if (credentials !== undefined && Buffer.from(given, "base64").toString() !== credentials) {
      return refuse(client, "407 Proxy Authentication Required");
    }
    if (this.refuses) return refuse(client, "403 Forbidden");
    const upstream = connect(
      this.#redirects.get(`${host}:${port}`) ?? Number(port),
      resolve?.(host) ?? host,
      () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        client.pipe(upstream).pipe(client);
      },
    );
    this.#keep(upstream);
    upstream.on("error", () => client.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

function refuse(client: Socket, status: string): void {
  client.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
}
