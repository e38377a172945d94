/** Nobody is flooded: probes per address, Binds per relay and introductions per pair stay below caps in any second. */
import { type AgentId, classify, type Endpoint } from "@burrow/protocol";
import type { Host } from "../net/host.ts";
import type { Tap } from "../net/network.ts";
import type { AgentNode } from "../nodes/agent.ts";
import type { World } from "../world.ts";
import type { Watch } from "./watches.ts";

/** A path in doubt is asked every 60 ms, one on probation every 50, and a volley may begin in the same second. */
const PROBES_PER_SECOND_MAX = 32;
/** One volley, or two begun for two reasons; nobody has to stand more who never answered. */
const PROBES_TO_SILENT_MAX = 24;
/**
 * All together: 1,000 (agent/src/core/probe-budget.ts), and what could not wait when those had just been spent. Nobody
 * here talks to so many that paths alone take more than the three quarters that punching leaves them.
 */
const PROBES_OF_AN_AGENT_MAX = 1_050;
const BINDS_PER_SECOND_MAX = 10;
const INTRODUCTIONS_MAX = 8;

const SECOND_MS = 1_000;
const INTRODUCTIONS_WINDOW_MS = 5_000;

/** Counts in windows that begin with their first event. */
class Windows {
  readonly #lengthMs: number;
  readonly #open = new Map<string, { startMs: number; count: number }>();
  most = 0;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  count(key: string, now: number): number {
    let window = this.#open.get(key);
    if (window === undefined || now - window.startMs >= this.#lengthMs) {
      window = { startMs: now, count: 0 };
      this.#open.set(key, window);
    }
    window.count++;
    this.most = Math.max(this.most, window.count);
    return window.count;
  }
}

export class RateWatch implements Watch, Tap {
  readonly #world: World;
  readonly #probes = new Windows(SECOND_MS);
  readonly #allProbes = new Windows(SECOND_MS);
  readonly #silentProbes = new Windows(2 * SECOND_MS);
  readonly #binds = new Windows(SECOND_MS);
  readonly #introductions = new Windows(INTRODUCTIONS_WINDOW_MS);
  readonly #heard = new Map<AgentNode, Set<Endpoint>>();
  readonly #broken = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
    world.net.taps.push(this);
    for (const agent of world.agents) {
      agent.onIntroduce = (peer: AgentId) => {
        const to = world.agentById(peer)?.name ?? peer;
        const count = this.#introductions.count(`${agent.name} ${to}`, world.sinceStartMs);
        this.#cap("introductions", () => `${agent.name} → ${to}`, count, INTRODUCTIONS_MAX);
      };
    }
  }

  sent(by: Host, datagram: Uint8Array, to: Endpoint, fromPort: number): void {
    const agent = this.#world.agentAt(by);
    if (agent === undefined) return;
    const kind = classify(datagram);
    if (kind !== "bind" && kind !== "probe") return;
    const now = this.#world.sinceStartMs;
    const key = `${agent.name} ${fromPort} ${to}`;
    const way = () => `${agent.name} → ${this.#world.nameOf(to)}`;
    if (kind === "bind") return this.#cap("Binds", way, this.#binds.count(key, now), BINDS_PER_SECOND_MAX);
    const all = this.#allProbes.count(agent.name, now);
    this.#cap("probes in all", () => agent.name, all, PROBES_OF_AN_AGENT_MAX);
    // By a relay go the probes to all peers.
    const isRelay = this.#world.isRelay(to);
    const peers = isRelay ? this.#world.agents.length - 1 : 1;
    this.#cap("probes", way, this.#probes.count(key, now), peers * PROBES_PER_SECOND_MAX);
    if (isRelay || this.#heard.get(agent)?.has(to) === true) return;
    this.#cap("probes to a silent address", way, this.#silentProbes.count(key, now), PROBES_TO_SILENT_MAX);
  }

  arrived(at: Host, _datagram: Uint8Array, from: Endpoint): void {
    const agent = this.#world.agentAt(at);
    if (agent === undefined) return;
    const heard = this.#heard.get(agent);
    if (heard === undefined) this.#heard.set(agent, new Set([from]));
    else heard.add(from);
  }

  failures(): readonly string[] {
    return [...this.#broken.values()];
  }

  *measures(): Iterable<readonly [string, readonly number[]]> {
    yield ["most probes to one address in a second", [this.#probes.most]];
    yield ["most probes of an agent in a second", [this.#allProbes.most]];
    yield ["most Binds to one relay in a second", [this.#binds.most]];
    yield ["most introductions of a pair in 5 s", [this.#introductions.most]];
  }

  #cap(what: string, whose: () => string, count: number, most: number): void {
    if (count <= most) return;
    const name = `${what}, ${whose()}`;
    this.#broken.set(name, `${count} ${name}, at ${this.#world.sinceStartMs} ms`);
  }
}
