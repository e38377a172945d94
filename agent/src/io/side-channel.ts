/**
 * The WebSocket to the coordinator: connects, proves the key, hands messages over, and tries again for ever with
 * growing, jittered pauses. Packets never wait for it.
 */
import {
  ChannelSocket,
  type ChannelSocketEvents,
  channelUrl,
  type LocalAddress,
  type LocalNetwork,
  localNetwork,
  type Primitives,
  watchNetwork,
} from "@burrow/platform";
import {
  type AgentHello,
  answerChallenge,
  CloseCode,
  type FromAgent,
  HELLO_TIMEOUT_MS,
  parseMessage,
  type ToAgent,
  toAgent,
  UserError,
} from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Identity } from "./identity.ts";
import { type Rival, Rivalry } from "./rivalry.ts";

const log = getLogger(["burrow", "agent", "channel"]);

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 15_000;
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

/** The coordinator does not let this agent in, or no longer. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** For those who start an agent that the coordinator has removed. */
export class Refused extends UserError {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`the coordinator refuses this agent: ${refusal.message}`, refusal.remedy);
    this.refusal = refusal;
  }
}

export interface ChannelState {
  readonly state: "connecting" | "up" | "down";
  readonly sinceMs: number;
  readonly problem: string | undefined;
  /** When `down` for a reason that more tries do not mend. */
  readonly refusal?: Refusal | undefined;
  /** Another machine has proven this agent's key within the last minutes. */
  readonly rival?: Rival | undefined;
}

/** Errors that say nothing of whether the agent is wanted. */
const PASSING: ReadonlySet<string> = new Set([
  "replaced",
  "store-unavailable",
  "hello-timeout",
  "bad-message",
  "too-many-messages",
  "peer-unknown",
]);

export class SideChannel {
  readonly #options: SideChannelOptions;
  #socket: ChannelSocket | undefined;
  #state: ChannelState = { state: "connecting", sinceMs: Date.now(), problem: undefined };
  #pauseMs = BACKOFF_MIN_MS;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #lastHeardMs = 0;
  readonly #rivalry = new Rivalry();
  /** Thrown out by a rival: whatever changes here, the next connection waits its time. */
  #isKeptAway = false;
  #network = localNetwork();
  readonly #watcher: { close(): void };

  constructor(options: SideChannelOptions) {
    this.#options = options;
    this.#connect();
    this.#watcher = watchNetwork((network) => this.#networkChanged(network));
  }

  get state(): ChannelState {
    return { ...this.#state, rival: this.#rivalry.at(Date.now()) };
  }

  /** Why it is not up, as far as is known while it is being tried. */
  get obstacle(): string | undefined {
    return this.#state.problem ?? (this.#state.state === "up" ? undefined : this.#socket?.obstacle);
  }

  /** False when the channel is not up: the message is then lost. */
  send(message: FromAgent): boolean {
    if (this.#state.state !== "up" || this.#socket?.isOpen !== true) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    this.#watcher.close();
    this.#socket?.close();
  }

  #connect(): void {
    this.#socket?.abandon();
    this.#isKeptAway = false;
    const startedMs = Date.now();
    this.#lastHeardMs = startedMs;
    let told: Refusal | undefined;
    const events: ChannelSocketEvents = {
      text: (text) => {
        this.#lastHeardMs = Date.now();
        told = this.#received(socket, text);
      },
      closed: (problem, code) => {
        if (code === CloseCode.replaced) this.#replaced(told);
        else this.#lost(told?.message ?? problem ?? "the coordinator closed the connection", told);
      },
    };
    const socket = new ChannelSocket(channelUrl(this.#options.url), events, this.#options.headers);
    this.#socket = socket;
    clearInterval(this.#watch);
    this.#watch = setInterval(() => {
      const isLate = this.#state.state !== "up" && Date.now() - startedMs > HELLO_TIMEOUT_MS;
      if (isLate || Date.now() - this.#lastHeardMs > SILENCE_MAX_MS) {
        socket.abandon();
        this.#lost(socket.obstacle ?? "the coordinator does not answer");
      } else this.send({ type: "ping" });
    }, PING_INTERVAL_MS);
  }

  /** Another channel has proven the same key. */
  #replaced(told: Refusal | undefined): void {
    const now = Date.now();
    const { state, sinceMs } = this.#state;
    const pauseMs = this.#rivalry.lost(state === "up" ? sinceMs : now, now, Math.random());
    clearInterval(this.#watch);
    this.#isKeptAway = true;
    this.#enter("down", told?.message ?? "Another connection has proven this agent's key.");
    this.#retry = setTimeout(() => this.#connect(), pauseMs);
  }

  /** `told`: the coordinator's error, if that was its last word. */
  #lost(problem: string, told?: Refusal): void {
    clearInterval(this.#watch);
    this.#enter("down", problem, told !== undefined && !PASSING.has(told.code) ? told : undefined);
    const pauseMs = this.#pauseMs * (0.5 + Math.random());
    this.#pauseMs = Math.min(2 * this.#pauseMs, BACKOFF_MAX_MS);
    this.#retry = setTimeout(() => this.#connect(), pauseMs);
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
    if (this.#isKeptAway || (!isRerouted && addresses.every(isThere))) return;
    clearTimeout(this.#retry);
    this.#pauseMs = BACKOFF_MIN_MS;
    this.#enter("connecting", undefined);
    this.#connect();
  }

  /** Handles one text. Returns the error that the coordinator tells, if it is one. */
  #received(socket: ChannelSocket, text: string): Refusal | undefined {
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
    return message.type === "error" ? message : undefined;
  }

  #prove(socket: ChannelSocket, challenge: Extract<ToAgent, { type: "challenge" }>): void {
    const { identity, primitives, hello } = this.#options;
    const answer = answerChallenge(challenge, identity, primitives.x25519);
    if (answer === undefined) {
      socket.abandon();
      return this.#lost("the coordinator's challenge is of no use");
    }
    const message: AgentHello = { type: "hello", role: "agent", ...answer, ...hello };
    socket.send(JSON.stringify(message));
  }

  #enter(state: ChannelState["state"], problem: string | undefined, told?: Refusal): void {
    if (this.#state.state === state && this.#state.problem === problem) return;
    const refusal = told && { code: told.code, message: told.message, remedy: told.remedy };
    this.#state = { state, sinceMs: Date.now(), problem, refusal };
    this.#options.onState(this.state);
  }
}
