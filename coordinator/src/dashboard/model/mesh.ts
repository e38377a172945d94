/**
 * The mesh as this page knows it: lists as they were asked for, and events since. Keeps paths only of agents that
 * somebody looks at. Pure: who asks and when is browser/live.ts's business.
 */
import type { AgentView, PathView } from "../../io/http/schemas/agent.ts";
import type { MeshEventView } from "../../io/http/schemas/event.ts";
import type { RelayView } from "../../io/http/schemas/relay.ts";
import { History, type Reading, readingOf } from "./history.ts";

export type Relay = RelayView;
export type Agent = AgentView;
export type Path = PathView;
export type MeshEvent = MeshEventView;
/** By peer. */
export type Paths = ReadonlyMap<string, Path>;

/** What an event asks of whoever feeds the model. */
export type Wish = "lists" | undefined;

export class MeshModel {
  readonly #relays = new Map<string, Relay>();
  readonly #agents = new Map<string, Agent>();
  readonly #paths = new Map<string, Map<string, Path>>();
  /** Each grows with every change of its part: views compute anew only what changed. */
  readonly versions = { relays: 0, agents: 0, paths: 0 };
  readonly history = new History();

  get relays(): ReadonlyMap<string, Relay> {
    return this.#relays;
  }

  get agents(): ReadonlyMap<string, Agent> {
    return this.#agents;
  }

  get paths(): ReadonlyMap<string, Paths> {
    return this.#paths;
  }

  /** Their loads are of some moment before, nobody knows which: curves are made of events and readings alone. */
  setRelays(relays: readonly Relay[]): void {
    this.#relays.clear();
    for (const relay of relays) this.#relays.set(relay.id, relay);
    this.versions.relays++;
  }

  setReadings(relay: string, readings: readonly Reading[]): void {
    if (!this.#relays.has(relay)) return;
    this.history.recall(relay, readings);
    this.versions.relays++;
  }

  setAgents(agents: readonly Agent[]): void {
    this.#agents.clear();
    for (const agent of agents) this.#agents.set(agent.id, agent);
    for (const id of this.#paths.keys()) if (!this.#agents.has(id)) this.#paths.delete(id);
    this.versions.agents++;
    this.versions.paths++;
  }

  /** From now on, the paths of this agent are kept up to date. */
  setPaths(agent: string, paths: readonly Path[]): void {
    this.#paths.set(agent, new Map(paths.map((path) => [path.peer, path])));
    this.versions.paths++;
  }

  forgetPaths(agent: string): void {
    if (this.#paths.delete(agent)) this.versions.paths++;
  }

  forgetAgents(): void {
    this.setAgents([]);
  }

  take(event: MeshEvent): Wish {
    switch (event.type) {
      case "hello":
        return event.resumed ? undefined : "lists";
      case "relay-added":
      case "relay-changed":
      case "relay-state":
        this.#relays.set(event.relay.id, event.relay);
        this.versions.relays++;
        return undefined;
      case "relay-removed":
        this.#relays.delete(event.relay.id);
        this.history.forget(event.relay.id);
        this.versions.relays++;
        return undefined;
      case "relay-loads":
        for (const told of event.relays) this.#loaded(told, event.atMs);
        return undefined;
      case "agent-connected":
      case "agent-disconnected":
      case "agent-home":
        this.#agents.set(event.agent.id, event.agent);
        this.versions.agents++;
        return undefined;
      case "agent-removed":
        this.#agents.delete(event.agent.id);
        this.forgetPaths(event.agent.id);
        this.versions.agents++;
        return undefined;
      case "path-changed":
        this.#pathChanged(event);
        return undefined;
      case "many-changed":
        return "lists";
    }
  }

  #loaded(
    { id, load, agents, rtt }: Extract<MeshEvent, { type: "relay-loads" }>["relays"][number],
    atMs: number,
  ): void {
    const relay = this.#relays.get(id);
    if (relay === undefined) return;
    this.#relays.set(id, { ...relay, load, agents, rtt, sessions: load.sessions });
    this.history.add(id, readingOf(atMs, load, rtt));
    this.versions.relays++;
  }

  #pathChanged({ agent, peer, to, rttMs, reason, atMs }: Extract<MeshEvent, { type: "path-changed" }>): void {
    const paths = this.#paths.get(agent.id);
    if (paths === undefined) return;
    const { kind, endpoint, relay } = to;
    paths.set(peer.id, {
      peer: peer.id,
      peerName: peer.name,
      kind,
      endpoint,
      relay,
      rttMs,
      reason,
      sinceMs: atMs,
    });
    this.versions.paths++;
  }
}
