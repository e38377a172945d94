/** Changes as messages: who is told what of which agents. */
import type { AgentId, NetworkId, PeerInfo, Route } from "@burrow/protocol";
import { type AgentEntry, type AgentRegistry, peerInfo, routeOf } from "./agents.ts";
import type { Output } from "./outputs.ts";
import type { AgentHome } from "./records.ts";
import type { RelayAudience } from "./relays.ts";

/** Bounds what is written anew for each of many agents that arrive together. */
const PEERS_PER_MESSAGE = 64;

/** Relays learn where the agents that they serve are bound now; the store remembers it over our restarts. */
export function routeNews(
  agents: AgentRegistry,
  audiences: readonly RelayAudience[],
  changed: ReadonlyMap<AgentId, NetworkId>,
): Output[] {
  const outputs: Output[] = [];
  for (const { network, relays } of audiences) {
    const upsert: Route[] = [];
    const remove: AgentId[] = [];
    for (const [id, of] of changed) {
      if (network !== undefined && of !== network) continue;
      const entry = agents.get(id);
      const route = entry === undefined ? undefined : routeOf(entry);
      if (route === undefined) remove.push(id);
      else upsert.push(route);
    }
    if (upsert.length + remove.length === 0) continue;
    outputs.push({ to: "relays", relays, message: { type: "routes", upsert, remove } });
  }
  const homes: AgentHome[] = [];
  for (const id of changed.keys()) {
    const record = agents.get(id)?.record;
    if (record !== undefined) homes.push({ agent: id, home: record.home, standby: record.standby });
  }
  if (homes.length > 0) outputs.push({ to: "store", homes });
  return outputs;
}

/** All connected members of a network learn of the others. `changed` may name agents that are gone. */
export function peerNews(members: ReadonlyMap<AgentId, AgentEntry>, changed: ReadonlySet<AgentId>): Output[] {
  const gone: AgentId[] = [];
  const present: AgentEntry[] = [];
  for (const id of changed) {
    const entry = members.get(id);
    if (entry === undefined) gone.push(id);
    else present.push(entry);
  }
  const outputs: Output[] = [];
  for (let at = 0; at === 0 || at < present.length; at += PEERS_PER_MESSAGE) {
    const slice = present.slice(at, at + PEERS_PER_MESSAGE);
    outputs.push(...sliceNews(members, slice, at === 0 ? gone : []));
  }
  return outputs;
}

/** Nobody is a peer of itself: those who are in the news get a text of their own, all others the same one. */
function sliceNews(
  members: ReadonlyMap<AgentId, AgentEntry>,
  present: readonly AgentEntry[],
  remove: AgentId[],
): Output[] {
  const outputs: Output[] = [];
  const upsert = present.map(peerInfo);
  const own = new Set(upsert.map(({ id }) => id));
  const others: AgentId[] = [];
  for (const [id, { presence }] of members) if (presence !== undefined && !own.has(id)) others.push(id);
  if (others.length > 0) {
    outputs.push({ to: "agents", agents: others, message: { type: "peers", upsert, remove } });
  }
  for (const { record, presence } of present) {
    const mine = upsert.filter(({ id }) => id !== record.id);
    if (presence === undefined || mine.length + remove.length === 0) continue;
    outputs.push({ to: "agent", agent: record.id, message: { type: "peers", upsert: mine, remove } });
  }
  return outputs;
}

export function peersOf(agents: AgentRegistry, { record }: AgentEntry): PeerInfo[] {
  const peers: PeerInfo[] = [];
  for (const [id, entry] of agents.inNetwork(record.network))
    if (id !== record.id) peers.push(peerInfo(entry));
  return peers;
}

/** Of one network, or of all. */
export function allRoutes(agents: AgentRegistry, network: NetworkId | undefined): Route[] {
  const served = network === undefined ? agents.all() : [...agents.inNetwork(network).values()];
  return served.map(routeOf).filter((route) => route !== undefined);
}
