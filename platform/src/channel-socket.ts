/**
 * One connection to the coordinator's side channel, for agents and relays alike: straight or by an HTTP proxy, with what
 * went wrong in words that tell where to mend it. When to connect, and again, is its owner's business.
 *
 *   const socket = new ChannelSocket(channelUrl("https://burrow.example.net"), {
 *     opened: () => …, text: (text) => …, ponged: () => …,
 *     closed: (problem, code) => …,        // always the last word, and the only one of a connection that failed
 *   });
 *   socket.send(JSON.stringify(hello));
 *   socket.close();                        // nothing is heard of it from here on
 */
import { CHANNEL_PATH, HELLO_TIMEOUT_MS, UserError } from "@burrow/protocol";
import { WebSocket } from "ws";
import { NameLookup } from "./name-lookup.ts";
import { type HttpProxy, proxyFor, proxyProblem } from "./proxy.ts";

export interface ChannelSocketEvents {
  opened?(): void;
  text(text: string): void;
  ponged?(): void;
  /** `problem`: why, if more is known than the code of RFC 6455 that the connection was closed with. */
  closed(problem: string | undefined, code: number): void;
}

/** The WebSocket address of a coordinator given as http(s) or ws(s) URL; throws a UserError for anything else. */
export function channelUrl(coordinator: string): URL {
  const url = URL.canParse(coordinator) ? new URL(coordinator) : undefined;
  const scheme = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url?.protocol ?? ""];
  if (url === undefined || scheme === undefined) {
    throw new UserError(
      `not a coordinator's address: ${coordinator}`,
      "give an http:// or https:// URL with --coordinator",
    );
  }
  return new URL(CHANNEL_PATH, `${scheme}//${url.host}`);
}

export class ChannelSocket {
  readonly #socket: WebSocket;
  readonly #name: NameLookup | undefined;
  #isLeft = false;

  constructor(url: URL, events: ChannelSocketEvents, headers: Readonly<Record<string, string>> = {}) {
    const proxy = proxyFor(url);
    // By a proxy, that one looks the name up.
    this.#name = proxy === undefined ? new NameLookup(url) : undefined;
    const socket = new WebSocket(url, {
      headers,
      handshakeTimeout: HELLO_TIMEOUT_MS,
      // An option of Bun's `ws`, which its types do not know.
      ...(proxy && { proxy: proxy.url }),
    });
    this.#socket = socket;
    let problem: string | undefined;
    socket.on("open", () => this.#isLeft || events.opened?.());
    socket.on("message", (data) => this.#isLeft || events.text(String(data)));
    socket.on("pong", () => this.#isLeft || events.ponged?.());
    // Heard of one that was left too: an error that nobody listens for would end the process.
    socket.on("error", (error: Error) => {
      problem ??= this.obstacle ?? connectProblem(error, proxy);
    });
    socket.on("close", (code: number) => this.#isLeft || events.closed(problem, code));
  }

  get isOpen(): boolean {
    return !this.#isLeft && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Why there is no connection yet, as far as is known. */
  get obstacle(): string | undefined {
    return this.#name?.problem;
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  ping(): void {
    this.#socket.ping();
  }

  /** Says goodbye. */
  close(): void {
    this.#isLeft = true;
    this.#socket.close();
  }

  /** For one whose other end hears nothing any more. */
  abandon(): void {
    this.#isLeft = true;
    this.#socket.terminate();
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
