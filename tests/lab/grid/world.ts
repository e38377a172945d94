/**
 * The network of the grid: made once, with an agent for each kind of NAT on each side, so that every pair is of two
 * agents that never talked, and nothing is restarted in between.
 *
 *   a-none, a-full-cone, … ── west ──┐              ┌── east ── b-none, b-full-cone, …
 *                                   core ── relays, coordinator
 *
 * So a packet from side to side passes three routers of the internet: one whose TTL is to die between the sender's own
 * NATs, of which there are two at most, and the receiver's has room to.
 */
import { AgentDaemon, CoordinatorDaemon, RELAY_PORT, RelayDaemon } from "../burrow.ts";
import type { Bench } from "../case.ts";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { NatKind } from "../nat-kinds.ts";

export type Side = "a" | "b";

/** Processes that start at the same moment share two processors. */
const STARTS_AT_ONCE = 4;

export interface Plan {
  readonly name: string;
  /** It has IPv6 alone. */
  readonly v6?: boolean;
  host(world: GridWorld): Promise<Host>;
}

export class GridWorld {
  readonly bench: Bench;
  readonly coordinator: CoordinatorDaemon;
  readonly relays: readonly RelayDaemon[];
  readonly west: Exchange;
  readonly east: Exchange;
  readonly #agents = new Map<string, AgentDaemon>();
  readonly #token: string;
  #addresses = 0;

  private constructor(
    bench: Bench,
    parts: { coordinator: CoordinatorDaemon; relays: readonly RelayDaemon[]; west: Exchange; east: Exchange },
    token: string,
  ) {
    this.bench = bench;
    this.coordinator = parts.coordinator;
    this.relays = parts.relays;
    this.west = parts.west;
    this.east = parts.east;
    this.#token = token;
  }

  /** `delayMs`: from either side to the core, each way. */
  static async create(bench: Bench, delayMs: number | undefined): Promise<GridWorld> {
    const { net } = bench;
    const length = delayMs === undefined ? {} : { delayMs };
    const [west, east] = [await net.exchange("west", length), await net.exchange("east", length)];
    const coordinatorHost = await net.publicHost("coordinator", "81.2.69.10", { v6: "2a02:d040:ffff::10" });
    const coordinator = await CoordinatorDaemon.start(bench, coordinatorHost);
    const relays: RelayDaemon[] = [];
    for (const number of [1, 2]) {
      const [address, v6] = [`81.2.69.2${number}`, `2a02:d040:ffff::2${number}`];
      const host = await net.publicHost(`relay-${number}`, address, { v6 });
      const advertise = [`${address}:${RELAY_PORT}`, `[${v6}]:${RELAY_PORT}`];
      const doors = { listen: "[::]", websocket: true, advertise };
      relays.push(await RelayDaemon.start(bench, coordinator, host, `r${number}`, doors));
    }
    const token = await coordinator.token("agent", 1_000);
    return new GridWorld(bench, { coordinator, relays, west, east }, token);
  }

  agent(name: string): AgentDaemon {
    const agent = this.#agents.get(name);
    if (agent === undefined) throw new Error(`the grid has no agent ${name}`);
    return agent;
  }

  /** A public IPv4 address that nobody else here has. */
  nextAddress(side: Side): string {
    this.#addresses += 1;
    return `${side === "a" ? "81.2.70" : "89.160.20"}.${this.#addresses}`;
  }

  exchangeOf(side: Side): Exchange {
    return side === "a" ? this.west : this.east;
  }

  /** Builds all networks, one after another, then starts the agents, some at a time. */
  async populate(plans: readonly Plan[]): Promise<void> {
    const hosts: (readonly [Plan, Host])[] = [];
    for (const plan of plans) hosts.push([plan, await plan.host(this)]);
    for (let first = 0; first < hosts.length; first += STARTS_AT_ONCE) {
      const batch = hosts.slice(first, first + STARTS_AT_ONCE);
      await Promise.all(batch.map(([plan, host]) => this.#start(plan, host)));
    }
  }

  async #start({ name, v6 = false }: Plan, host: Host): Promise<void> {
    const url = v6 ? this.coordinator.url6 : this.coordinator.url;
    const agent = await AgentDaemon.join(this.bench, host, name, { url, token: this.#token });
    this.#agents.set(name, agent);
  }
}

export function agentName(side: Side, kind: NatKind): string {
  return `${side}-${kind}`;
}

/** One side of the 8 × 8. */
export function natPlan(side: Side, kind: NatKind): Plan {
  const name = agentName(side, kind);
  return {
    name,
    host: (world) => {
      const hostAddress = kind === "firewall" ? { hostAddress: world.nextAddress(side) } : {};
      const options = { at: world.exchangeOf(side), ...hostAddress };
      return world.bench.net.site(name, kind, world.nextAddress(side), options);
    },
  };
}
