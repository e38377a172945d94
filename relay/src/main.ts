/** Puts the relay together: state, data plane, side channel, HTTP. Signals and flags are the command line's. */

import { totalmem } from "node:os";
import { channelUrl, checkProxies, nativePrimitives, type Primitives, sealerOf } from "@burrow/platform";
import {
  type Bytes,
  type Endpoint,
  type Place,
  type RelayHello,
  type RelayId,
  UserError,
} from "@burrow/protocol";
import { DEFAULT_LIMITS, type Limits } from "./core/limits.ts";
import type { DataPlaneUpdate } from "./core/updates.ts";
import { loadCertificate, type TlsFiles } from "./io/certificate.ts";
import { Channel } from "./io/channel.ts";
import type { DataPlane, OpenRelaySocket } from "./io/data-plane.ts";
import type { HttpServer, RelayView } from "./io/http.ts";
import { type Journal, openJournal } from "./io/journal.ts";
import { LoadReport } from "./io/load-report.ts";
import { log } from "./io/log.ts";
import { openDataPlane } from "./io/open-data-plane.ts";
import { SelfCheck } from "./io/self-check.ts";
import { openState, type RelayState } from "./io/state.ts";
import { openWebsocketDoor, type WebsocketDoor } from "./io/websocket-door.ts";

export { DEFAULT_LIMITS, type Limits, SMALL_LIMITS } from "./core/limits.ts";
export type { OpenRelaySocket } from "./io/data-plane.ts";

export const RELAY_VERSION = "0.1.0";
export const RELAY_PORT_DEFAULT = 21820;

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

export interface RelayConfig {
  readonly coordinatorUrl: string;
  /** Needed on the first registration only. */
  readonly token?: string | undefined;
  readonly region: string;
  readonly at?: Place | undefined;
  /** "0.0.0.0" and "::" both mean all addresses of both families. Port 0 for any free one. */
  readonly listen: ListenAddress;
  /** UDP ports beside that of `listen`, at the same address, for networks that let little else pass. Default none. */
  readonly furtherPorts?: readonly number[] | undefined;
  /** No HTTP when undefined. */
  readonly http: ListenAddress | undefined;
  /** Where others reach this relay; empty: the coordinator takes what it sees. */
  readonly advertise: readonly Endpoint[];
  /** WebSocket over TLS, for agents whose network blocks UDP. None when undefined. */
  readonly websocket?: WebsocketConfig | undefined;
  readonly stateDir: string;
  /** How long `stop` may wait for agents to move elsewhere before it closes the port. Default 0. */
  readonly drainMs?: number;
  /** Packet threads; more than the processors have cores is of no use. Default 1. */
  readonly threads?: number | undefined;
  /** Agents it says it has room for: the coordinator sends more elsewhere. Default: by the machine's memory. */
  readonly sessionsMax?: number | undefined;
  readonly openSocket?: OpenRelaySocket;
  /** Unix milliseconds. */
  readonly now?: () => number;
  readonly randomBytes?: (length: number) => Bytes;
  readonly limits?: Limits;
  /** Aborted: the start waits for the coordinator no longer. */
  readonly stopped?: AbortSignal;
}

export interface WebsocketConfig {
  readonly listen: ListenAddress;
  /** PEM files; without them the relay makes a certificate of its own, which the coordinator tells agents. */
  readonly tls?: TlsFiles | undefined;
  /** wss: URL at which others reach it, if not the address that the coordinator sees and this port. */
  readonly url?: string | undefined;
}

export interface RunningRelay {
  readonly id: RelayId;
  /** As the coordinator advertises them; before the first welcome, where the socket is bound. */
  readonly endpoints: readonly Endpoint[];
  readonly port: number;
  readonly httpUrl: string | undefined;
  readonly registered: boolean;
  /**
   * Resolves if the coordinator refuses the relay after the start, having been away until then: the relay should
   * stop and the error be shown. Never resolves otherwise.
   */
  readonly refused: Promise<UserError>;
  /** Sends agents elsewhere (false: takes them again). Packets go on flowing. */
  drain(draining?: boolean): void;
  stop(): Promise<void>;
}

