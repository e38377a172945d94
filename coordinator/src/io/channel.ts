/**
 * The side channel: WebSockets of agents and relays. Challenge, hello with proof, then messages by schema. What a
 * message means is the mesh's business; here it is only checked, counted and handed over.
 */
import {
  type AgentId,
  CLIENT_MESSAGE_BYTES_MAX,
  CloseCode,
  type Endpoint,
  fromAgent,
  fromRelay,
  HELLO_TIMEOUT_MS,
  hello as helloSchema,
  hostOf,
  type Problem,
  parseMessage,
  type RelayId,
  type ToAgent,
  type ToRelay,
} from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Server, WebSocketHandler } from "bun";
import type { GeoResolver } from "../core/geo.ts";
import type { RandomBytes } from "../core/ticket-office.ts";
import {
  type Admitted,
  admit,
  type Challenge,
  challengeMessage,
  type KeyAgreement,
  makeChallenge,
  provesKey,
} from "./admission.ts";
import { isLoopback } from "./client-address.ts";
import { BYTE_LIMIT, Connection, MESSAGE_LIMIT, type Socket } from "./connection.ts";
import type { Metrics } from "./metrics.ts";
import { Rivals } from "./rivals.ts";
import type { Post, Shell } from "./shell.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["burrow", "coordinator", "channel"]);

/** Bun pings half way; a peer that answers neither is gone. */
const IDLE_TIMEOUT_S = 60;
/** Welcome to a network of 20,000 is about 5 MB; a client that reads nothing is dropped when this much waits. */
const UNSENT_BYTES_MAX = 32 * 1024 * 1024;
/** Strangers cost memory and an X25519 key each: no more of them at a time. */
export const STRANGERS_MAX = 10_000;
/** Of them from one address, or /64 of IPv6: a proof takes one round trip, so that a whole office fits. */
export const STRANGERS_PER_HOST_MAX = 64;
/** Messages that may wait while a hello is with the store. */
const WAITING_MAX = 64;

/** Bun closes by itself on messages past the limit; to this side it gives no code of its own, only these words. */
const TOO_BIG = "Received too big message";

export interface ChannelParts {
  readonly shell: Shell;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly geo: GeoResolver | undefined;
  readonly keys: KeyAgreement;
  readonly random: RandomBytes;
}

const PROOF_WRONG: Problem = {
  code: "proof-wrong",
  message: "The proof does not fit the key and the challenge.",
  remedy:
    "Check that this version of burrow speaks the coordinator's protocol and that its key file is whole.",
};
const TOO_MANY: Problem = {
  code: "too-many-messages",
  message: `More than ${MESSAGE_LIMIT.perSecond} messages or ${BYTE_LIMIT.perSecond / 1024} KB a second; this one was dropped.`,
  remedy: "Slow down.",
};
const STORE_UNAVAILABLE: Problem = {
  code: "store-unavailable",
  message: "The coordinator cannot store anything at the moment.",
  remedy: "Nothing was changed. Try again; operators: see the coordinator's log and /readyz.",
};

