/**
 * The WebSocket to the coordinator: connects, proves the key, hands messages over, and tries again for ever with
 * growing, jittered pauses. Packets never wait for it.
 */
import {
  type HttpProxy,
  type LocalAddress,
  type LocalNetwork,
  localNetwork,
  type Primitives,
  proxyFor,
  proxyProblem,
  watchNetwork,
} from "@burrow/platform";
import {
  type AgentHello,
  CHANNEL_PATH,
  channelProof,
  type FromAgent,
  fromBase64,
  keyFromText,
  keyToText,
  parseMessage,
  type ToAgent,
  toAgent,
  toBase64,
} from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { WebSocket } from "ws";
import type { Identity } from "./identity.ts";

const log = getLogger(["burrow", "agent", "channel"]);

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 15_000;
/** A coordinator that has not welcomed us by then is not there. */
const WELCOME_TIMEOUT_MS = 10_000;
/** Pings of ours; silence of this many of them is a dead connection that TCP has not noticed. */
const PING_INTERVAL_MS = 10_000;
const SILENCE_MAX_MS = 25_000;

export interface SideChannelOptions {
  readonly url: string;
  readonly identity: Identity;
  readonly primitives: Primitives;
  readonly headers: Readonly<Record<string, string>>;
  readonly hello: Pick<AgentHello, "token" | "name" | "nameHint" | "version" | "acceptsOutside">;
  onMessage(message: ToAgent): void;
  /** Up: welcomed. Down: why. */
  onState(state: ChannelState): void;
}

export interface ChannelState {
  readonly state: "connecting" | "up" | "down";
  readonly sinceMs: number;
  readonly problem: string | undefined;
}

export class SideChannel {
  readonly #options: SideChannelOptions;
  #socket: WebSocket | undefined;
  #state: ChannelState = { state: "connecting", sinceMs: Date.now(), problem: undefined };
  #pauseMs = BACKOFF_MIN_MS;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #lastHeardMs = 0;
  #closed = false;
  #network = localNetwork();
  readonly #watcher: { close(): void };

  constructor(options: SideChannelOptions) {
    this.#options = options;
    this.#connect();
    this.#watcher = watchNetwork((network) => this.#networkChanged(network));
  }

  get state(): ChannelState {
    return this.#state;
  }

  /** False when the channel is not up: the message is then lost. */
  send(message: FromAgent): boolean {
    if (this.#state.state !== "up" || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    this.#watcher.close();
    this.#socket?.close();
  }

  #connect(): void {
    const url = new URL(CHANNEL_PATH, this.#options.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const proxy = proxyFor(url);
    const socket = new WebSocket(url, {
      headers: this.#options.headers,
      handshakeTimeout: WELCOME_TIMEOUT_MS,
      // An option of Bun's `ws`, which its types do not know.
      ...(proxy && { proxy: proxy.url }),
    });
    this.#socket = socket;
    const startedMs = Date.now();
    this.#lastHeardMs = startedMs;
    let problem: string | undefined;
    socket.on("message", (data) => {
      this.#lastHeardMs = Date.now();
      const refused = this.#received(socket, String(data));
      problem = refused ?? problem;
    });
    socket.on("error", (error: Error) => {
      problem ??= connectProblem(error, proxy);
    });
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      clearInterval(this.#watch);
      if (this.#closed) return;
      this.#enter("down", problem ?? "the coordinator closed the connection");
      this.#again();
    });
    clearInterval(this.#watch);
    this.#watch = setInterval(() => {
      const isLate = this.#state.state !== "up" && Date.now() - startedMs > WELCOME_TIMEOUT_MS;
      if (isLate || Date.now() - this.#lastHeardMs > SILENCE_MAX_MS) {
        problem = "the coordinator does not answer";
        socket.terminate();
      } else this.send({ type: "ping" });
    }, PING_INTERVAL_MS);
  }

  /**
   * An address or a gateway that is gone takes the connections by it along, which TCP would notice only after half a
   * minute; and a change of network is when an introduction is wanted most. So a new connection is made at once.
   */
  #networkChanged(network: LocalNetwork): void {
    const { addresses, gateway } = this.#network;
    this.#network = network;
    const isThere = (of: LocalAddress) => network.addresses.some(({ address }) => address === of.address);
    const isRerouted = gateway !== undefined && gateway.address !== network.gateway?.address;
    if (!isRerouted && addresses.every(isThere)) return;
    const old = this.#socket;
    clearTimeout(this.#retry);
    this.#pauseMs = BACKOFF_MIN_MS;
    this.#enter("connecting", undefined);
    this.#connect();
    old?.terminate();
  }

  #again(): void {
    const pauseMs = this.#pauseMs * (0.5 + Math.random());
    this.#pauseMs = Math.min(2 * this.#pauseMs, BACKOFF_MAX_MS);
    this.#retry = setTimeout(() => this.#connect(), pauseMs);
  }

  /** Handles one text. Returns the problem when the coordinator refuses us. */
  #received(socket: WebSocket, text: string): string | undefined {
    const parsed = parseMessage(toAgent, text);
    if (!parsed.ok) {
      log.warn("a message of the coordinator does not fit: {problem}", { problem: parsed.problem });
      return undefined;
    }
    const { message } = parsed;
    if (message.type === "challenge") {
      this.#prove(socket, message);
      return undefined;
    }
    if (message.type === "welcome") {
      this.#pauseMs = BACKOFF_MIN_MS;
      this.#enter("up", undefined);
    }
    this.#options.onMessage(message);
    return message.type === "error" ? message.message : undefined;
  }

  #prove(socket: WebSocket, challenge: Extract<ToAgent, { type: "challenge" }>): void {
    const { identity, primitives, hello } = this.#options;
    const nonce = fromBase64(challenge.nonce);
    const serverKey = keyFromText(challenge.key);
    const shared = serverKey === undefined ? undefined : primitives.x25519(identity.privateKey, serverKey);
    if (nonce === undefined || serverKey === undefined || shared === undefined) return socket.close();
    const proof = toBase64(channelProof(shared, nonce, serverKey, identity.publicKey));
    const message: AgentHello = {
      type: "hello",
      role: "agent",
      key: keyToText(identity.publicKey),
      proof,
      ...hello,
    };
    socket.send(JSON.stringify(message));
  }

  #enter(state: ChannelState["state"], problem: string | undefined): void {
    if (this.#state.state === state && this.#state.problem === problem) return;
    this.#state = { state, sinceMs: Date.now(), problem };
    this.#options.onState(this.#state);
  }
}

/** What `ws` and the system say of a failed connection, in words that tell what to mend. */
function connectProblem({ message }: Error, proxy: HttpProxy | undefined): string {
  const status = /Unexpected server response: (\d+)|Expected 101/.exec(message);
  if (status !== null) {
    const [, code = ""] = status;
    return code.startsWith("5")
      ? `the server there answers ${code}: is the coordinator behind it up?`
      : "what answers there is no coordinator; check host, port and path";
  }
  if (/wrong version number|WRONG_VERSION_NUMBER|packet length too long|TLS handshake/i.test(message)) {
    return "it speaks no TLS there; is it http:// instead of https://?";
  }
  const plainly = message === "" ? "cannot connect" : message;
  return proxy === undefined ? plainly : proxyProblem(plainly, proxy);
}
