/**
 * Burrow's daemons in the hosts of a lab, started and asked by the real command. The only place of the lab that knows
 * flags and the shapes of `--json`.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Bench, CheckError } from "./case.ts";
import type { Host } from "./host.ts";
import type { LabProcess } from "./process.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const BURROW = [process.execPath, join(ROOT, "cli/src/main.ts")] as const;

const COORDINATOR_PORT = 8080;
export const RELAY_PORT = 21820;
const RELAY_HTTP = "127.0.0.1:8090";

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

export class CoordinatorDaemon extends Daemon {
  readonly url: string;

  constructor(bench: Bench, host: Host, options: { geoip?: string } = {}) {
    const listen = `${host.address}:${COORDINATOR_PORT}`;
    const geoip = options.geoip === undefined ? [] : ["--geoip", options.geoip];
    super(bench, host, "coordinator", ["coordinator", "--listen", listen, ...geoip]);
    this.url = `http://${listen}`;
  }

  static async start(bench: Bench, host: Host, options: { geoip?: string } = {}): Promise<CoordinatorDaemon> {
    const coordinator = new CoordinatorDaemon(bench, host, options);
    await bench.until("the coordinator is ready", async () => {
      coordinator.mustRun();
      await coordinator.get("/readyz");
      return true;
    });
    return coordinator;
  }

  async token(whom: "agent" | "relay"): Promise<string> {
    const { token } = await this.ask<{ token: string }>(["token", "create", "--for", whom]);
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
  ): Promise<RelayDaemon> {
    const join = ["--coordinator", coordinator.url, "--token", await coordinator.token("relay")];
    const doors = ["--listen", `0.0.0.0:${RELAY_PORT}`, "--http", RELAY_HTTP];
    const relay = new RelayDaemon(bench, host, region, ["relay", ...join, "--region", region, ...doors]);
    const readyz = ["curl", "-sS", "--fail", "--max-time", "3", `http://${RELAY_HTTP}/readyz`];
    await bench.until(`relay ${region} is ready`, async () => {
      relay.mustRun();
      await host.namespace.run(readyz);
      return true;
    });
    return relay;
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
    const join = ["--coordinator", coordinator.url, "--token", await coordinator.token("agent")];
    const args = ["up", ...join, "--name", name, "--device", device, ...more];
    const agent = new AgentDaemon(bench, host, name, args);
    const { answer } = await bench.until(`agent ${name} is up`, async () => {
      agent.mustRun();
      const status = await agent.status();
      return status.ipv4 !== undefined && status.home !== undefined && status;
    });
    agent.address = answer.ipv4;
    return agent;
  }

  status(): Promise<StatusView> {
    return this.ask(["status"]);
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
