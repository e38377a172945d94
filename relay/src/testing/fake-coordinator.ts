/** A coordinator for one relay: proves keys and speaks the schemas of the side channel, and nothing more. */
import {
  CHANNEL_PATH,
  channelProof,
  equalBytes,
  type FellowRelay,
  type FromRelay,
  fromBase64,
  fromRelay,
  keyFromText,
  nobleAgreement,
  PROTOCOL_VERSION,
  parseMessage,
  type RelayHello,
  type Route,
  relayHello,
  relayIdOf,
  type ToRelay,
  toBase64,
} from "@burrow/protocol";
import { x25519 } from "@noble/curves/ed25519.js";

export class FakeCoordinator {
  readonly ticketKey = crypto.getRandomValues(new Uint8Array(32));
  readonly hellos: RelayHello[] = [];
  readonly heartbeats: Extract<FromRelay, { type: "heartbeat" }>[] = [];
  readonly problems: string[] = [];
  token = "right";
  relays: FellowRelay[] = [];
  routes: Route[] = [];
  readonly #key = crypto.getRandomValues(new Uint8Array(32));
  readonly #nonce = crypto.getRandomValues(new Uint8Array(32));
  readonly #sockets = new Set<Bun.ServerWebSocket<{ isKnown: boolean }>>();
  #server: Bun.Server<{ isKnown: boolean }>;
  readonly port: number;

  constructor(port = 0) {
    this.#server = this.#serve(port);
    this.port = this.#server.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  send(message: ToRelay): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(message));
  }

  sendText(text: string): void {
    for (const socket of this.#sockets) socket.send(text);
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #serve(port: number): Bun.Server<{ isKnown: boolean }> {
    return Bun.serve<{ isKnown: boolean }>({
      hostname: "127.0.0.1",
      port,
      fetch: (request, server) => {
        const isChannel = new URL(request.url).pathname === CHANNEL_PATH;
        if (isChannel && server.upgrade(request, { data: { isKnown: false } })) return undefined;
        return new Response("no", { status: 404 });
      },
      websocket: {
        open: (socket) => {
          this.#sockets.add(socket);
          const challenge: ToRelay = {
            type: "challenge",
            protocol: PROTOCOL_VERSION,
            nonce: toBase64(this.#nonce),
            key: toBase64(x25519.getPublicKey(this.#key)),
          } as ToRelay;
          socket.send(JSON.stringify(challenge));
        },
        message: (socket, text) => this.#heard(socket, String(text)),
        close: (socket) => {
          this.#sockets.delete(socket);
        },
      },
    });
  }

  #heard(socket: Bun.ServerWebSocket<{ isKnown: boolean }>, text: string): void {
    if (socket.data.isKnown) {
      const parsed = parseMessage(fromRelay, text);
      if (parsed.ok) this.heartbeats.push(parsed.message);
      else this.problems.push(parsed.problem);
      return;
    }
    const parsed = parseMessage(relayHello, text);
    if (!parsed.ok) {
      this.problems.push(parsed.problem);
      return;
    }
    this.#welcome(socket, parsed.message);
  }

  #welcome(socket: Bun.ServerWebSocket<{ isKnown: boolean }>, hello: RelayHello): void {
    this.hellos.push(hello);
    const key = keyFromText(hello.key) ?? new Uint8Array(32);
    const shared = nobleAgreement(this.#key, key) ?? new Uint8Array(32);
    const expected = channelProof(shared, this.#nonce, x25519.getPublicKey(this.#key), key);
    const isProven = equalBytes(expected, fromBase64(hello.proof) ?? new Uint8Array(0));
    if (!isProven || hello.token !== this.token) {
      const refusal = { message: "this token is not one of ours", remedy: "create one: burrow token create" };
      socket.send(JSON.stringify({ type: "error", code: "token-wrong", ...refusal }));
      socket.close();
      return;
    }
    socket.data.isKnown = true;
    const welcome = {
      type: "welcome",
      relay: relayIdOf(key),
      ticketKey: toBase64(this.ticketKey),
      endpoints: hello.endpoints.length > 0 ? hello.endpoints : [`127.0.0.1:${hello.port}`],
      relays: this.relays,
      routes: this.routes,
    };
    socket.send(JSON.stringify(welcome));
  }
}
