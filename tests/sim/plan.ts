/**
 * A scenario as plain data: which networks, relays and agents there are, who talks with whom, what goes wrong when.
 * Drawn from a seed alone; carrying it out is world.ts's business. Add what can go wrong to `drawFault`.
 */

import { FULL_CONE, HARD, type NatKind, PORT_RESTRICTED, SEQUENTIAL } from "./net/nat.ts";
import type { Position } from "./net/weather.ts";
import { Random } from "./random.ts";

/** Where an agent lives: what stands between it and the internet. */
export interface HomePlan {
  readonly position: Position;
  /** Undefined: a public address of its own. */
  readonly nat: NatKind | undefined;
  readonly firewall: boolean;
  /** A carrier's NAT above the home's, shared by all homes with the same one. */
  readonly carrier: NatKind | undefined;
  readonly natTimeoutMs: number;
  /** Beside IPv4, or instead of it; behind a stateful firewall. Absent: none. */
  readonly ipv6?: "beside" | "only";
  /** No UDP gets out: what remains is WebSocket. */
  readonly blocksUdp?: boolean;
}

export interface AgentPlan {
  readonly home: number;
  readonly startMs: number;
  readonly skewMs: number;
}

export interface RelayPlan {
  readonly position: Position;
  readonly skewMs: number;
}

export interface TalkPlan {
  readonly from: number;
  readonly to: number;
  readonly everyMs: number;
  /** Absent: with the others, at `talkFromMs`. */
  readonly fromMs?: number;
}

export type FaultKind =
  | { readonly is: "direct-cut"; readonly a: number; readonly b: number; readonly oneWay: boolean }
  | { readonly is: "relay-cut"; readonly agent: number; readonly relay: number; readonly oneWay: boolean }
  | { readonly is: "relay-killed"; readonly relay: number }
  | { readonly is: "relay-deaf"; readonly relay: number }
  | { readonly is: "relay-drained"; readonly relay: number }
  | { readonly is: "coordinator-gone" }
  | { readonly is: "router-rebooted"; readonly home: number }
  | { readonly is: "storm"; readonly home: number; readonly loss: number }
  | { readonly is: "moved"; readonly agent: number; readonly to: HomePlan; readonly awayMs: number }
  | { readonly is: "restarted"; readonly agent: number };

export interface FaultPlan {
  readonly fault: FaultKind;
  readonly atMs: number;
  /** How long it lasts; 0 for what happens in a moment. */
  readonly forMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly homes: readonly HomePlan[];
  readonly agents: readonly AgentPlan[];
  readonly relays: readonly RelayPlan[];
  readonly talks: readonly TalkPlan[];
  readonly faults: readonly FaultPlan[];
  readonly loss: number;
  readonly duplication: number;
  readonly jitterMs: number;
  readonly talkFromMs: number;
  readonly talkUntilMs: number;
  readonly endMs: number;
  /** What the first scenarios did not have. Absent: relays with IPv4 alone and no door, agents that do not punch. */
  readonly isWide?: boolean;
}

const TALK_FROM_MS = 4_000;
const FAULTS_FROM_MS = 12_000;
/** After the last fault: time for every backoff to come round once. */
const CALM_MS = 45_000;
/** After the last word: time for everybody to fall idle, and then to show that they are. */
const IDLE_MS = 150_000;

export function drawPlan(seed: number): Plan {
  const random = new Random(seed);
  const relays = Array.from({ length: random.whole(2, 4) }, () => drawRelay(random));
  const homes = Array.from({ length: random.whole(2, 4) }, () => drawHome(random));
  const agents = homes.map((_, home) => drawAgent(random, home));
  if (random.chance(0.2)) agents.push(drawAgent(random, 0));
  const talks = drawTalks(random, agents.length);
  const faults = drawFaults(random, { relays, homes, agents, talks });
  const lastFaultMs = Math.max(FAULTS_FROM_MS, ...faults.map(({ atMs, forMs }) => atMs + forMs));
  const isClean = random.chance(0.3);
  return {
    seed,
    homes,
    agents,
    relays,
    talks,
    faults,
    loss: isClean ? 0 : random.next() ** 2 * 0.03,
    duplication: isClean ? 0 : random.next() ** 2 * 0.02,
    jitterMs: isClean ? 0 : random.between(0, 25),
    talkFromMs: TALK_FROM_MS,
    talkUntilMs: lastFaultMs + CALM_MS,
    endMs: lastFaultMs + CALM_MS + IDLE_MS,
    isWide: true,
  };
}

/** Europe is 40 ms wide, the world 150. */
function drawPosition(random: Random): Position {
  const size = random.chance(0.7) ? 20 : 75;
  return { x: random.between(-size, size), y: random.between(-size, size) };
}

function drawSkew(random: Random): number {
  return random.chance(0.5) ? 0 : Math.round(random.between(-20_000, 20_000));
}

