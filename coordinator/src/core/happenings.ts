/**
 * What happens in the mesh, for those who watch it: relays that come, change and go, agents that connect and move,
 * paths that turn direct. Changes within a moment become one for each relay, agent and path; when more agents change
 * than anybody can read, their number is told instead. How a happening looks to a watcher is the shell's business.
 */
import type { AgentId, NetworkId, PathReport, RelayId, RelayState } from "@burrow/protocol";
import { earlier } from "./news.ts";
import type { AgentRecord } from "./records.ts";

/** Long enough to gather what belongs together, short enough to be called live. */
export const HAPPENINGS_DELAY_MS = 200;
/** Told one by one within a delay: 500 a second fill a screen, and a browser still follows. */
export const AGENTS_ONE_BY_ONE_MAX = 100;
/** Whoever is told numbers asks for the lists again: not more often than this. */
export const NUMBERS_INTERVAL_MS = 2_000;

/** How a peer was or is reached. */
export interface PathState {
  readonly kind: PathReport["kind"];
  readonly endpoint?: string | undefined;
  readonly relay?: RelayId | undefined;
}

export interface PathChange {
  readonly agent: AgentId;
  readonly peer: AgentId;
  readonly from: PathState;
  readonly to: PathState;
  readonly rttMs?: number | undefined;
  readonly reason: string;
}

export interface Numbers {
  readonly connected: number;
  readonly disconnected: number;
  readonly moved: number;
  readonly removed: number;
  readonly paths: number;
}

export type Happening =
  | { readonly kind: "relay-added"; readonly relay: RelayId }
  | { readonly kind: "relay-changed"; readonly relay: RelayId }
  | { readonly kind: "relay-state"; readonly relay: RelayId; readonly from: RelayState }
  | { readonly kind: "relay-removed"; readonly relay: RelayId; readonly region: string }
  | { readonly kind: "agent-connected"; readonly agent: AgentId }
  | { readonly kind: "agent-disconnected"; readonly agent: AgentId }
  | {
      readonly kind: "agent-home";
      readonly agent: AgentId;
      readonly from: RelayId | undefined;
      readonly to: RelayId | undefined;
    }
  | {
      readonly kind: "agent-removed";
      readonly agent: AgentId;
      readonly name: string;
      readonly network: NetworkId;
    }
  | ({ readonly kind: "path-changed" } & PathChange)
  /** More agents and paths changed than were told one by one. */
  | ({ readonly kind: "many-changed" } & Numbers);

/** What was told of a relay last; no state: it was not there. */
interface RelayChange {
  readonly from: RelayState | undefined;
  removedRegion: string | undefined;
}

interface AgentChange {
  connected: boolean;
  disconnected: boolean;
  home: { readonly from: RelayId | undefined; to: RelayId | undefined } | undefined;
  removed: AgentRecord | undefined;
}

export class Happenings {
  readonly #states: Map<RelayId, RelayState>;
  readonly #relays = new Map<RelayId, RelayChange>();
  readonly #agents = new Map<AgentId, AgentChange>();
  readonly #paths = new Map<string, PathChange>();
  #dueMs: number | undefined;
  #numbers: { -readonly [Key in keyof Numbers]: number } = { ...NONE };
  /** When numbers may be told; set while there are any. */
  #numbersDueMs: number | undefined;
  #numbersToldMs = Number.NEGATIVE_INFINITY;

  /** @param relays those known from before, with their states */
  constructor(relays: Iterable<readonly [RelayId, RelayState]>) {
    this.#states = new Map(relays);
  }

  // ── relays: few, and each told ──

  /** It is new, or its state, region, place or addresses are others. */
  relayChanged(relay: RelayId, state: RelayState, now: number): void {
    this.#relay(relay, now).removedRegion = undefined;
    this.#states.set(relay, state);
  }

  relayRemoved(relay: RelayId, region: string, now: number): void {
    this.#relay(relay, now).removedRegion = region;
    this.#states.delete(relay);
  }

  // ── agents: many ──

  agentConnected(agent: AgentId, now: number): void {
    const change = this.#agent(agent, "connected", now);
    if (change === undefined) return;
    change.connected = true;
    change.disconnected = false;
  }

  agentDisconnected(agent: AgentId, now: number): void {
    const change = this.#agent(agent, "disconnected", now);
    if (change === undefined) return;
    change.connected = false;
    change.disconnected = true;
  }

  agentMoved(agent: AgentId, from: RelayId | undefined, to: RelayId | undefined, now: number): void {
    const change = this.#agent(agent, "moved", now);
    if (change === undefined) return;
    if (change.home === undefined) change.home = { from, to };
    else change.home.to = to;
  }

  agentRemoved(record: AgentRecord, now: number): void {
    const change = this.#agent(record.id, "removed", now);
    if (change !== undefined) change.removed = record;
  }

