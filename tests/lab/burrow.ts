/**
 * Burrow's daemons in the hosts of a lab, started and asked by the real command. The only place of the lab that knows
 * flags and the shapes of `--json`.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RateName } from "@burrow/protocol";
import { type Bench, CheckError } from "./case.ts";
import type { Host } from "./host.ts";
import type { LabProcess } from "./process.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const BURROW = [process.execPath, join(ROOT, "cli/src/main.ts")] as const;

const COORDINATOR_PORT = 8080;
export const RELAY_PORT = 21820;
const RELAY_HTTP = "127.0.0.1:8090";
/** WebSocket on TLS, for agents whose network blocks UDP. */
const RELAY_WSS_PORT = 443;

export interface PathView {
  kind: "direct" | "relay" | "none";
  endpoint?: string;
  /** The relay's id, and the region it is in. */
  relay?: string;
  region?: string;
  rttMs?: number;
  /** Unix time, in ms, since when it is this one. */
  sinceMs?: number;
  reason?: string;
}

// As much of the documented shapes as cases read.
interface PeerView {
  id: string;
  name: string;
  ipv4: string;
  path?: PathView;
}

interface StatusView {
  id: string;
  name: string;
  ipv4: string;
  ipv6: string;
  publicKey: string;
  home?: { relay: string; region?: string };
  homeMoves: number;
  standby?: { relay: string; region?: string };
}

/** One path that was tried. */
export interface AttemptView {
  kind: PathView["kind"];
  endpoint?: string;
  relay?: string;
  region?: string;
  origin: string;
  state: string;
  inUse: boolean;
  sent: number;
  acked: number;
  /** The largest packet that it is known to carry inside the tunnel. */
  mtuBytes?: number;
}

/** What `burrow why PEER --json` prints. */
export interface WhyView {
  peer: { path: PathView };
  reasons: { atMs: number; event: string; detail: string }[];
  attempts: AttemptView[];
}

/** As much as cases read of what `burrow netcheck --json` prints. */
export interface NetcheckView {
  natMapping: string;
  natPorts?: { order: string };
  hairpin?: boolean;
  portMapping: { state: string; gateway?: string; protocol?: string; outside?: string };
}

export interface RelayOptions {
  /** The address it listens on, for UDP and for WebSocket: IPv4 alone unless said. */
  listen?: string;
  /** It takes agents in by WebSocket, too. */
  websocket?: boolean;
  /** How others reach it, where that is more than the coordinator sees. */
  advertise?: readonly string[];
  /** Where it stands: "51.5,-0.1". */
  at?: string;
}

export interface JoinOptions {
  url: string;
  token: string;
  device?: string;
  /** Further flags. */
  more?: readonly string[];
}

/** As much as cases read of what `burrow relays --json` prints on one. */
export interface RelayView {
  region: string;
  state: string;
  home: boolean;
  standby: boolean;
  bound: boolean;
  endpoint?: string;
  transport?: "udp" | "websocket";
}

/** A running `burrow` with a state directory of its own. */
class Daemon {
  readonly host: Host;
  readonly state: string;
  process: LabProcess;
  readonly #start: () => LabProcess;

  constructor(bench: Bench, host: Host, label: string, args: readonly string[]) {
    this.host = host;
    this.state = join(bench.lab.directory, "state", label);
    mkdirSync(this.state, { recursive: true, mode: 0o700 });
    const command = [...BURROW, ...args, "--state", this.state];
    this.#start = () => host.namespace.spawn(command, { label, cwd: ROOT });
    this.process = this.#start();
  }

  get running(): boolean {
    return this.process.running;
  }

  /** Starts it again with the same state, after {@link kill}. */
  restart(): void {
    this.process = this.#start();
  }

  /** For probes that wait for it: a daemon that has ended will not come up. */
  mustRun(): void {
    if (this.running) return;
    const lastWords = this.process.text("stderr").trim() || "nothing";
    throw new CheckError(`${this.process.label} has ended; it said: ${lastWords.slice(-300)}`);
  }

