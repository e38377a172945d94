/** Happenings as watchers see them: with the relay or agent as it is now. What is gone meanwhile is told by its end. */
import type { AgentId, NetworkId, RelayId } from "@burrow/protocol";
import type { Happening, PathState } from "../../core/happenings.ts";
import type { Mesh } from "../../core/mesh.ts";
import type { Census } from "../census.ts";
import type { MeshEventView } from "./schemas/event.ts";
import { agentView, relayLoadOf, relayView } from "./views.ts";

export interface EventViewParts {
  readonly mesh: Mesh;
  readonly census: Census;
  readonly networkName: (id: NetworkId) => string;
}

export function eventView(
  parts: EventViewParts,
  happening: Happening,
  now: number,
): MeshEventView | undefined {
  const { mesh, networkName } = parts;
  const atMs = mesh.unixMs(now);
  switch (happening.kind) {
    case "relay-added":
    case "relay-changed":
    case "relay-state": {
      const relay = relayNow(parts, happening.relay, now);
      if (relay === undefined) return undefined;
      return happening.kind === "relay-state"
        ? { type: happening.kind, atMs, relay, from: happening.from }
        : { type: happening.kind, atMs, relay };
    }
    case "relay-removed":
      return { type: happening.kind, atMs, relay: { id: happening.relay, region: happening.region } };
    case "agent-connected":
    case "agent-disconnected": {
      const agent = agentNow(parts, happening.agent);
      return agent === undefined ? undefined : { type: happening.kind, atMs, agent };
    }
    case "agent-home": {
      const agent = agentNow(parts, happening.agent);
      const [from, to] = [happening.from ?? null, happening.to ?? null];
      return agent === undefined ? undefined : { type: happening.kind, atMs, agent, from, to };
    }
    case "agent-removed": {
      const network = networkName(happening.network);
      return { type: happening.kind, atMs, agent: { id: happening.agent, name: happening.name, network } };
    }
    case "path-changed":
      return {
        type: happening.kind,
        atMs,
        agent: named(mesh, happening.agent),
        peer: named(mesh, happening.peer),
        from: pathState(happening.from),
        to: pathState(happening.to),
        rttMs: happening.rttMs ?? null,
        reason: happening.reason,
      };
    case "many-changed": {
      const { kind, ...numbers } = happening;
      return { type: kind, atMs, ...numbers };
    }
  }
}

export function isForEverybody({ kind }: Happening): boolean {
  return kind.startsWith("relay-");
}

/** Tells, each time it is asked, of the relays that have sent a heartbeat since. */
export function loadTeller({ mesh, census }: EventViewParts, unixNow: () => number) {
  const told = new WeakSet<object>();
  return (): MeshEventView | undefined => {
    const relays = mesh.relays.all().flatMap((entry) => {
      if (entry.load === undefined || told.has(entry.load)) return [];
      told.add(entry.load);
      const { agents, rtt } = census.of(entry.record.id);
      return [{ id: entry.record.id as string, load: relayLoadOf(entry), agents, rtt }];
    });
    return relays.length === 0 ? undefined : { type: "relay-loads", atMs: unixNow(), relays };
  };
}

function relayNow(parts: EventViewParts, id: RelayId, now: number) {
  const entry = parts.mesh.relays.get(id);
  return entry === undefined ? undefined : relayView(parts, entry, now);
}

function agentNow({ mesh, networkName }: EventViewParts, id: AgentId) {
  const entry = mesh.agents.get(id);
  return entry === undefined ? undefined : agentView(mesh, networkName(entry.record.network), entry);
}

function named(mesh: Mesh, id: AgentId) {
  return { id, name: mesh.agents.get(id)?.record.name ?? null };
}

function pathState({ kind, endpoint, relay }: PathState) {
  return { kind, endpoint: endpoint ?? null, relay: relay ?? null };
}
