/** The side channel's shell: a WebSocket and a timer around the registration machine. */
import { proxyFor, proxyProblem } from "@burrow/platform";
import {
  CHANNEL_PATH,
  type Endpoint,
  HELLO_TIMEOUT_MS,
  type RelayLoad,
  type RelayReach,
  UserError,
} from "@burrow/protocol";
import WebSocket from "ws";
import { Registration, type RegistrationAction, type RegistrationSettings } from "../core/registration.ts";
import type { DataPlaneUpdate } from "../core/updates.ts";

export interface ChannelOptions extends RegistrationSettings {
  readonly url: URL;
  readonly now: () => number;
  /** Undefined while there is nothing to tell; then no heartbeat is sent. */
  load(now: number): RelayLoad | undefined;
  /** What is new of other relays. */
  reach(): readonly RelayReach[];
  apply(update: DataPlaneUpdate): void;
  registered(endpoints: readonly Endpoint[]): void;
  /** The connection, or a try at one, has failed; the next one follows. */
  lost(reason: string, retryMs: number): void;
  /** The end of all tries. */
  refused(error: UserError): void;
}

/** The WebSocket address of a coordinator given as http(s) or ws(s) URL. */
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

export class Channel {
  readonly registration: Registration;
  readonly #options: ChannelOptions;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.registration = new Registration(options, options.now());
  }

  start(): void {
    this.#turn();
  }

  drain(draining: boolean): void {
    this.registration.drain(draining);
    this.#turn();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.registration.stop();
    for (const action of this.registration.takeActions()) this.#do(action);
  }

  /** After every event: do what is due, then sleep until the machine's next deadline. */
  #turn(): void {
    clearTimeout(this.#timer);
    const { now, load, reach } = this.#options;
    this.registration.tick(now(), load, reach);
    for (const action of this.registration.takeActions()) this.#do(action);
    const deadline = this.registration.nextDeadline();
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => this.#turn(), Math.max(1, Math.min(60_000, deadline - now())));
  }

  #do(action: RegistrationAction): void {
    switch (action.do) {
      case "connect":
        this.#connect();
        return;
      case "send":
        this.#socket?.send(JSON.stringify(action.message));
        return;
      case "ping":
        this.#socket?.ping();
        return;
      case "close":
        this.#forget();
        return;
      case "apply":
        this.#options.apply(action.update);
        return;
      case "registered":
        this.#options.registered(action.endpoints);
        return;
      case "lost":
        this.#forget();
        this.#options.lost(action.reason, action.retryMs);
        return;
      case "refused":
        this.#options.refused(
          new UserError(`the coordinator refused this relay: ${action.message}`, action.remedy),
        );
        return;
    }
  }

  #connect(): void {
    this.#forget();
    const { url, now } = this.#options;
    const proxy = proxyFor(url);
    const socket = new WebSocket(url.href, {
      handshakeTimeout: HELLO_TIMEOUT_MS,
      // An option of Bun's `ws`, which its types do not know.
      ...(proxy && { proxy: proxy.url }),
    });
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    let problem = "";
    socket.on("open", () => {
      if (!isCurrent()) return;
      this.registration.connected(now());
      this.#turn();
    });
    socket.on("message", (data) => {
      if (!isCurrent()) return;
      this.registration.received(String(data), now());
      this.#turn();
    });
    socket.on("pong", () => {
      if (isCurrent()) this.registration.pong(now());
    });
    socket.on("error", (error: Error) => {
      problem = proxy === undefined ? error.message : proxyProblem(error.message, proxy);
    });
    socket.on("close", (code: number) => {
      if (!isCurrent()) return;
      const why = problem === "" ? `the channel was closed (code ${code})` : problem;
      this.registration.disconnected(why, now(), code);
      this.#turn();
    });
  }

  #forget(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    // Errors of a socket that nobody waits for must not end the process.
    socket?.on("error", () => {});
    socket?.close();
  }
}