/** No transport data for so long: all agents that have something to say say it elsewhere. */
const QUIET_MS = 1_000;
/** What an agent may take of the machine's memory: its part of the tables, and of what waits in sockets. */
const SESSION_BYTES = 32 * 1024;
/** Whoever waits longer is told for what. */
const PATIENCE_MS = 1_000;
/** Changes are written this often; what a welcome says, at once. */
const SAVE_INTERVAL_MS = 5_000;

/**
 * Starts a relay. Resolves when it is registered, or when the coordinator turns out to be away (tries go on). Rejects
 * with a UserError for whatever a person must mend: a taken port, a broken state file, a refused token.
 */
export async function startRelay(config: RelayConfig): Promise<RunningRelay> {
  checkProxies();
  const url = channelUrl(config.coordinatorUrl);
  const primitives = nativePrimitives();
  const state = await openState(config.stateDir, primitives);
  const relay = new Relay(config, url, state, primitives);
  try {
    await relay.start();
  } catch (error) {
    await relay.stop();
    throw error;
  }
  return relay;
}

class Relay implements RunningRelay, RelayView {
  readonly id: RelayId;
  readonly region: string;
  readonly version = RELAY_VERSION;
  readonly startedAtMs: number;
  readonly boot: number;
  readonly refused: Promise<UserError>;
  endpoints: readonly Endpoint[] = [];
  port = 0;

  readonly #config: RelayConfig;
  readonly #url: URL;
  readonly #state: RelayState;
  readonly #primitives: Primitives;
  readonly #random: (length: number) => Bytes;
  readonly #now: () => number;
  /** For tickets alone: they expire by the clock of the wall, which NTP may set after the machine's start. */
  readonly #unixNow: () => number;
  readonly #refuse: (error: UserError) => void;

  #plane: DataPlane | undefined;
  #channel: Channel | undefined;
  #journal: Journal | undefined;
  #check: SelfCheck | undefined;
  #http: HttpServer | undefined;
  #door: WebsocketDoor | undefined;
  #saver: ReturnType<typeof setInterval> | undefined;
  #firstTry = Promise.withResolvers<UserError | undefined>();
  #stopping: Promise<void> | undefined;
  /** The ticket key is known, from this life or an earlier one. */
  #mayServe = false;

  constructor(config: RelayConfig, url: URL, state: RelayState, primitives: Primitives) {
    this.#config = config;
    this.#url = url;
    this.#state = state;
    this.#primitives = primitives;
    this.#random = config.randomBytes ?? primitives.randomBytes;
    this.#now = config.now ?? steadyNow;
    this.#unixNow = config.now ?? Date.now;
    this.id = state.identity.id;
    this.boot = state.identity.boot;
    this.region = config.region;
    this.startedAtMs = Math.floor(this.#now());
    const refused = Promise.withResolvers<UserError>();
    this.refused = refused.promise;
    this.#refuse = refused.resolve;
  }

  get #sessionsMax(): number {
    const { sessionsMax, limits = DEFAULT_LIMITS } = this.#config;
    return Math.min(limits.sessionsMax, sessionsMax ?? Math.max(1, Math.floor(totalmem() / SESSION_BYTES)));
  }

  get httpUrl(): string | undefined {
    return this.#http?.url;
  }

  get registered(): boolean {
    return this.#channel?.registration.isRegistered ?? false;
  }

  get notRegisteredBecause(): string {
    return this.#channel?.registration.reason ?? "starting";
  }

  get draining(): boolean {
    return this.#channel?.registration.isDraining ?? false;
  }