function drawRelay(random: Random): RelayPlan {
  return { position: drawPosition(random), skewMs: drawSkew(random) };
}

/** One network in so many blocks UDP, … */
const UDP_BLOCKED_PART = 0.08;
/** … has IPv6 beside IPv4, … */
const IPV6_BESIDE_PART = 0.3;
/** … or has only that. */
const IPV6_ONLY_PART = 0.07;

export function drawHome(random: Random): HomePlan {
  const nat = random.weighted<NatKind | undefined>([
    [2, undefined],
    [2, FULL_CONE],
    [5, PORT_RESTRICTED],
    [1, HARD],
    [1, SEQUENTIAL],
  ]);
  return {
    position: drawPosition(random),
    nat,
    firewall: nat === undefined && random.chance(0.6),
    carrier: nat !== undefined && random.chance(0.15) ? PORT_RESTRICTED : undefined,
    natTimeoutMs: random.pick([30_000, 60_000, 120_000]),
    ...drawFamilies(random),
    ...(random.chance(UDP_BLOCKED_PART) ? { blocksUdp: true } : {}),
  };
}

function drawFamilies(random: Random): Pick<HomePlan, "ipv6"> {
  const draw = random.next();
  if (draw < IPV6_ONLY_PART) return { ipv6: "only" };
  return draw < IPV6_ONLY_PART + IPV6_BESIDE_PART ? { ipv6: "beside" } : {};
}

function drawAgent(random: Random, home: number): AgentPlan {
  return { home, startMs: random.between(0, 1_500), skewMs: drawSkew(random) };
}

function drawTalks(random: Random, agents: number): TalkPlan[] {
  const talks: TalkPlan[] = [];
  const count = random.whole(1, 2);
  for (let i = 0; i < count; i++) {
    const from = random.whole(0, agents - 1);
    const to = (from + random.whole(1, agents - 1)) % agents;
    if (talks.some((talk) => talk.from === from && talk.to === to)) continue;
    talks.push({ from, to, everyMs: random.pick([50, 100, 200, 400]) });
  }
  return talks;
}

type Cast = Pick<Plan, "relays" | "homes" | "agents" | "talks">;

function drawFaults(random: Random, cast: Cast): FaultPlan[] {
  const faults: FaultPlan[] = [];
  let atMs = FAULTS_FROM_MS;
  const count = random.weighted([
    [1, 0],
    [4, 1],
    [4, 2],
    [2, 4],
  ] as const);
  for (let i = 0; i < count; i++) {
    const fault = drawFault(random, cast);
    const forMs = isMomentary(fault) ? 0 : random.between(2_000, 20_000);
    faults.push({ fault, atMs, forMs });
    // Mostly one after another, at times together; the coordinator and a relay never are away at once.
    const overlaps = random.chance(0.2) && fault.is !== "coordinator-gone";
    atMs += overlaps ? random.between(0, forMs) : forMs + random.between(6_000, 15_000);
  }
  return keepApart(faults);
}

/** A coordinator's absence begins only when all else is over, and nothing begins before it is back and settled. */
function keepApart(faults: readonly FaultPlan[]): FaultPlan[] {
  let busyUntilMs = 0;
  return faults.map((planned) => {
    const isLonely = planned.fault.is === "coordinator-gone";
    const atMs = isLonely ? Math.max(planned.atMs, busyUntilMs + 8_000) : planned.atMs;
    busyUntilMs = Math.max(busyUntilMs, atMs + planned.forMs + (isLonely ? 20_000 : 0));
    return { ...planned, atMs };
  });
}

function isMomentary({ is }: FaultKind): boolean {
  return is === "router-rebooted" || is === "moved" || is === "restarted";
}

function drawFault(random: Random, cast: Cast): FaultKind {
  const { from, to } = random.pick(cast.talks);
  const agent = random.pick([from, to]);
  const home = cast.agents[agent]?.home ?? 0;
  // Relay 0 is never touched, so that there always is a way.
  const relay = random.whole(1, cast.relays.length - 1);
  const oneWay = random.chance(0.4);
  const [a, b] = random.chance(0.5) ? [from, to] : [to, from];
  return random.weighted<FaultKind>([
    [6, { is: "direct-cut", a, b, oneWay }],
    [3, { is: "relay-cut", agent, relay, oneWay }],
    [3, { is: "relay-killed", relay }],
    [3, { is: "relay-deaf", relay }],
    [2, { is: "relay-drained", relay }],
    [2, { is: "coordinator-gone" }],
    [3, { is: "router-rebooted", home }],
    [2, { is: "storm", home, loss: random.between(0.1, 0.5) }],
    [3, { is: "moved", agent, to: drawHome(random), awayMs: random.pick([0, 0, 300, 3_000]) }],
    [2, { is: "restarted", agent }],
  ]);
}