  pathChanged(change: PathChange, now: number): void {
    const key = `${change.agent} ${change.peer}`;
    const earlierChange = this.#paths.get(key);
    if (earlierChange === undefined && this.#paths.size >= AGENTS_ONE_BY_ONE_MAX) {
      this.#count("paths", now);
      return;
    }
    this.#dueMs ??= now + HAPPENINGS_DELAY_MS;
    this.#paths.set(key, { ...change, from: earlierChange?.from ?? change.from });
  }

  take(now: number): Happening[] {
    const happenings: Happening[] = [];
    if (this.#dueMs !== undefined && this.#dueMs <= now) {
      this.#dueMs = undefined;
      for (const [relay, change] of this.#relays) {
        const happening = relayHappening(relay, change, this.#states.get(relay));
        if (happening !== undefined) happenings.push(happening);
      }
      for (const [agent, change] of this.#agents) happenings.push(...agentHappenings(agent, change));
      for (const change of this.#paths.values()) {
        if (!isSamePath(change.from, change.to)) happenings.push({ kind: "path-changed", ...change });
      }
      this.#relays.clear();
      this.#agents.clear();
      this.#paths.clear();
    }
    if (this.#numbersDueMs !== undefined && this.#numbersDueMs <= now) {
      happenings.push({ kind: "many-changed", ...this.#numbers });
      this.#numbers = { ...NONE };
      this.#numbersDueMs = undefined;
      this.#numbersToldMs = now;
    }
    return happenings;
  }

  nextDeadline(): number | undefined {
    return earlier(this.#dueMs, this.#numbersDueMs);
  }

  #relay(relay: RelayId, now: number): RelayChange {
    this.#dueMs ??= now + HAPPENINGS_DELAY_MS;
    let change = this.#relays.get(relay);
    if (change === undefined) {
      change = { from: this.#states.get(relay), removedRegion: undefined };
      this.#relays.set(relay, change);
    }
    return change;
  }

  /** Undefined when it is only counted. */
  #agent(agent: AgentId, what: keyof Numbers, now: number): AgentChange | undefined {
    let change = this.#agents.get(agent);
    if (change === undefined) {
      if (this.#agents.size >= AGENTS_ONE_BY_ONE_MAX) {
        this.#count(what, now);
        return undefined;
      }
      this.#dueMs ??= now + HAPPENINGS_DELAY_MS;
      change = { connected: false, disconnected: false, home: undefined, removed: undefined };
      this.#agents.set(agent, change);
    }
    return change;
  }

  #count(what: keyof Numbers, now: number): void {
    this.#numbers[what]++;
    this.#numbersDueMs ??= Math.max(now + HAPPENINGS_DELAY_MS, this.#numbersToldMs + NUMBERS_INTERVAL_MS);
  }
}

const NONE: Numbers = { connected: 0, disconnected: 0, moved: 0, removed: 0, paths: 0 };

function relayHappening(
  relay: RelayId,
  { from, removedRegion: region }: RelayChange,
  to: RelayState | undefined,
): Happening | undefined {
  if (to === undefined) {
    const isUntold = from === undefined || region === undefined;
    return isUntold ? undefined : { kind: "relay-removed", relay, region };
  }
  if (from === undefined) return { kind: "relay-added", relay };
  return from === to ? { kind: "relay-changed", relay } : { kind: "relay-state", relay, from };
}

function agentHappenings(agent: AgentId, change: AgentChange): Happening[] {
  const { connected, disconnected, home, removed } = change;
  if (removed !== undefined) {
    return [{ kind: "agent-removed", agent, name: removed.name, network: removed.network }];
  }
  const happenings: Happening[] = [];
  if (connected) happenings.push({ kind: "agent-connected", agent });
  if (disconnected) happenings.push({ kind: "agent-disconnected", agent });
  if (home !== undefined && home.from !== home.to) {
    happenings.push({ kind: "agent-home", agent, from: home.from, to: home.to });
  }
  return happenings;
}

const NO_PATH: PathState = { kind: "none" };

/** What an agent's newer report tells that its older one did not. A path it leaves out has gone idle. */
export function pathChanges(
  agent: AgentId,
  before: readonly PathReport[],
  after: readonly PathReport[],
): PathChange[] {
  const known = new Map(before.map((path) => [path.peer, path]));
  const changes: PathChange[] = [];
  for (const path of after) {
    const from = known.get(path.peer) ?? NO_PATH;
    known.delete(path.peer);
    if (isSamePath(from, path)) continue;
    const { peer, rttMs, reason } = path;
    changes.push({ agent, peer, from: stateOf(from), to: stateOf(path), rttMs, reason });
  }
  for (const path of known.values()) {
    if (path.kind === "none") continue;
    changes.push({ agent, peer: path.peer, from: stateOf(path), to: NO_PATH, reason: "idle" });
  }
  return changes;
}

function stateOf({ kind, endpoint, relay }: PathState): PathState {
  return { kind, endpoint, relay };
}

function isSamePath(a: PathState, b: PathState): boolean {
  return a.kind === b.kind && a.endpoint === b.endpoint && a.relay === b.relay;
}