  async start(): Promise<void> {
    const plane = await this.#startDataPlane();
    const websocket = await this.#openWebsocketDoor(plane);
    if (this.#config.http !== undefined) this.#http = await this.#serveHttp(this.#config.http);
    this.#channel = this.#openChannel(plane, websocket);
    this.#channel.start();
    this.#saver = setInterval(() => this.#save(), SAVE_INTERVAL_MS);
    const { stopped, coordinatorUrl: url } = this.#config;
    const endWait = () => this.#firstTry.resolve(undefined);
    if (stopped?.aborted === true) endWait();
    stopped?.addEventListener("abort", endWait);
    const timer = setTimeout(
      () => log.info("connecting to the coordinator at {url} …", { url }),
      PATIENCE_MS,
    );
    const refusal = await this.#firstTry.promise;
    clearTimeout(timer);
    stopped?.removeEventListener("abort", endWait);
    if (refusal !== undefined) throw refusal;
  }

  drain(draining = true): void {
    log.info(draining ? "draining: agents are told to bind elsewhere" : "no longer draining");
    this.#channel?.drain(draining);
  }

  async snapshot() {
    if (this.#plane === undefined) throw new Error("the data plane is not open");
    return await this.#plane.snapshot();
  }

  async checkHealth() {
    return (await this.#check?.check()) ?? { ok: false as const, reason: "starting" };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#saver);
    await this.#empty();
    this.#channel?.stop();
    await this.#http?.stop();
    await this.#door?.stop();
    await this.#plane?.close();
    await this.#journal?.close();
    await this.#save();
    await this.#state.close();
  }

  /** Make before break: agents are told to bind elsewhere, and served until their packets go there. */
  async #empty(): Promise<void> {
    const plane = this.#plane;
    const untilMs = performance.now() + (this.#config.drainMs ?? 0);
    if (plane === undefined || !this.registered || performance.now() >= untilMs) return;
    let before = await plane.snapshot();
    if (before.forwarder.sessions === 0) return;
    this.drain();
    while (performance.now() < untilMs) {
      await Bun.sleep(QUIET_MS);
      const now = await plane.snapshot();
      if (now.forwarder.sessions === 0 || now.forwarder.transports === before.forwarder.transports) return;
      before = now;
    }
    log.warn("agents still send packets here after {drainMs} ms; stopping", {
      drainMs: this.#config.drainMs,
    });
  }

  async #startDataPlane(): Promise<DataPlane> {
    const { identity, remembered } = this.#state;
    const sealer = sealerOf(this.#primitives);
    const selfKey = this.#random(32);
    const eraBegins = () => this.#plane?.update({ type: "era" });
    this.#journal = await openJournal(this.#config.stateDir, this.#now, eraBegins);
    const plane = await openDataPlane({
      identity,
      initial: [...remembered, { type: "recall", records: this.#journal.recalled }],
      selfKey,
      listen: this.#config.listen,
      furtherPorts: this.#config.furtherPorts ?? [],
      openSocket: this.#config.openSocket,
      threads: this.#config.threads,
      primitives: this.#primitives,
      random: this.#random,
      now: this.#now,
      unixNow: this.#unixNow,
      limits: this.#config.limits ?? DEFAULT_LIMITS,
      onLearned: (records) => this.#journal?.append(records),
      onClosedPort: (port, problem) => {
        log.info("does without UDP port {port}: {problem}", { port, problem });
      },
      onEvent: ({ kind, party, reason }) => log.debug("{party} {kind}: {reason}", { kind, party, reason }),
    });
    this.#plane = plane;
    this.port = plane.port;
    this.endpoints = plane.local;
    this.#mayServe = remembered.length > 0;
    const [local] = plane.local;
    if (local !== undefined) {
      const clocks = { now: this.#now, unixNow: this.#unixNow };
      this.#check = new SelfCheck({
        relay: this.id,
        selfKey,
        local,
        sealer,
        random: this.#random,
        ...clocks,
      });
    }
    const { furtherPorts } = plane;
    log.info(`relay {id} listens on {local}${furtherPorts.length === 0 ? "" : ", and on ports {further}"}`, {
      id: this.id,
      local: plane.local.join(" and "),
      ...(furtherPorts.length === 0 ? {} : { further: furtherPorts.join(" and ") }),
    });
    return plane;
  }

  /** Its libraries are loaded only now: packets flow already. */
  async #serveHttp(listen: ListenAddress): Promise<HttpServer> {
    const [{ serveHttp }, { Metrics }] = await Promise.all([
      import("./io/http.ts"),
      import("./io/metrics.ts"),
    ]);
    return serveHttp(listen, this, new Metrics());
  }

  async #openWebsocketDoor(plane: DataPlane): Promise<RelayHello["websocket"]> {
    const wanted = this.#config.websocket;
    const [first, ...others] = plane.local;
    if (wanted === undefined || first === undefined) return undefined;
    const certificate = await loadCertificate(wanted.tls, this.#config.stateDir);
    this.#door = openWebsocketDoor({ listen: wanted.listen, certificate, local: [first, ...others] });
    const { port } = this.#door;
    log.info("takes WebSocket over TLS on port {port}", { port });
    return { url: wanted.url, port, certificate: certificate.isOwn ? certificate.certificate : undefined };
  }

  #openChannel(plane: DataPlane, websocket: RelayHello["websocket"]): Channel {
    const { token, region, at, advertise } = this.#config;
    const load = new LoadReport(plane, this.#sessionsMax);
    return new Channel({
      url: this.#url,
      identity: this.#state.identity,
      token,
      region,
      at,
      advertise,
      websocket,
      port: plane.port,
      furtherPorts: plane.furtherPorts,
      version: RELAY_VERSION,
      agreement: (privateKey, publicKey) => this.#primitives.x25519(privateKey, publicKey),
      random: () => new DataView(this.#random(4).slice().buffer).getUint32(0) / 2 ** 32,
      now: this.#now,
      load: (now) => load.take(now),
      reach: () => load.takeReach(),
      apply: (update) => this.#apply(plane, update),
      registered: (endpoints) => this.#registered(endpoints),
      lost: (reason, retryMs) => this.#lost(reason, retryMs),
      refused: (error) => {
        log.error("{problem} ({remedy})", {
          problem: error.message.replace(/\.$/, ""),
          remedy: error.remedy,
        });
        this.#firstTry.resolve(error);
        this.#refuse(error);
      },
    });
  }

  #apply(plane: DataPlane, update: DataPlaneUpdate): void {
    plane.update(update);
    this.#state.note(update);
    this.#mayServe = true;
  }

  #registered(endpoints: readonly Endpoint[]): void {
    if (endpoints.length > 0) this.endpoints = endpoints;
    log.info("registered with {host} as {id}, reached at {endpoints}", {
      host: this.#url.host,
      id: this.id,
      endpoints: this.endpoints.join(" and "),
    });
    void this.#save();
    this.#firstTry.resolve(undefined);
  }

  #lost(reason: string, retryMs: number): void {
    const { host } = this.#url;
    if (this.#mayServe) {
      log.warn("coordinator {host}: {reason}; next try in {retryMs} ms, packets flow meanwhile", {
        host,
        reason,
        retryMs,
      });
    } else {
      log.warn(
        "coordinator {host}: {reason}; next try in {retryMs} ms, no agent can bind before it answers",
        {
          host,
          reason,
          retryMs,
        },
      );
    }
    this.#firstTry.resolve(undefined);
  }

  async #save(): Promise<void> {
    try {
      await this.#state.save();
    } catch (error) {
      const problem = error instanceof UserError ? `${error.message}; ${error.remedy}` : String(error);
      log.warn("what the coordinator said is not on disk: {problem}", { problem });
    }
  }
}

/** Unix milliseconds that no one sets back: the wall clock at the start, and the time since. */
function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}