  /** Ends it without a chance to say goodbye. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited();
  }

  /** Runs `burrow ARGS --json` beside it and parses what it prints. */
  protected async ask<Answer>(args: readonly string[]): Promise<Answer> {
    const command = [...BURROW, ...args, "--state", this.state, "--json"];
    const { stdout } = await this.host.namespace.run(command, { cwd: ROOT });
    return JSON.parse(stdout) as Answer;
  }
}

interface CoordinatorSettings {
  readonly geoip?: string;
  /** What each agent may send through a relay. */
  readonly agentRate?: RateName;
}

export class CoordinatorDaemon extends Daemon {
  readonly url: string;
  /** The same door for those that have IPv6 alone; `url` again where its host has no address of that kind. */
  readonly url6: string;

  constructor(bench: Bench, host: Host, options: CoordinatorSettings = {}) {
    const { address, address6 } = host;
    const listen = address6 === undefined ? `${address}:${COORDINATOR_PORT}` : `[::]:${COORDINATOR_PORT}`;
    const geoip = options.geoip === undefined ? [] : ["--geoip", options.geoip];
    const rate = options.agentRate === undefined ? [] : ["--agent-rate", options.agentRate];
    super(bench, host, "coordinator", ["coordinator", "--listen", listen, ...geoip, ...rate]);
    this.url = `http://${address}:${COORDINATOR_PORT}`;
    this.url6 = address6 === undefined ? this.url : `http://[${address6}]:${COORDINATOR_PORT}`;
  }

  static async start(
    bench: Bench,
    host: Host,
    options: CoordinatorSettings = {},
  ): Promise<CoordinatorDaemon> {
    const coordinator = new CoordinatorDaemon(bench, host, options);
    await bench.until("the coordinator is ready", async () => {
      coordinator.mustRun();
      await coordinator.get("/readyz");
      return true;
    });
    return coordinator;
  }

  async token(whom: "agent" | "relay", uses = 1): Promise<string> {
    const command = ["token", "create", "--for", whom, "--uses", String(uses)];
    const { token } = await this.ask<{ token: string }>(command);
    return token;
  }

  /** `burrow relay drain`, or its `--undo`. */
  async drain(relay: string, undo = false): Promise<void> {
    await this.ask(["relay", "drain", relay, ...(undo ? ["--undo"] : [])]);
  }

  /** The body of an HTTP GET, asked from the coordinator's own host. */
  async get(path: string): Promise<string> {
    const { stdout } = await this.host.namespace.run([
      "curl",
      "-sS",
      "--fail",
      "--max-time",
      "3",
      this.url + path,
    ]);
    return stdout;
  }
}

export class RelayDaemon extends Daemon {
  readonly region: string;

  private constructor(bench: Bench, host: Host, region: string, args: readonly string[]) {
    super(bench, host, `relay-${region}`, args);
    this.region = region;
  }

  static async start(
    bench: Bench,
    coordinator: CoordinatorDaemon,
    host: Host,
    region: string,
    options: RelayOptions = {},
  ): Promise<RelayDaemon> {
    const join = ["--coordinator", coordinator.url, "--token", await coordinator.token("relay")];
    const { listen = "0.0.0.0", websocket = false, advertise = [] } = options;
    const doors = ["--listen", `${listen}:${RELAY_PORT}`, "--http", RELAY_HTTP];
    if (websocket) doors.push("--wss", `${listen}:${RELAY_WSS_PORT}`);
    for (const endpoint of advertise) doors.push("--advertise", endpoint);
    if (options.at !== undefined) doors.push("--at", options.at);
    const command = ["relay", ...join, "--region", region, ...doors];
    const relay = new RelayDaemon(bench, host, region, command);
    await bench.until(`relay ${region} is ready`, async () => {
      relay.mustRun();
      await relay.#http("/readyz");
      return true;
    });
    return relay;
  }

