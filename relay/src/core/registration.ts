/**
 * The relay's side of the side channel, as a machine: connect, prove the key, be welcomed, send a heartbeat every
 * second, and after any loss come back with growing, jittered pauses. Nothing here is a condition for packets
 * to flow: what the coordinator said last stays in force while it is away.
 *
 *   waiting ─▶ connecting ─▶ proving ─▶ registered      any of the last three ─▶ waiting, on loss
 *                               └─▶ refused             only before the first welcome of this process
 */
import {
  type Agreement,
  answerChallenge,
  CloseCode,
  type Endpoint,
  type FromRelay,
  fromBase64,
  HEARTBEAT_INTERVAL_MS,
  HELLO_TIMEOUT_MS,
  type Place,
  PROTOCOL_VERSION,
  parseMessage,
  type RelayHello,
  type RelayId,
  type RelayLoad,
  type RelayReach,
  type ToRelay,
  toRelay,
} from "@burrow/protocol";
import type { LinkIdentity } from "./links.ts";
import type { DataPlaneUpdate } from "./updates.ts";

/** First pause after a loss; doubled each time up to the most, then jittered down to a half of it. */
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 15_000;
/** A coordinator that does not even answer pings is gone, whatever TCP thinks. */
const PING_INTERVAL_MS = 5_000;
const PONG_SILENCE_MAX_MS = 15_000;

export interface RegistrationSettings {
  readonly identity: LinkIdentity;
  readonly token: string | undefined;
  readonly region: string;
  readonly at: Place | undefined;
  readonly advertise: readonly Endpoint[];
  /** The UDP port that is open. */
  readonly port: number;
  /** UDP ports that are open beside it. */
  readonly furtherPorts?: readonly number[];
  /** The WebSocket door, if there is one. */
  readonly websocket?: RelayHello["websocket"];
  readonly version: string;
  readonly agreement: Agreement;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

export type RegistrationAction =
  | { readonly do: "connect" }
  | { readonly do: "send"; readonly message: RelayHello | FromRelay }
  | { readonly do: "ping" }
  | { readonly do: "close" }
  | { readonly do: "apply"; readonly update: DataPlaneUpdate }
  | { readonly do: "registered"; readonly endpoints: readonly Endpoint[] }
  | { readonly do: "lost"; readonly reason: string; readonly retryMs: number }
  /** The coordinator does not want this relay; the machine has ended. */
  | { readonly do: "refused"; readonly message: string; readonly remedy: string };

type State =
  | { readonly is: "waiting"; readonly until: number }
  | { readonly is: "connecting"; readonly until: number }
  | { readonly is: "proving"; readonly until: number }
  | { readonly is: "registered"; heartbeatAt: number; pingAt: number; heardAt: number }
  | { readonly is: "refused" }
  | { readonly is: "stopped" };

/** What heartbeats tell: asked for only when one is due. Without a load there is none. */
type Load = (now: number) => RelayLoad | undefined;
type Reach = () => readonly RelayReach[];

export class Registration {
  readonly #settings: RegistrationSettings;
  #state: State;
  #failures = 0;
  #wasWelcome = false;
  #reason = "not registered yet";
  #actions: RegistrationAction[] = [];
  #drainAsked = false;
  #drainOwn = false;

  constructor(settings: RegistrationSettings, now: number) {
    this.#settings = settings;
    this.#state = { is: "waiting", until: now };
  }

  get isRegistered(): boolean {
    return this.#state.is === "registered";
  }

  /** Why the relay is not registered, for people. */
  get reason(): string {
    return this.#reason;
  }

  /** Asked for by the coordinator or by this relay's operator. */
  get isDraining(): boolean {
    return this.#drainAsked || this.#drainOwn;
  }

