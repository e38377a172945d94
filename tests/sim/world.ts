/** A plan carried out: builds the network and everybody in it, lets time pass, and asks the watches what they saw. */
import type { AgentId, Endpoint, NetworkId } from "@burrow/protocol";
import { doorEndpoint } from "../../agent/src/core/relays/doors.ts";
import { Clock } from "./clock.ts";
import { begin, describe } from "./faults.ts";
import type { Host } from "./net/host.ts";
import { Network } from "./net/network.ts";
import { Weather } from "./net/weather.ts";
import { AgentNode } from "./nodes/agent.ts";
import { CoordinatorNode } from "./nodes/coordinator.ts";
import { RelayNode } from "./nodes/relay.ts";
import { type Home, Places } from "./places.ts";
import type { HomePlan, Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { Trace } from "./watches/trace.ts";
import { type Watch, watchAll } from "./watches/watches.ts";

/** Any date will do. */
const EPOCH_MS = 1_800_000_000_000;
const NETWORK_ID = "00000000000000aa" as NetworkId;
const DEGREES_PER_MS = 0.5;

export interface Outcome {
  readonly seed: number;
  /** What broke, in words. Empty: nothing. */
  readonly failures: readonly string[];
  /** The same for every run of the same plan by the same code. */
  readonly trace: string;
  /** Numbers worth a summary over many runs, by name. */
  readonly measures: ReadonlyMap<string, readonly number[]>;
}

export class World {
  readonly plan: Plan;
  readonly clock = new Clock(EPOCH_MS);
  readonly net: Network;
  readonly coordinator: CoordinatorNode;
  readonly relays: readonly RelayNode[];
  readonly agents: readonly AgentNode[];
  /** Where every agent lives now. */
  readonly homes: Home[];
  /** What happened, for people; printed with a failing seed. */
  readonly story: string[] = [];
  readonly #places: Places;
  readonly #agentHomes: Home[] = [];
  readonly #relayAt: ReadonlyMap<Endpoint, RelayNode>;
  readonly #trace: Trace;
  readonly #watches: readonly Watch[];

  constructor(plan: Plan) {
    this.plan = plan;
    const random = new Random(plan.seed ^ 0x5eed);
    const weather = Object.assign(new Weather(), {
      loss: plan.loss,
      duplication: plan.duplication,
      jitterMs: plan.jitterMs,
    });
    this.net = new Network(this.clock, random.fork(), weather);
    this.#places = new Places(this.net, random.fork());
    const network = { id: NETWORK_ID, name: "default", createdAtMs: EPOCH_MS };
    this.coordinator = new CoordinatorNode(this.clock, network, random.fork());
    const isWide = plan.isWide === true;
    this.relays = plan.relays.map(({ position, skewMs }, index) => {
      const at = { lat: position.y * DEGREES_PER_MS, lon: position.x * DEGREES_PER_MS };
      const options = { region: `r${index}`, at, skewMs, random: random.fork(), hasDoor: isWide };
      const host = this.#places.relayHost(position, isWide);
      return new RelayNode(this.clock, this.net, this.coordinator, host, options);
    });
    const doors = new Map(this.relays.map((relay) => [doorEndpoint(relay.id), relay]));
    this.homes = plan.homes.map((home) => this.#places.home(home));
    this.agents = plan.agents.map(({ home, skewMs }, index) => {
      const lives = this.home(home);
      this.#agentHomes.push(lives);
      const host = this.#places.agentHost(lives);
      const options = {
        name: `a${index}`,
        index: index + 1,
        network: NETWORK_ID,
        skewMs,
        random: random.fork(),
        punchesHardNats: isWide,
        relayWithDoor: (door: Endpoint) => doors.get(door),
      };
      return new AgentNode(this.clock, this.net, this.coordinator, host, options);
    });
    this.#relayAt = new Map(
      this.relays.flatMap((relay) => relay.host.endpoints.map((endpoint) => [endpoint, relay] as const)),
    );
    this.#trace = new Trace(this.clock);
    this.net.taps.push(this.#trace);
    this.#watches = watchAll(this);
  }

  run(): Outcome {
    const failures: string[] = [];
    try {
      this.#schedule();
      this.clock.runUntil(EPOCH_MS + this.plan.endMs);
      for (const watch of this.#watches) failures.push(...watch.failures());
    } catch (error) {
      failures.push(
        `threw at ${this.sinceStartMs} ms: ${error instanceof Error ? error.stack : String(error)}`,
      );
    }
    const measures = new Map<string, readonly number[]>();
    for (const watch of this.#watches)
      for (const [name, values] of watch.measures()) measures.set(name, values);
    return { seed: this.plan.seed, failures, trace: this.#trace.digest, measures };
  }

  get sinceStartMs(): number {
    return Math.round((this.clock.nowMs - EPOCH_MS) * 10) / 10;
  }

  agent(index: number): AgentNode {
    const agent = this.agents[index];
    if (agent === undefined) throw new Error(`no agent ${index}`);
    return agent;
  }

  relay(index: number): RelayNode {
    const relay = this.relays[index];
    if (relay === undefined) throw new Error(`no relay ${index}`);
    return relay;
  }

  home(index: number): Home {
    const home = this.homes[index];
    if (home === undefined) throw new Error(`no home ${index}`);
    return home;
  }

  homeOf(agent: number): Home {
    const home = this.#agentHomes[agent];
    if (home === undefined) throw new Error(`agent ${agent} has no home`);
    return home;
  }

  agentsAt(home: number): readonly AgentNode[] {
    return this.agents.filter((_, index) => this.homeOf(index) === this.home(home));
  }

  /** Whose host it is, if an agent's: now, since agents move. */
  agentAt(host: Host): AgentNode | undefined {
    return this.agents.find((agent) => agent.host === host);
  }

  agentById(id: AgentId): AgentNode | undefined {
    return this.agents.find((agent) => agent.id === id);
  }

  isRelay(to: Endpoint): boolean {
    return this.#relayAt.has(to);
  }

  /** Carries an agent to another network, by way of none at all for a while. The last such order is the one carried out. */
  move(index: number, plan: HomePlan, awayMs: number): void {
    const home = this.#places.home(plan);
    const agent = this.agent(index);
    this.#agentHomes[index] = home;
    const arrive = () => {
      if (this.#agentHomes[index] === home) agent.moveTo(this.#places.agentHost(home));
    };
    if (awayMs === 0) return arrive();
    agent.unplug();
    this.clock.in(awayMs, arrive);
  }

  tell(what: string): void {
    this.story.push(`${this.sinceStartMs.toFixed(1).padStart(9)} ms  ${what}`);
  }

  #schedule(): void {
    const { plan, clock } = this;
    const at = (ms: number, run: () => void) => clock.at(EPOCH_MS + ms, run);
    for (const relay of this.relays) relay.start();
    plan.agents.forEach(({ startMs }, index) => {
      at(startMs, () => this.agent(index).start());
    });
    for (const { fault, atMs, forMs } of plan.faults) {
      at(atMs, () => {
        this.tell(`FAULT ${describe(fault)}${forMs > 0 ? `, for ${Math.round(forMs)} ms` : ""}`);
        const end = begin(this, fault);
        clock.in(forMs, () => {
          end();
          if (forMs > 0) this.tell(`OVER  ${describe(fault)}`);
        });
      });
    }
    plan.talks.forEach(({ from, to, everyMs, fromMs = plan.talkFromMs }, index) => {
      const ping = (sequence: number) => {
        if (this.sinceStartMs >= plan.talkUntilMs) return;
        for (const watch of this.#watches) watch.pinged?.(index, sequence);
        this.agent(from).ping(this.agent(to).id, index, sequence);
        clock.in(everyMs, () => ping(sequence + 1));
      };
      at(fromMs, () => ping(0));
    });
    at(plan.talkUntilMs, () => {
      for (const watch of this.#watches) watch.talkEnded?.();
    });
  }

  /** An endpoint as people know it. */
  nameOf(of: Endpoint): string {
    const relay = this.#relayAt.get(of);
    return relay === undefined ? of : `relay ${relay.region}`;
  }
}