export class Channel implements Post {
  readonly handler: WebSocketHandler<Connection>;
  readonly #parts: ChannelParts;
  readonly #agents = new Map<AgentId, Socket>();
  readonly #relays = new Map<RelayId, Socket>();
  readonly #sockets = new Set<Socket>();
  #strangers = 0;
  readonly #strangersOf = new Map<string, number>();
  readonly #rivals = new Rivals();
  #stopped = false;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
    this.handler = {
      maxPayloadLength: CLIENT_MESSAGE_BYTES_MAX,
      idleTimeout: IDLE_TIMEOUT_S,
      sendPings: true,
      backpressureLimit: UNSENT_BYTES_MAX,
      closeOnBackpressureLimit: true,
      perMessageDeflate: false,
      open: (socket) => this.#opened(socket),
      message: (socket, message) => this.#received(socket, message),
      close: (socket, _code, reason) => this.#closed(socket, reason),
    };
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Answers an upgrade request; undefined when it became a WebSocket. */
  upgrade(
    request: Request,
    server: Server<Connection>,
    address: string,
  ): "upgraded" | "crowded" | "not-websocket" {
    if (this.#strangers >= STRANGERS_MAX) return "crowded";
    const host = strangersHost(address);
    const ofHost = host === undefined ? 0 : (this.#strangersOf.get(host) ?? 0);
    if (ofHost >= STRANGERS_PER_HOST_MAX) return "crowded";
    const data = new Connection(address, this.#parts.shell.now);
    return server.upgrade(request, { data }) ? "upgraded" : "not-websocket";
  }

  toAgent(agent: AgentId, text: string): boolean {
    return this.#agents.get(agent)?.sendText(text) !== undefined;
  }

  toRelay(relay: RelayId, text: string): boolean {
    return this.#relays.get(relay)?.sendText(text) !== undefined;
  }

  /** Ends the channel of an agent that was revoked. */
  endAgent(agent: AgentId): void {
    const socket = this.#agents.get(agent);
    if (socket === undefined) return;
    this.#end(socket, CloseCode.revoked, {
      code: "revoked",
      message: "An operator has removed this agent.",
      remedy: "To join again, start with an empty state directory (--state) and a new token.",
    });
  }

  /** Ends the channel of a relay that was removed. */
  endRelay(relay: RelayId): void {
    const socket = this.#relays.get(relay);
    if (socket === undefined) return;
    this.#end(socket, CloseCode.revoked, {
      code: "removed",
      message: "An operator has removed this relay.",
      remedy: "Stop it; or, to register it again, give it a new token with --token-file.",
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const socket of this.#sockets) {
      clearTimeout(socket.data.helloTimer);
      socket.close(CloseCode.goingAway, "the coordinator stops");
    }
  }

  // ── the life of a socket ──