  /** What is to be done, in order; empty afterwards. */
  takeActions(): readonly RegistrationAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  connected(now: number): void {
    if (this.#state.is !== "connecting") return;
    this.#state = { is: "proving", until: now + HELLO_TIMEOUT_MS };
  }

  /** `closeCode`: the WebSocket's, if it came to that. */
  disconnected(reason: string, now: number, closeCode?: number): void {
    if (closeCode !== CloseCode.replaced) {
      this.#lose(reason, now);
      return;
    }
    // Two relays with one key would throw each other out for ever: who is thrown out makes the longest pause.
    this.#failures = Number.MAX_SAFE_INTEGER;
    this.#lose("another process has proven this relay's key: is its state directory in use twice?", now);
  }

  pong(now: number): void {
    if (this.#state.is === "registered") this.#state.heardAt = now;
  }

  received(text: string, now: number): void {
    if (this.#state.is !== "proving" && this.#state.is !== "registered") return;
    const parsed = parseMessage(toRelay, text);
    if (!parsed.ok) {
      this.#act({ do: "close" });
      this.#lose(`the coordinator sent what is no message of ours (${parsed.problem})`, now);
      return;
    }
    if (this.#state.is === "registered") this.#state.heardAt = now;
    this.#handle(parsed.message, now);
  }

  /** The operator's own wish at this relay. */
  drain(draining: boolean): void {
    this.#drainOwn = draining;
    this.#drained();
    // The next heartbeat tells; at once, so that agents leave at once.
    if (this.#state.is === "registered") this.#state.heartbeatAt = 0;
  }

  stop(): void {
    if (this.#state.is !== "waiting") this.#act({ do: "close" });
    this.#state = { is: "stopped" };
    this.#reason = "the relay is stopping";
  }

  /** Without a load no heartbeat is sent: silence says that all is not well. */
  tick(now: number, load: Load, reach: Reach = () => []): void {
    const state = this.#state;
    switch (state.is) {
      case "waiting":
        if (now < state.until) return;
        this.#state = { is: "connecting", until: now + HELLO_TIMEOUT_MS };
        this.#act({ do: "connect" });
        return;
      case "connecting":
      case "proving":
        if (now < state.until) return;
        this.#act({ do: "close" });
        this.#lose("the coordinator does not answer", now);
        return;
      case "registered":
        this.#keepAlive(state, now, load, reach);
        return;
      default:
        return;
    }
  }

  nextDeadline(): number | undefined {
    const state = this.#state;
    if (state.is === "registered") return Math.min(state.heartbeatAt, state.pingAt);
    return "until" in state ? state.until : undefined;
  }

  #keepAlive(state: Extract<State, { is: "registered" }>, now: number, load: Load, reach: Reach): void {
    if (now - state.heardAt > PONG_SILENCE_MAX_MS) {
      this.#act({ do: "close" });
      this.#lose("the coordinator has fallen silent", now);
      return;
    }
    if (now >= state.heartbeatAt) {
      state.heartbeatAt = now + HEARTBEAT_INTERVAL_MS;
      const told = load(now);
      const message = { type: "heartbeat", draining: this.isDraining } as const;
      if (told !== undefined) {
        const news = reach();
        const heard = news.length === 0 ? {} : { reach: [...news] };
        this.#act({ do: "send", message: { ...message, load: told, ...heard } });
      }
    }
    if (now >= state.pingAt) {
      state.pingAt = now + PING_INTERVAL_MS;
      this.#act({ do: "ping" });
    }
  }

  #handle(message: ToRelay, now: number): void {
    if (this.#state.is === "proving") {
      if (message.type === "challenge") this.#prove(message, now);
      else if (message.type === "welcome") this.#welcome(message, now);
      else if (message.type === "error") this.#refuse(message.message, message.remedy, now);
      return;
    }
    switch (message.type) {
      case "relays":
        this.#apply({ type: "relays", relays: message.relays });
        return;
      case "routes":
        this.#apply({ type: "routes", upsert: message.upsert, remove: message.remove, replace: false });
        return;
      case "revoke":
        this.#apply({ type: "revoke", agent: message.agent });
        return;
      case "drain":
        this.#drainAsked = message.draining;
        this.#drained();
        return;
      case "error":
        this.#reason = message.message;
        return;
      default:
        return;
    }
  }

  #prove(challenge: Extract<ToRelay, { type: "challenge" }>, now: number): void {
    const { identity, agreement, token, at, ...rest } = this.#settings;
    if (challenge.protocol !== PROTOCOL_VERSION) {
      const message = `the coordinator speaks protocol ${challenge.protocol}, this relay ${PROTOCOL_VERSION}`;
      this.#refuse(message, "run the same version of Burrow on both", now);
      return;
    }
    const answer = answerChallenge(challenge, identity, agreement);
    if (answer === undefined) {
      this.#act({ do: "close" });
      this.#lose("the coordinator's challenge is of no use", now);
      return;
    }
    const message: RelayHello = {
      type: "hello",
      role: "relay",
      ...answer,
      region: rest.region,
      endpoints: [...rest.advertise],
      port: rest.port,
      ...(rest.furtherPorts === undefined ? {} : { furtherPorts: [...rest.furtherPorts] }),
      websocket: rest.websocket,
      version: rest.version,
      ...(token === undefined ? {} : { token }),
      ...(at === undefined ? {} : { at }),
    };
    this.#act({ do: "send", message });
  }

  #welcome(welcome: Extract<ToRelay, { type: "welcome" }>, now: number): void {
    const key = fromBase64(welcome.ticketKey);
    const own: RelayId = this.#settings.identity.id;
    if (key === undefined || welcome.relay !== own) {
      this.#act({ do: "close" });
      this.#lose("the coordinator's welcome is for another relay", now);
      return;
    }
    this.#state = { is: "registered", heartbeatAt: now, pingAt: now + PING_INTERVAL_MS, heardAt: now };
    this.#failures = 0;
    this.#wasWelcome = true;
    this.#reason = "";
    this.#apply({ type: "ticket-key", key });
    this.#apply({ type: "relays", relays: welcome.relays });
    this.#apply({ type: "routes", upsert: welcome.routes, remove: [], replace: true });
    // A standing wish to drain is repeated after every welcome.
    this.#drainAsked = false;
    this.#drained();
    this.#act({ do: "registered", endpoints: welcome.endpoints });
  }

  #refuse(message: string, remedy: string, now: number): void {
    this.#act({ do: "close" });
    this.#reason = message;
    if (this.#wasWelcome) {
      // It was good enough once: go on forwarding and ask again, rarely.
      this.#failures = Number.MAX_SAFE_INTEGER;
      this.#lose(`refused: ${message}`, now);
      return;
    }
    this.#state = { is: "refused" };
    this.#act({ do: "refused", message, remedy });
  }

  #lose(reason: string, now: number): void {
    if (this.#state.is === "waiting" || this.#state.is === "refused" || this.#state.is === "stopped") return;
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 16));
    const retryMs = Math.round((most * (1 + this.#settings.random())) / 2);
    this.#failures++;
    this.#reason = reason;
    this.#state = { is: "waiting", until: now + retryMs };
    this.#act({ do: "lost", reason, retryMs });
  }

  #drained(): void {
    this.#apply({ type: "drain", draining: this.isDraining });
  }

  #apply(update: DataPlaneUpdate): void {
    this.#act({ do: "apply", update });
  }

  #act(action: RegistrationAction): void {
    this.#actions.push(action);
  }
}
