/** The demo's mesh: the same parts as in production, started in one process, on an emulated internet. */
import { join } from "node:path";
import { type AgentEvent, type RunningAgent, startAgent } from "@burrow/agent";
import { type GeoResolver, operatorClient, startCoordinator } from "@burrow/coordinator";
import { type RunningRelay, startRelay } from "@burrow/relay";
import { FarLink } from "./far-link.ts";
import type { EmulatedInternet } from "./internet.ts";
import {
  BERLIN,
  BOSTON,
  emulatedRttMs,
  FRANKFURT,
  SINGAPORE,
  type Site,
  SYDNEY,
  VIRGINIA,
} from "./places.ts";
import type { Timeline } from "./timeline.ts";

export const RELAY_SITES = [FRANKFURT, VIRGINIA, SINGAPORE] as const;

/** The agents, with public addresses from the blocks reserved for documentation (RFC 5737). */
export const AGENT_SITES = [
  { site: BERLIN, publicAddress: "192.0.2.10", label: "Berlin, DE" },
  { site: BOSTON, publicAddress: "198.51.100.20", label: "Boston, US" },
] as const;

export interface AgentObservation {
  readonly event: AgentEvent;
  /** On the clock of `performance.timeOrigin + performance.now()`. */
  readonly atMs: number;
}

export interface Mesh {
  readonly relays: ReadonlyMap<Site, RunningRelay>;
  readonly agents: ReadonlyMap<Site, RunningAgent>;
}

/** Things to stop, the last started first. Stopping goes on past failures. */
export class Cleanup {
  readonly #steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step().catch(() => {});
    }
  }
}

/** Starts everything; what has been started is in `cleanup`, even if a later start fails. */
export async function startMesh(options: {
  readonly internet: EmulatedInternet;
  readonly directory: string;
  readonly timeline: Timeline;
  readonly cleanup: Cleanup;
  /** Filled with the relays' names by id. */
  readonly regions: Map<string, string>;
  onAgentEvent(site: Site, event: AgentEvent, atMs: number): void;
}): Promise<Mesh> {
  const { internet, directory, timeline, cleanup } = options;
  const coordinator = await startCoordinator({
    listen: { address: "127.0.0.1", port: 0 },
    stateDir: join(directory, "coordinator"),
    geo: demoGeo,
    // The agents say with X-Forwarded-For where they "are", as a reverse proxy would for real ones.
    trustProxy: true,
    // It stands on no emulated site, and so reaches no relay.
    probesRelays: false,
  });
  cleanup.add(() => coordinator.stop());
  timeline.note("coordinator", "up", `serves at ${coordinator.url}, "in ${SYDNEY.name}"`);
  const operator = operatorClient({ url: coordinator.url, token: coordinator.operatorToken });
  const reachedFrom = async (site: Site): Promise<string> => {
    const delayMs = emulatedRttMs(site.at, SYDNEY.at) / 2;
    const link = await FarLink.open(new URL(coordinator.url), delayMs);
    cleanup.add(() => link.close());
    return link.url;
  };

  const relayToken = await operator.createToken({ for: "relay", uses: RELAY_SITES.length });
  const relays = await Promise.all(
    RELAY_SITES.map(async (site) => {
      const relay = await startRelay({
        coordinatorUrl: await reachedFrom(site),
        token: relayToken.token,
        region: site.name,
        at: site.at,
        listen: { address: "127.0.0.1", port: 0 },
        http: undefined,
        advertise: [],
        stateDir: join(directory, site.name),
        openSocket: internet.opener(site),
      });
      cleanup.add(() => relay.stop());
      options.regions.set(relay.id, site.name);
      timeline.note(site.name, "up", `relay ${relay.id} registered, at ${relay.endpoints.join(", ")}`);
      return [site, relay] as const;
    }),
  );

  const agentToken = await operator.createToken({ for: "agent", uses: AGENT_SITES.length });
  const agents = await Promise.all(
    AGENT_SITES.map(async ({ site, publicAddress, label }) => {
      const running = await startAgent({
        coordinatorUrl: await reachedFrom(site),
        token: agentToken.token,
        name: site.name,
        device: { kind: "none" },
        port: 0,
        stateDir: join(directory, site.name),
        headers: { "x-forwarded-for": publicAddress },
        loopbackCandidates: true,
        openSocket: internet.opener(site),
        onEvent: (event, atMs) => options.onAgentEvent(site, event, atMs),
      });
      cleanup.add(() => running.stop());
      const { ipv4, place } = await running.status();
      timeline.note(site.name, "up", `agent joined as ${ipv4}; by its address in ${place ?? label}`);
      return [site, running] as const;
    }),
  );
  return { relays: new Map(relays), agents: new Map(agents) };
}

const demoGeo: GeoResolver = (address) => {
  const found = AGENT_SITES.find(({ publicAddress }) => publicAddress === address);
  return found === undefined ? undefined : { at: found.site.at, precision: "city", label: found.label };
};