  #opened(socket: Socket): void {
    const challenge = makeChallenge(this.#parts.keys, this.#parts.random);
    socket.data.state = { kind: "challenged", challenge };
    this.#sockets.add(socket);
    this.#countStranger(socket, 1);
    socket.data.helloTimer = setTimeout(() => {
      this.#parts.metrics.messagesRefused.inc({ reason: "hello-timeout" });
      this.#end(socket, CloseCode.policyViolation, {
        code: "hello-timeout",
        message: `No hello within ${HELLO_TIMEOUT_MS / 1000} s.`,
        remedy: "Connect again and answer the challenge at once.",
      });
    }, HELLO_TIMEOUT_MS);
    this.#send(socket, challengeMessage(challenge));
  }

  #received(socket: Socket, message: string | Buffer): void {
    const connection = socket.data;
    const { shell } = this.#parts;
    const { now } = shell;
    // Characters are as good as bytes here.
    if (!connection.messages.take(now) || !connection.bytes.take(now, message.length)) {
      this.#refuse(socket, "too-many", TOO_MANY);
      return;
    }
    if (typeof message !== "string") {
      this.#refuse(socket, "binary", bad("binary messages are not part of this protocol"));
      return;
    }
    switch (connection.state.kind) {
      case "challenged":
        this.#hello(socket, connection.state.challenge, message);
        break;
      case "enrolling":
        if (connection.state.waiting.length < WAITING_MAX) connection.state.waiting.push(message);
        else this.#refuse(socket, "too-early", bad("too many messages before the welcome"));
        break;
      case "agent":
        this.#agentSaid(socket, connection.state.id, message);
        break;
      case "relay":
        this.#relaySaid(socket, connection.state.id, message);
        break;
      case "ended":
        break;
    }
  }

  #closed(socket: Socket, reason: string): void {
    const { state, helloTimer } = socket.data;
    clearTimeout(helloTimer);
    this.#sockets.delete(socket);
    this.#noLongerStranger(socket);
    if (reason === TOO_BIG) this.#parts.metrics.messagesRefused.inc({ reason: "too-large" });
    socket.data.state = { kind: "ended" };
    if (this.#stopped) return;
    if (state.kind === "agent" && this.#agents.get(state.id) === socket) {
      this.#agents.delete(state.id);
      this.#parts.shell.run((mesh, now) => mesh.agentDisconnected(state.id, now));
    }
    if (state.kind === "relay" && this.#relays.get(state.id) === socket) {
      this.#relays.delete(state.id);
      this.#parts.shell.run((mesh) => mesh.relayDisconnected(state.id));
    }
  }

  // ── hello ──

  #hello(socket: Socket, challenge: Challenge, text: string): void {
    const parsed = parseMessage(helloSchema, text);
    if (!parsed.ok) {
      this.#parts.metrics.messagesRefused.inc({ reason: "not-hello" });
      this.#end(
        socket,
        CloseCode.policyViolation,
        bad(`the first message must be a hello (${parsed.problem})`),
      );
      return;
    }
    const { message } = parsed;
    if (!provesKey(this.#parts.keys, challenge, message)) {
      this.#turnAway(socket, message.role, PROOF_WRONG);
      return;
    }
    const waiting: string[] = [];
    socket.data.state = { kind: "enrolling", waiting };
    clearTimeout(socket.data.helloTimer);
    const { store, random, shell } = this.#parts;
    const admission = {
      store,
      random,
      isHeldByOther: (endpoint: Endpoint, than: RelayId) => shell.mesh.relays.isHeldByOther(endpoint, than),
      address: socket.data.address,
      now: shell.unixNow,
    };
    admit(message, admission, (outcome) => {
      if (socket.data.state.kind !== "enrolling") return;
      if (outcome.kind === "refused") this.#turnAway(socket, message.role, outcome);
      else this.#letIn(socket, outcome);
      for (const text of waiting) this.#received(socket, text);
    }).catch((cause: unknown) => {
      this.#parts.metrics.storeFailures.inc({ what: "enrolment" });
      log.error("an enrolment failed: {problem}", { problem: String(cause) });
      this.#end(socket, CloseCode.tryAgainLater, STORE_UNAVAILABLE);
    });
  }

  #letIn(socket: Socket, admitted: Admitted): void {
    const { metrics } = this.#parts;
    this.#noLongerStranger(socket);
    metrics.connected.inc({ role: admitted.kind });
    if (admitted.isNew) metrics.enrolled.inc({ role: admitted.kind });
    if (admitted.kind === "agent") this.#agentArrived(socket, admitted);
    else this.#relayArrived(socket, admitted);
  }

  #agentArrived(socket: Socket, admitted: Extract<Admitted, { kind: "agent" }>): void {
    const { shell, geo } = this.#parts;
    const { record, network, acceptsOutside } = admitted;
    const { address } = socket.data;
    socket.data.state = { kind: "agent", id: record.id };
    this.#replace("agent", this.#agents.get(record.id), socket, record);
    this.#agents.set(record.id, socket);
    const location = geo?.(address);
    log.info("agent {agent} ({name}) connected from {address}, {place}", {
      agent: record.id,
      name: record.name,
      address,
      place: location?.label ?? "place unknown",
    });
    const found = { address, location, attribution: geo?.attribution, acceptsOutside };
    shell.run((mesh, now) => mesh.agentConnected(record, network, { connectedSinceMs: now, ...found }, now));
  }

  #relayArrived(socket: Socket, { record }: Extract<Admitted, { kind: "relay" }>): void {
    socket.data.state = { kind: "relay", id: record.id };
    this.#replace("relay", this.#relays.get(record.id), socket, { id: record.id, name: record.region });
    this.#relays.set(record.id, socket);
    log.info("relay {relay} ({region}) connected from {address}", {
      relay: record.id,
      region: record.region,
      address: socket.data.address,
    });
    this.#parts.shell.run((mesh, now) => mesh.relayConnected(record, now));
  }

  /** One channel per key: a newer one replaces the older, which may be a corpse that nobody has noticed yet. */
  #replace(
    role: "agent" | "relay",
    older: Socket | undefined,
    newer: Socket,
    of: { readonly id: string; readonly name: string },
  ): void {
    if (older === undefined) return;
    this.#parts.metrics.replaced.inc({ role });
    if (this.#rivals.replaced(of.id, this.#parts.shell.now)) {
      log.warn(
        "{role} {id} ({name}) connects by turns from {older} and {newer}: two machines or processes have one identity; one of them needs an empty state directory and a token of its own",
        { role, id: of.id, name: of.name, older: older.data.address, newer: newer.data.address },
      );
    }
    older.data.state = { kind: "ended" };
    this.#end(older, CloseCode.replaced, {
      code: "replaced",
      message: `Another connection has proven the key of this ${role}.`,
      remedy: `If that was not this ${role} itself, two processes share one state directory: give each its own.`,
    });
  }

  #turnAway(socket: Socket, role: "agent" | "relay", problem: Problem): void {
    this.#parts.metrics.hellosRefused.inc({ role, code: problem.code });
    log.info("refused {role} from {address}: {code}", {
      role,
      address: socket.data.address,
      code: problem.code,
    });
    this.#end(socket, CloseCode.policyViolation, problem);
  }

  // ── messages of those who are in ──

  #agentSaid(socket: Socket, id: AgentId, text: string): void {
    const parsed = parseMessage(fromAgent, text);
    if (!parsed.ok) {
      this.#refuse(socket, "schema", bad(parsed.problem));
      return;
    }
    this.#parts.metrics.messagesIn.inc({ from: "agent", type: parsed.message.type });
    this.#parts.shell.run((mesh, now) => mesh.agentSaid(id, parsed.message, now));
  }

  #relaySaid(socket: Socket, id: RelayId, text: string): void {
    const parsed = parseMessage(fromRelay, text);
    if (!parsed.ok) {
      this.#refuse(socket, "schema", bad(parsed.problem));
      return;
    }
    this.#parts.metrics.messagesIn.inc({ from: "relay", type: parsed.message.type });
    this.#parts.shell.run((mesh, now) => mesh.relaySaid(id, parsed.message, now));
  }

  // ── answers ──

  /** Counted always, answered within limits, and the channel goes on. */
  #refuse(socket: Socket, reason: string, problem: Problem): void {
    this.#parts.metrics.messagesRefused.inc({ reason });
    if (socket.data.state.kind === "challenged") this.#end(socket, CloseCode.policyViolation, problem);
    else if (socket.data.errors.take(this.#parts.shell.now)) this.#sendError(socket, problem);
  }

  #end(socket: Socket, code: CloseCode, problem: Problem): void {
    this.#sendError(socket, problem);
    clearTimeout(socket.data.helloTimer);
    const { state } = socket.data;
    // Still the owner of its agent or relay until it is closed, except when a newer one has replaced it.
    if (state.kind === "challenged" || state.kind === "enrolling") {
      this.#noLongerStranger(socket);
      socket.data.state = { kind: "ended" };
    }
    socket.close(code, problem.code);
  }

  #noLongerStranger(socket: Socket): void {
    const { kind } = socket.data.state;
    if (kind === "challenged" || kind === "enrolling") this.#countStranger(socket, -1);
  }

  #countStranger(socket: Socket, change: 1 | -1): void {
    this.#strangers += change;
    const host = strangersHost(socket.data.address);
    if (host === undefined) return;
    const count = (this.#strangersOf.get(host) ?? 0) + change;
    if (count === 0) this.#strangersOf.delete(host);
    else this.#strangersOf.set(host, count);
  }

  #sendError(socket: Socket, { code, message, remedy }: Problem): void {
    this.#send(socket, { type: "error", code, message, remedy });
  }

  #send(socket: Socket, message: ToAgent | ToRelay): void {
    socket.sendText(JSON.stringify(message));
  }
}

/** Who shares a limit; undefined for this machine itself, where a proxy may speak for all the world. */
function strangersHost(address: string): string | undefined {
  return isLoopback(address) ? undefined : hostOf(address);
}

function bad(problem: string): Problem {
  return {
    code: "bad-message",
    message: `The message was not understood: ${problem}.`,
    remedy: "Check that client and coordinator are of versions that fit together.",
  };
}
