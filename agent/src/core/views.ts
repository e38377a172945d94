/**
 * What people and scripts are shown of an agent. The shapes are a contract (docs/cli.md): fields are added, never
 * renamed. Times ending in `Ms` are Unix milliseconds or durations, as named.
 */
import { type AgentId, agentIdOf, type RelayedBecause, type RelayId, toBase64 } from "@burrow/protocol";
import type { AgentParts } from "./parts.ts";
import type { Path, PathTarget } from "./paths/path.ts";
import type { Peer } from "./peers.ts";
import { DoorKind } from "./relays/doors.ts";
import type { RelayLink } from "./relays/relay-link.ts";

export type { RelayedBecause };

export interface PathView {
  readonly kind: "direct" | "relay" | "none";
  readonly endpoint: string | undefined;
  readonly relay: RelayId | undefined;
  readonly region: string | undefined;
}

export interface PeerView {
  readonly id: AgentId;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly online: boolean;
  /** Unix ms: when one that is not online was so last, as the coordinator knows. */
  readonly lastSeenMs: number | undefined;
  readonly path: PathView & {
    readonly rttMs: number | undefined;
    readonly sinceMs: number | undefined;
    readonly reason: string;
    /** Why there is no direct path, while packets go by a relay. */
    readonly relayedBecause: RelayedBecause | undefined;
  };
  /** Unix ms: when a packet or an ack came from it last, by any path. */
  readonly lastHeardMs: number | undefined;
  readonly lastHandshakeMs: number | undefined;
  /** Since when WireGuard handshakes are begun in vain, while probes are answered. */
  readonly handshakeStuckSinceMs: number | undefined;
  readonly rxBytes: number;
  readonly txBytes: number;
}

export interface RelayView {
  readonly id: RelayId;
  readonly region: string;
  readonly state: string;
  readonly home: boolean;
  readonly standby: boolean;
  readonly bound: boolean;
  readonly rttMs: number | undefined;
  readonly samples: number;
  readonly expectedRttMs: number | undefined;
  /** What the coordinator adds to the round trip, for load and operators' wishes; less than 0 for a preferred one. */
  readonly penaltyMs: number;
  readonly observed: string | undefined;
  readonly endpoint: string | undefined;
  /** How packets reach it. */
  readonly transport: "udp" | "websocket";
  /** By which of its doors it is bound: UDP at its own port, UDP at a further one, WebSocket. */
  readonly door: "own-port" | "further-port" | "websocket" | undefined;
  readonly reason: string;
}

export interface WhyView {
  readonly peer: PeerView;
  /** Of our own side: by this the peer may reach us, whatever NATs there are. */
  readonly portMapping: PortMappingView;
  /** Which relay, or trunk of homes, the coordinator reckons to be the shortest way for this pair, in its words. */
  readonly pairReason: string | undefined;
  /** Newest last. */
  readonly reasons: readonly { readonly atMs: number; readonly event: string; readonly detail: string }[];
  readonly attempts: readonly AttemptView[];
}

export interface AttemptView extends PathView {
  readonly origin: string;
  readonly state: string;
  readonly inUse: boolean;
  readonly sent: number;
  readonly acked: number;
  readonly rttMs: number | undefined;
  readonly jitterMs: number | undefined;
  /** Part of the latest 32 probes that were lost, 0 to 1; 0 below four of them. */
  readonly loss: number | undefined;
  /** The largest packet that it is known to carry inside the tunnel, as far as was looked for. */
  readonly mtuBytes: number | undefined;
  readonly lastHeardMs: number | undefined;
}

export function pathView(agent: AgentParts, target: PathTarget | undefined): PathView {
  if (target === undefined) return { kind: "none", endpoint: undefined, relay: undefined, region: undefined };
  if (target.kind === "direct") {
    return { kind: "direct", endpoint: target.endpoint, relay: undefined, region: undefined };
  }
  const region = agent.relays.get(target.relay)?.info.region;
  return { kind: "relay", endpoint: agent.relays.endpointOf(target.relay), relay: target.relay, region };
}

/** What the puncher says of both NATs: a router may have given one of them a port since. */
const NAT_EVENTS: ReadonlySet<string> = new Set(["both-nats-hard", "port-forwarded", "punching"]);

