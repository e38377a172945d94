/** A real coordinator on a free port, with everything that a test started taken down again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CoordinatorConfig, type OperatorClient, operatorClient, startCoordinator } from "../main.ts";
import { TestClient } from "./client.ts";

export class TestCoordinator {
  readonly stateDir: string;
  readonly #clients: TestClient[] = [];
  #relays = 0;
  #running: Awaited<ReturnType<typeof startCoordinator>> | undefined;
  #config: Partial<CoordinatorConfig>;

  private constructor(stateDir: string, config: Partial<CoordinatorConfig>) {
    this.stateDir = stateDir;
    this.#config = config;
  }

  static async start(config: Partial<CoordinatorConfig> = {}): Promise<TestCoordinator> {
    const coordinator = new TestCoordinator(await temporaryDirectory(), config);
    await coordinator.restart();
    return coordinator;
  }

  get url(): string {
    return this.#running?.url ?? "";
  }

  get operatorToken(): string {
    return this.#running?.operatorToken ?? "";
  }

  get operator(): OperatorClient {
    return operatorClient({ url: this.url, token: this.operatorToken });
  }

  /** Stops it if it runs, and starts it again on the same state. */
  async restart(config: Partial<CoordinatorConfig> = {}): Promise<void> {
    await this.stop();
    this.#config = { ...this.#config, ...config };
    const listen = { address: "127.0.0.1", port: 0 };
    // Tests' relays are at addresses of nobody, to which no packet should go.
    const defaults = { listen, stateDir: this.stateDir, probesRelays: false };
    this.#running = await startCoordinator({ ...defaults, ...this.#config });
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  /** `from`: the address that the client claims to come from; takes a coordinator that trusts its proxy. */
  client(privateKey?: Uint8Array, from?: string): TestClient {
    const client = new TestClient(
      this.url,
      privateKey,
      from === undefined ? {} : { "x-forwarded-for": from },
    );
    this.#clients.push(client);
    return client;
  }

  async token(kind: "agent" | "relay", more: { network?: string; uses?: number; expiresInMs?: number } = {}) {
    return (await this.operator.createToken({ for: kind, ...more })).token;
  }

  /** A new agent that is let in. */
  async agent(fields: Record<string, unknown> & { network?: string; from?: string } = {}) {
    const { network, from, ...hello } = fields;
    const client = this.client(undefined, from);
    const token = await this.token("agent", network === undefined ? {} : { network });
    const welcome = await client.asAgent({ token, ...hello });
    return { client, welcome, id: welcome.agent.id };
  }

  /** A new relay that is let in. */
  async relay(fields: Record<string, unknown> = {}) {
    const client = this.client();
    // On one machine each needs a port of its own.
    const port = 21820 + this.#relays++;
    const welcome = await client.asRelay({ token: await this.token("relay"), port, ...fields });
    return { client, welcome, id: welcome.relay };
  }

  async metric(line: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const found = text.split("\n").find((candidate) => candidate.startsWith(`burrow_coordinator_${line} `));
    return found === undefined ? 0 : Number(found.split(" ").at(-1));
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.stop();
    await rm(this.stateDir, { recursive: true, force: true });
  }
}

export function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "burrow-coordinator-"));
}
