/** A mesh to look at: a coordinator, relays and agents as in production, on the demo's emulated internet. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningAgent, startAgent } from "@burrow/agent";
import { type OperatorClient, operatorClient, startCoordinator } from "@burrow/coordinator";
import { type RunningRelay, startRelay } from "@burrow/relay";
import { EmulatedInternet } from "../../cli/src/demo/internet.ts";
import { Cleanup } from "../../cli/src/demo/mesh.ts";
import type { Site } from "../../cli/src/demo/places.ts";

/** Public addresses by site, from a block for documentation (RFC 5737). */
const PREFIX = "192.0.2.";
/** What a place may be called by whoever made the database. */
const HOSTILE_PLACE = `<img src=x onerror="document.title='broken'">`;

export class BrowserMesh {
  readonly internet = new EmulatedInternet();
  readonly url: string;
  readonly token: string;
  readonly operator: OperatorClient;
  readonly #directory: string;
  readonly #cleanup: Cleanup;

  private constructor(url: string, token: string, directory: string, cleanup: Cleanup) {
    this.url = url;
    this.token = token;
    this.operator = operatorClient({ url, token });
    this.#directory = directory;
    this.#cleanup = cleanup;
    cleanup.add(async () => this.internet.close());
  }

  /** @param sites where agents may be */
  static async start(sites: readonly Site[]): Promise<BrowserMesh> {
    const directory = mkdtempSync(join(tmpdir(), "burrow-browser-"));
    const cleanup = new Cleanup();
    cleanup.add(async () => rmSync(directory, { recursive: true, force: true }));
    const { url, operatorToken, stop } = await startCoordinator({
      listen: { address: "127.0.0.1", port: 0 },
      stateDir: join(directory, "coordinator"),
      trustProxy: true,
      readingsIntervalMs: 1_000,
      geo: (address) => {
        const site = sites[Number(address.replace(PREFIX, ""))];
        return site === undefined ? undefined : { at: site.at, precision: "city", label: HOSTILE_PLACE };
      },
    });
    cleanup.add(stop);
    return new BrowserMesh(url, operatorToken, directory, cleanup);
  }

  async relay(site: Site): Promise<RunningRelay> {
    const { token } = await this.operator.createToken({ for: "relay" });
    const relay = await startRelay({
      coordinatorUrl: this.url,
      token,
      region: site.name,
      at: site.at,
      listen: { address: "127.0.0.1", port: 0 },
      http: undefined,
      advertise: [],
      stateDir: join(this.#directory, site.name),
      openSocket: this.internet.opener(site),
    });
    this.#cleanup.add(() => relay.stop());
    return relay;
  }

  /** @param index of the site among those that the mesh was started with */
  async agent(site: Site, index: number): Promise<RunningAgent> {
    const { token } = await this.operator.createToken({ for: "agent" });
    const agent = await startAgent({
      coordinatorUrl: this.url,
      token,
      name: site.name,
      device: { kind: "none" },
      port: 0,
      stateDir: join(this.#directory, site.name),
      headers: { "x-forwarded-for": `${PREFIX}${index}` },
      loopbackCandidates: true,
      openSocket: this.internet.opener(site),
    });
    this.#cleanup.add(() => agent.stop());
    return agent;
  }

  async state(relay: string) {
    const found = (await this.operator.relays()).find(({ id }) => id === relay);
    if (found === undefined) throw new Error(`there is no relay ${relay}`);
    return found;
  }

  end(): Promise<void> {
    return this.#cleanup.run();
  }
}