export function relayedBecause(agent: AgentParts, { paths, candidates }: Peer): RelayedBecause | undefined {
  if (paths.current?.kind !== "relay") return undefined;
  if (!paths.isAwake) return "idle";
  const bound = agent.relays.links.filter((link) => link.isBound);
  if (bound.length > 0 && bound.every((link) => link.isWebsocket)) return "udp-blocked";
  const direct = paths.paths.filter((path) => path.target.kind === "direct");
  const proven = direct.filter((path) => path.isProven);
  if (proven.length > 0) {
    const isNarrow = proven.every(({ mtu }) => mtu.verdict === "cramped");
    return isNarrow ? "direct-too-narrow" : "direct-clearly-worse";
  }
  if (direct.some(({ state }) => state === "trying" || state === "suspect")) return "probing";
  const nats = paths.journal.entries.findLast(({ event }) => NAT_EVENTS.has(event))?.event;
  if (nats === "both-nats-hard") return nats;
  return candidates.length === 0 ? "peer-without-candidates" : "candidates-silent";
}

/** Lost packets delay a handshake by seconds; one that fails for longer fails for a reason. */
const HANDSHAKE_PATIENCE_MS = 10_000;

/** See PeerView. A peer whose clock went back sends handshakes that the other must take for old ones (WireGuard §5.1). */
function handshakeStuckSince({ tunnel, now }: AgentParts, { info, paths }: Peer): number | undefined {
  const sinceMs = tunnel.statistics(info.id)?.unansweredSinceMs;
  if (sinceMs === undefined || now - sinceMs < HANDSHAKE_PATIENCE_MS) return undefined;
  return paths.paths.some(({ isProven }) => isProven) ? sinceMs : undefined;
}

export function peerView(agent: AgentParts, peer: Peer): PeerView {
  const { id, name, ipv4, ipv6, online, lastSeenMs } = peer.info;
  const statistics = agent.tunnel.statistics(id);
  const { current, currentPath, currentSinceMs, reason } = peer.paths;
  return {
    id,
    name,
    ipv4,
    ipv6,
    online,
    lastSeenMs: online ? undefined : lastSeenMs,
    path: {
      ...pathView(agent, current),
      rttMs: currentPath?.rtt.smoothedMs,
      sinceMs: current === undefined ? undefined : currentSinceMs,
      reason,
      relayedBecause: relayedBecause(agent, peer),
    },
    lastHeardMs: latest(peer.paths.paths.map((path) => path.lastHeardMs)),
    lastHandshakeMs: statistics?.lastHandshakeMs,
    handshakeStuckSinceMs: handshakeStuckSince(agent, peer),
    rxBytes: statistics?.rxBytes ?? 0,
    txBytes: statistics?.txBytes ?? 0,
  };
}

function latest(moments: readonly (number | undefined)[]): number | undefined {
  return moments.reduce((last, at) => (at !== undefined && at > (last ?? 0) ? at : last), undefined);
}

