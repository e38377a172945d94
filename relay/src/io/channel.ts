/** The side channel's shell: a WebSocket and a timer around the registration machine. */
import { ChannelSocket } from "@burrow/platform";
import { type Endpoint, type RelayLoad, type RelayReach, UserError } from "@burrow/protocol";
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

export class Channel {
  readonly registration: Registration;
  readonly #options: ChannelOptions;
  #socket: ChannelSocket | undefined;
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
    this.#socket = new ChannelSocket(url, {
      opened: () => {
        this.registration.connected(now());
        this.#turn();
      },
      text: (text) => {
        this.registration.received(text, now());
        this.#turn();
      },
      ponged: () => this.registration.pong(now()),
      closed: (problem, code) => {
        this.registration.disconnected(problem ?? `the channel was closed (code ${code})`, now(), code);
        this.#turn();
      },
    });
  }

  #forget(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
