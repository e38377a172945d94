/** Every way in which a path dies under a running stream, how it is brought back, and how long a silence is allowed. */
import { type AgentDaemon, RELAY_PORT, type RelayDaemon } from "../burrow.ts";
import type { FailoverWorld } from "./world.ts";

/** A network that begins to block UDP: all binds have to go unanswered first. */
const WEBSOCKET_GAP_MS = 3_000;
/** Design §9, for direct → relay and relay → relay; a change of network is to cost no more. */
const GAP_MS = 500;

export interface Cut {
  /** Brings back what was broken. */
  mend(): Promise<unknown>;
  /** Whether the pair no longer uses what was cut, for cuts after which packets still pass. */
  left?(): Promise<boolean>;
}

export interface FailoverCase {
  readonly name: string;
  readonly summary: string;
  /** Longest silence allowed, for 95 of 100 cuts. */
  readonly gapMs: number;
  /** Packets that all cuts together may cost, where that is not for the gap to say. */
  readonly lostMax?: number;
  /** So many cuts at most once the coordinator is gone. */
  readonly cutsGoneMax?: number;
  /** Whose stream is measured. */
  ends(world: FailoverWorld): readonly [AgentDaemon, AgentDaemon];
  /** Until the pair is where the cut will hit it. */
  ready(world: FailoverWorld): Promise<void>;
  /** Breaks it; `turn` counts up, so that each side is hit. */
  cut(world: FailoverWorld, turn: number): Promise<Cut>;
  /** Called before the first cut; what it returns, after the last. */
  prepare?(world: FailoverWorld): Promise<() => Promise<unknown>>;
}

const pairAB = ({ a, b }: FailoverWorld) => [a, b] as const;

/** Cuts the relay by which one of the two sends, each in turn. */
function relayCase(
  name: string,
  summary: string,
  kill: (relay: RelayDaemon, world: FailoverWorld) => Promise<Cut>,
): FailoverCase {
  return {
    name,
    summary,
    gapMs: GAP_MS,
    ends: pairAB,
    // No direct path may come to the rescue.
    prepare: ({ bench, a, b }) => bench.net.cut(a.host, b.host),
    ready: (world) => world.relayed(world.a, world.b),
    cut: async (world, turn) => {
      const [x, y] = turn % 2 === 0 ? [world.a, world.b] : [world.b, world.a];
      return kill(await world.relayBetween(x, y), world);
    },
  };
}

async function killRelay(relay: RelayDaemon): Promise<Cut> {
  await relay.kill();
  const mend = async () => {
    relay.restart();
    while (!(await relay.isHealthy())) relay.mustRun();
  };
  return { mend };
}

async function isolateRelay(relay: RelayDaemon, { bench }: FailoverWorld): Promise<Cut> {
  return { mend: await bench.net.isolate(relay.host) };
}

/** Its control plane lives, its HTTP answers, the coordinator is content; only its packets are gone. */
async function deafenRelay(relay: RelayDaemon): Promise<Cut> {
  const { namespace } = relay.host;
  await namespace.nft(`
    table inet deaf {
      chain in { type filter hook input priority filter; policy accept; udp dport ${RELAY_PORT} drop
      }
      chain out { type filter hook output priority filter; policy accept; udp sport ${RELAY_PORT} drop
      }
    }`);
  return { mend: () => namespace.nft("delete table inet deaf\n") };
}

async function drainRelay(relay: RelayDaemon, { a, b }: FailoverWorld): Promise<Cut> {
  await relay.drain(true);
  const left = async () => {
    const ways = await Promise.all([a.whyPath(b), b.whyPath(a)]);
    return ways.every(({ peer }) => peer.path.region !== relay.region);
  };
  return { mend: () => relay.drain(false), left };
}

/** The router before `a` begins to drop all UDP, or stops doing so. */
async function blockUdp({ a }: FailoverWorld, blocked: boolean): Promise<void> {
  await a.host.router?.become(blocked ? "udp-blocked" : "port-restricted");
}

async function unblockUdp(world: FailoverWorld): Promise<Cut> {
  await blockUdp(world, false);
  const left = async () => (await world.a.relays()).some((relay) => relay.home && relay.transport === "udp");
  return { mend: () => blockUdp(world, true), left };
}

export const FAILOVERS: readonly FailoverCase[] = [
  {
    name: "direct-to-relay",
    summary: "UDP between the two sites is dropped",
    gapMs: GAP_MS,
    ends: pairAB,
    ready: (world) => world.direct(world.a, world.b),
    cut: async ({ bench, a, b }) => ({ mend: await bench.net.cut(a.host, b.host) }),
  },
  relayCase("relay-killed", "the relay in use is killed with SIGKILL", killRelay),
  relayCase("relay-isolated", "a firewall takes the relay in use off the internet", isolateRelay),
  relayCase(
    "relay-deaf",
    "the relay in use lives, in HTTP and for the coordinator, but not in UDP",
    deafenRelay,
  ),
  {
    ...relayCase("relay-drained", "the relay in use is drained", drainRelay),
    lostMax: 0,
    // Without it agents hear that a relay takes them again when they ask next, after five minutes.
    cutsGoneMax: 1,
  },
  {
    name: "wifi-to-cellular",
    summary: "a machine's address, device and NAT change under the path in use",
    gapMs: GAP_MS,
    ends: ({ m, b }) => [m, b] as const,
    // Nobody but the coordinator can tell a peer the new address, so without one the relay has to do.
    ready: (world) =>
      world.coordinator.running ? world.direct(world.m, world.b) : world.connected(world.m, world.b),
    cut: async ({ uplinks }) => {
      await uplinks.change();
      return { mend: async () => {} };
    },
  },
  {
    name: "udp-to-websocket",
    summary: "a router begins to drop all UDP",
    gapMs: WEBSOCKET_GAP_MS,
    ends: pairAB,
    ready: (world) => world.direct(world.a, world.b),
    cut: async (world) => {
      await blockUdp(world, true);
      return { mend: () => blockUdp(world, false) };
    },
  },
  {
    name: "websocket-to-udp",
    summary: "the router lets UDP pass again, which costs no packet",
    gapMs: GAP_MS,
    lostMax: 0,
    ends: pairAB,
    prepare: async (world) => {
      await blockUdp(world, true);
      return () => blockUdp(world, false);
    },
    ready: (world) => world.bound(world.a, world.b, "websocket"),
    cut: unblockUdp,
  },
];