export function peerViews(agent: AgentParts): PeerView[] {
  return [...agent.peers.all]
    .map((peer) => peerView(agent, peer))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export function relayView(agent: AgentParts, link: RelayLink): RelayView {
  const { home, standby, reason } = agent.relays.homes;
  const isHome = link.info.id === home;
  return {
    id: link.info.id,
    region: link.info.region,
    state: link.draining
      ? "draining"
      : link.info.state === "healthy" && link.state === "silent"
        ? "silent"
        : link.info.state,
    home: isHome,
    standby: link.info.id === standby,
    bound: link.isBound,
    rttMs: link.rtt.leastMs,
    samples: link.rtt.samples,
    expectedRttMs: link.expectedRttMs,
    penaltyMs: link.penaltyMs + link.crowdMs,
    observed: link.observed,
    endpoint: link.isWebsocket ? link.info.websocket?.url : link.endpoint,
    transport: link.isWebsocket ? "websocket" : "udp",
    door: link.isBound && link.doorKind !== undefined ? DOORS[link.doorKind] : undefined,
    reason: isHome ? reason : link.rankReason,
  };
}

export function relayViews(agent: AgentParts): RelayView[] {
  const links = [...agent.relays.links].toSorted((a, b) => a.rank - b.rank);
  return links.map((link) => relayView(agent, link));
}

export function whyView(agent: AgentParts, peer: Peer): WhyView {
  return {
    peer: peerView(agent, peer),
    portMapping: portMappingView(agent),
    pairReason: peer.paths.pairReason,
    reasons: peer.paths.journal.entries.map(({ at, event, detail }) => ({
      atMs: at,
      event,
      detail: withRegions(agent, detail),
    })),
    attempts: peer.paths.paths.map((path) => attemptView(agent, path, path === peer.paths.currentPath)),
  };
}

/** Relays in a journal's words by their region, as everywhere else. */
function withRegions({ relays }: Pick<AgentParts, "relays">, text: string): string {
  return text.replace(/\brelay ([0-9a-f]{16})\b/g, (words, id: RelayId) => {
    const region = relays.get(id)?.info.region;
    return region === undefined ? words : `relay ${region}`;
  });
}

function attemptView(agent: AgentParts, path: Path, inUse: boolean): AttemptView {
  const { origin, state, sent, acked, rtt, loss, mtu, lastHeardMs } = path;
  const measured = rtt.samples > 0;
  return {
    ...pathView(agent, path.target),
    origin,
    state,
    inUse,
    sent,
    acked,
    rttMs: rtt.smoothedMs,
    jitterMs: measured ? rtt.jitterMs : undefined,
    loss: measured ? loss.share : undefined,
    mtuBytes: mtu.innerBytes,
    lastHeardMs,
  };
}

const DOORS = {
  [DoorKind.ownPort]: "own-port",
  [DoorKind.furtherPort]: "further-port",
  [DoorKind.websocket]: "websocket",
} as const;

/** What the router before us gave, or why it gave nothing. */
export function portMappingView({ mapper }: AgentParts) {
  const { state, gateway, lease, problems } = mapper;
  return {
    state,
    gateway: gateway?.address,
    protocol: lease?.protocol,
    outside: lease?.outside,
    grantedMs: lease?.grantedMs,
    expiresMs: lease?.expiresMs,
    problems: Object.fromEntries(problems),
  };
}
export type PortMappingView = ReturnType<typeof portMappingView>;

/** What the network looks like from here: mapping kind, how relays see us, candidates, round trips. */
export function netcheckView(agent: AgentParts) {
  return {
    natMapping: agent.whereabouts.nat,
    natPorts: agent.whereabouts.natPorts,
    /** Whether the NAT turns packets for its own outside around; unknown where no probe could tell. */
    hairpin: agent.hairpin.result,
    portMapping: portMappingView(agent),
    local: agent.whereabouts.local,
    reflexive: agent.relays.outside.reflexive,
    candidates: agent.whereabouts.candidates,
    /** How often the home moved for a gain within a day. */
    homeMoves: agent.relays.homeMoves,
    udp: agent.relays.links.some((link) => link.isBound && !link.isWebsocket),
    websocket: agent.relays.links.some((link) => link.isBound && link.isWebsocket),
    ipv4: agent.relays.outside.reflexive.some((endpoint) => !endpoint.startsWith("[")),
    ipv6: agent.relays.outside.reflexive.some((endpoint) => endpoint.startsWith("[")),
    relays: relayViews(agent),
  };
}
export type NetcheckView = ReturnType<typeof netcheckView>;

/** The agent in a few lines; what is known outside its machine (version, coordinator, device) is added there. */
export function statusView(agent: AgentParts) {
  const { home, standby, reason } = agent.relays.homes;
  const homeLink = home === undefined ? undefined : agent.relays.get(home);
  const standbyLink = standby === undefined ? undefined : agent.relays.get(standby);
  const peers = [...agent.peers.all];
  const byKind = (kind: string) =>
    peers.filter((peer) => pathView(agent, peer.paths.current).kind === kind).length;
  return {
    ...(agent.netmap === undefined
      ? undefined
      : {
          name: agent.netmap.agent.name,
          network: agent.netmap.agent.networkName,
          ipv4: agent.netmap.agent.ipv4,
          ipv6: agent.netmap.agent.ipv6,
          place: agent.netmap.observed.place,
        }),
    home:
      homeLink === undefined
        ? undefined
        : { relay: home, region: homeLink.info.region, rttMs: homeLink.rtt.leastMs, reason },
    homeMoves: agent.relays.homeMoves,
    standby: standbyLink === undefined ? undefined : { relay: standby, region: standbyLink.info.region },
    natMapping: agent.whereabouts.nat,
    peers: {
      total: peers.length,
      online: peers.filter((peer) => peer.info.online).length,
      direct: peers.filter((peer) => peer.paths.isAwake && peer.paths.current?.kind === "direct").length,
      relayed: peers.filter((peer) => peer.paths.isAwake && peer.paths.current?.kind === "relay").length,
      idle: peers.filter((peer) => peer.info.online && !peer.paths.isAwake).length,
    },
    /** Peers by name whose probes are answered, but not their handshakes. */
    handshakesStuck: peers
      .filter((peer) => handshakeStuckSince(agent, peer) !== undefined)
      .map(({ info }) => info.name),
    clients: agent.clients.map(({ key, allowedIps: [prefix = ""] }) => {
      const { lastHandshakeMs, rxBytes = 0, txBytes = 0 } = agent.tunnel.statistics(agentIdOf(key)) ?? {};
      const [address = ""] = prefix.split("/");
      return { publicKey: toBase64(key), address, lastHandshakeMs, rxBytes, txBytes };
    }),
    drops: Object.fromEntries([...agent.drops, ...agent.tunnel.drops]),
    paths: { direct: byKind("direct"), relay: byKind("relay"), none: byKind("none") },
  };
}
