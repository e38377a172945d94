/** What the HTTP API tells of relays and agents. Shapes are stable: the command line and operators lean on them. */
import type { NetworkId, PathReport, RelayLoad } from "@burrow/protocol";
import type { AgentEntry } from "../../core/agents.ts";
import type { GeoResolver } from "../../core/geo.ts";
import type { Mesh } from "../../core/mesh.ts";
import type { RelayEntry } from "../../core/relays.ts";
import { probesWidely, selectRelays } from "../../core/selection.ts";
import type { Census } from "../census.ts";
import type { AgentView, PathView } from "./schemas/agent.ts";
import type { NearestView } from "./schemas/nearest.ts";
import type { LinkView, RelayView } from "./schemas/relay.ts";

const NO_LOAD: RelayLoad = { sessions: 0, flows: 0, packets: 0, bytes: 0, drops: {} };

/** What views of relays lean on. */
export interface RelayViewParts {
  readonly mesh: Mesh;
  readonly census: Census;
  readonly networkName: (id: NetworkId) => string;
}

export function relayView(parts: RelayViewParts, entry: RelayEntry, now: number): RelayView {
  const { mesh, census, networkName } = parts;
  const { record, state, reason, sinceMs, load } = entry;
  const { agents, rtt } = census.of(record.id);
  const { verdict, eye, reachedBy, missedBy, rttMs } = mesh.relays.reach(record.id, now);
  return {
    id: record.id,
    region: record.region,
    at: record.at ?? null,
    endpoints: [...record.endpoints],
    state,
    reason,
    sinceMs: mesh.unixMs(sinceMs),
    reach: { verdict, coordinator: eye ?? null, rttMs: rttMs ?? null, reachedBy, missedBy },
    network: record.network === undefined ? null : networkName(record.network),
    weightMs: record.weightMs ?? 0,
    avoid: record.avoid ?? false,
    load: relayLoadOf(entry),
    sessions: load?.sessions ?? 0,
    agents,
    rtt,
    version: record.version,
  };
}

/** The nearest first, those of which nothing is known last. */
export function linkViews(mesh: Mesh, of: RelayEntry): LinkView[] {
  return mesh
    .linksOf(of)
    .map(({ to, estimate }) => ({
      relay: to.record.id,
      region: to.record.region,
      state: to.state,
      rttMs: estimate?.ms ?? null,
      lowMs: estimate?.lowMs ?? null,
      highMs: estimate?.highMs ?? null,
      source: estimate?.source ?? null,
    }))
    .sort((a, b) => (a.rttMs ?? Number.MAX_VALUE) - (b.rttMs ?? Number.MAX_VALUE));
}

export function relayLoadOf({ load }: RelayEntry): RelayLoad {
  return load ?? NO_LOAD;
}

export function agentView(mesh: Mesh, networkName: string, entry: AgentEntry): AgentView {
  const { record, presence, ipv4, ipv6, rtts, nat, natPorts, homeReason, homeMoves } = entry;
  const home = record.home === undefined ? undefined : mesh.relays.get(record.home);
  return {
    id: record.id,
    name: record.name,
    network: networkName,
    ipv4,
    ipv6,
    online: presence !== undefined,
    address: presence?.address ?? null,
    place: presence?.location?.label ?? null,
    at: presence?.location?.at ?? null,
    attribution: presence?.location === undefined ? null : (presence.attribution ?? null),
    home: record.home ?? null,
    standby: record.standby ?? null,
    region: home?.record.region ?? null,
    homeReason: homeReason === "" ? null : homeReason,
    homeMoves: homeMoves ?? null,
    rtts: [...rtts],
    nat,
    natPorts: natPorts ?? null,
    version: record.version,
    connectedSinceMs: presence === undefined ? null : mesh.unixMs(presence.connectedSinceMs),
    lastSeenMs: presence === undefined ? (record.lastSeenMs ?? null) : null,
  };
}

export function pathView(mesh: Mesh, path: PathReport): PathView {
  return {
    peer: path.peer,
    peerName: mesh.agents.get(path.peer)?.record.name ?? null,
    kind: path.kind,
    endpoint: path.endpoint ?? null,
    relay: path.relay ?? null,
    rttMs: path.rttMs ?? null,
    sinceMs: path.sinceMs,
    reason: path.reason,
  };
}

/** @param network as its agents see it; for nobody in particular without one */
export function nearestView(
  mesh: Mesh,
  ip: string,
  geo: GeoResolver | undefined,
  network?: NetworkId,
): NearestView {
  const location = geo?.(ip);
  const ranking = mesh.ranking(location, network);
  const tickets = new Set(selectRelays(location, ranking));
  return {
    ip,
    place: location?.label ?? null,
    at: location?.at ?? null,
    precision: location?.precision ?? null,
    /** Whose database said so. */
    attribution: geo?.attribution ?? null,
    /** Too little is known of the place: relays all over the world are probed. */
    widely: probesWidely(location),
    ranking: ranking.map(({ relay, distanceKm, expectedRttMs, estimate, costMs, terms, reason }) => ({
      relay: relay.id,
      region: relay.region,
      state: relay.state,
      distanceKm: distanceKm ?? null,
      expectedRttMs: expectedRttMs ?? null,
      /** How the expectation came to be, and what it may be off by. */
      source: estimate?.source ?? null,
      lowMs: estimate?.lowMs ?? null,
      highMs: estimate?.highMs ?? null,
      /** The sum of the terms: the least is the first choice. */
      costMs: Math.round(costMs * 10) / 10,
      terms: [...terms],
      reason,
      /** Whether an agent from there is given a ticket for it. */
      probed: tickets.has(relay.id),
    })),
  };
}