  /** Whether the relay itself thinks that packets pass: it sends itself one. */
  async isHealthy(): Promise<boolean> {
    return this.#http("/healthz").then(
      () => true,
      () => false,
    );
  }

  /** Asks it, on its own machine and so without a coordinator, to send its agents away, or to take some again. */
  async drain(draining: boolean): Promise<void> {
    await this.#http("/v1/drain", "-d", JSON.stringify({ draining }));
  }

  async #http(path: string, ...options: readonly string[]): Promise<string> {
    const command = ["curl", "-sS", "--fail", "--max-time", "3", ...options, `http://${RELAY_HTTP}${path}`];
    return (await this.host.namespace.run(command)).stdout;
  }
}

export class AgentDaemon extends Daemon {
  readonly name: string;
  /** The address in the mesh. */
  address = "";

  private constructor(bench: Bench, host: Host, name: string, args: readonly string[]) {
    super(bench, host, `agent-${name}`, args);
    this.name = name;
  }

  static async start(
    bench: Bench,
    coordinator: CoordinatorDaemon,
    host: Host,
    name: string,
    device = "tun:bur0",
    more: readonly string[] = [],
  ): Promise<AgentDaemon> {
    const token = await coordinator.token("agent");
    return AgentDaemon.join(bench, host, name, { url: coordinator.url, token, device, more });
  }

  /** The same with a token that is there already, or at another door of the coordinator. */
  static async join(bench: Bench, host: Host, name: string, options: JoinOptions): Promise<AgentDaemon> {
    const { url, token, device = "tun:bur0", more = [] } = options;
    const join = ["--coordinator", url, "--token", token];
    const args = ["up", ...join, "--name", name, "--device", device, ...more];
    const agent = new AgentDaemon(bench, host, name, args);
    const { answer } = await bench.until(`agent ${name} is up`, async () => {
      agent.mustRun();
      const status = await agent.glance();
      return status.ipv4 !== undefined && status.home !== undefined && status;
    });
    agent.address = answer.ipv4;
    return agent;
  }

  status(): Promise<StatusView> {
    return this.ask(["status"]);
  }

  /**
   * What the commands print with `--json`, asked over the agent's socket as they do, without the cost of starting one:
   * for looks that must not take processor time from what is measured.
   */
  async look<Answer>(path: string): Promise<Answer> {
    const response = await fetch(`http://agent${path}`, { unix: join(this.state, "agent.sock") });
    if (!response.ok) throw new Error(`${this.name} answers ${path} with ${response.status}`);
    return (await response.json()) as Answer;
  }

  /** `burrow why PEER --json`. */
  whyPath(peer: AgentDaemon): Promise<WhyView> {
    return this.look(`/v1/why/${peer.name}`);
  }

  /** `burrow netcheck --json`. */
  netcheck(): Promise<NetcheckView> {
    return this.look("/v1/netcheck");
  }

  /** `burrow status --json`. */
  glance(): Promise<StatusView> {
    return this.look("/v1/status");
  }

  /** `burrow relays --json`. */
  relays(): Promise<RelayView[]> {
    return this.look("/v1/relays");
  }

  /** The region of the relay it is at home on. */
  async homeRegion(): Promise<string | undefined> {
    return (await this.status()).home?.region;
  }

  /** How this agent sends to another at the moment. */
  async pathTo(peer: AgentDaemon): Promise<PathView | undefined> {
    const answer = await this.ask<PeerView[] | { peers: PeerView[] }>(["peers"]);
    const peers = Array.isArray(answer) ? answer : answer.peers;
    return peers.find(({ name }) => name === peer.name)?.path;
  }

  /** `burrow why PEER`, as a person reads it. */
  async why(peer: AgentDaemon): Promise<string> {
    const command = [...BURROW, "why", peer.name, "--state", this.state];
    return (await this.host.namespace.run(command, { cwd: ROOT })).stdout.trim();
  }
}
