/**
 * One attempt to punch (puncher.ts): who of two agents does what, given their NATs, and which probe comes next. When
 * they leave, and how many attempts there are at once, is the puncher's business.
 */
import {
  type Candidate,
  type Endpoint,
  endpoint,
  type NatMapping,
  type NatPorts,
  splitEndpoint,
} from "@burrow/protocol";
import { isOuter4 } from "./candidates.ts";
import { OPENING_TTL } from "./paths/volley.ts";
import type { Peer } from "./peers.ts";
import { EARLY_GUESSES, guessPort, PORT_COUNT, PORT_MIN } from "./predictor.ts";

/** What two agents know of the NATs before them. */
export interface Nats {
  readonly own: NatMapping;
  readonly theirs: NatMapping;
  readonly ownPorts?: NatPorts | undefined;
  readonly theirPorts?: NatPorts | undefined;
  /** Whether either side has a port that its router forwards, or that its user vouches for. */
  readonly isForwarded?: boolean;
}

export type PunchRole = "many-sockets" | "many-ports" | "sockets-in-order";

export const PUNCH_SOCKETS = 256;
/** Finds a pair with 1 - (1 - 256/64512)^2048 = 99.97 %. */
export const PROBES_MAX = 2_048;
/** Each socket sends once a round: no further than `ttl` says, and not before the round's moment. */
interface Round {
  readonly afterMs: number;
  /** Undefined: all the way. */
  readonly ttl: number | undefined;
}
/**
 * Many sockets only have to open our own NATs, so their probes die on the way, a little further off each round. One
 * that arrives before the peer has probed that very port is a stray, and there are routers that never forget it: the
 * peer's probe of the port then leaves from another port than its own, which our NAT does not let in, and so do all
 * that follow, to us and to everybody else (Linux gives a socket the port that it gave it last). So none goes all the
 * way until the peer has sent its own, for the NATs that are further off than we guessed; now each meets one of these.
 */
const ROUNDS: readonly Round[] = [
  { afterMs: 0, ttl: OPENING_TTL },
  { afterMs: 600, ttl: OPENING_TTL + 2 },
  { afterMs: 2_300, ttl: undefined },
];
/** Two NATs in order: one round opens our ports, and in the next, probes go through to those that the peer opened. */
const ROUNDS_IN_ORDER: readonly Round[] = [
  { afterMs: 0, ttl: OPENING_TTL },
  { afterMs: 0, ttl: undefined },
];
/** The port of the peer's middle socket: others behind its NAT may have taken as many before as there are sockets after. */
const MIDDLE = PUNCH_SOCKETS / 2;
/** A peer's outside is one address, seldom two; a liar may name strangers' ones. */
const TARGETS_MAX = 2;

/** Who does what, given both sides' NATs; or why nobody does anything. */
export function punchRole(nats: Nats): PunchRole | "both-hard" | "port-forwarded" | "not-needed" {
  const ownIsHard = nats.own === "address-dependent";
  const peerIsHard = nats.theirs === "address-dependent";
  if (!ownIsHard && !peerIsHard) return "not-needed";
  if (ownIsHard && peerIsHard) {
    if (nats.isForwarded === true) return "port-forwarded";
    const areInOrder = [nats.ownPorts, nats.theirPorts].every((ports) => guessPort(ports, 0) !== undefined);
    return areInOrder ? "sockets-in-order" : "both-hard";
  }
  return ownIsHard ? "many-sockets" : "many-ports";
}

export interface Probe {
  readonly to: Endpoint;
  /** Undefined: the main one. */
  readonly socket: number | undefined;
  /** Undefined: all the way. */
  readonly ttl: number | undefined;
}

export class PunchAttempt {
  readonly peer: Peer;
  readonly role: PunchRole;
  /** In which order the peer's NAT gives its ports, where that is of use. */
  readonly ports: NatPorts | undefined;
  /** Many sockets: where they send. Many ports: endpoints whose addresses count. */
  readonly targets: readonly Endpoint[];
  /** Before, only what is guessed early is probed. */
  readonly notBeforeMs: number;
  phase: "waiting" | "opening" | "probing" | "lingering" = "waiting";
  untilMs: number;
  /** When probing began. */
  beganMs = 0;
  sent = 0;
  sockets: readonly number[] = [];

  constructor(
    peer: Peer,
    role: PunchRole,
    { theirPorts }: Nats,
    candidates: readonly Candidate[],
    notBeforeMs: number,
  ) {
    this.peer = peer;
    this.role = role;
    this.ports = role === "many-sockets" ? undefined : theirPorts;
    this.notBeforeMs = notBeforeMs;
    this.untilMs = notBeforeMs;
    const outside = outsideOf(candidates, this.ports);
    this.targets = role === "sockets-in-order" ? aimed(outside, this.ports) : outside;
  }

  get needsSockets(): boolean {
    return this.role !== "many-ports";
  }

  /** Whether some ports are so likely that they are probed before easier ways had their time. */
  get hasEarlyGuesses(): boolean {
    return this.role === "many-ports" && guessPort(this.ports, 0) !== undefined;
  }

  get isDone(): boolean {
    if (!this.needsSockets) return this.sent >= PROBES_MAX;
    return this.sent >= this.#perRound * this.#rounds.length;
  }

  get #rounds(): readonly Round[] {
    return this.role === "sockets-in-order" ? ROUNDS_IN_ORDER : ROUNDS;
  }

  get #perRound(): number {
    return this.sockets.length * this.targets.length;
  }

  /** The next probe; undefined when there is none at this moment, or none at all any more. */
  take(random: (length: number) => Uint8Array, now: number): Probe | undefined {
    const target = this.targets[this.sent % this.targets.length];
    if (target === undefined || this.isDone) return undefined;
    const probe = this.needsSockets ? this.#bySocket(target, now) : this.#byPort(target, random, now);
    if (probe !== undefined) this.sent++;
    return probe;
  }

  /** What the journal says when the probes begin. */
  describe(): string {
    if (this.needsSockets) return `${this.sockets.length} sockets probe ${this.targets.join(" and ")}`;
    const hosts = [...new Set(this.targets.map((target) => splitEndpoint(target).address))].join(" and ");
    const { step, last } = this.ports ?? {};
    const ports = this.hasEarlyGuesses ? `ports, first those by ${step} from ${last},` : "random ports";
    return `up to ${PROBES_MAX} ${ports} of ${hosts} are probed`;
  }

  #bySocket(to: Endpoint, now: number): Probe | undefined {
    const round = this.#rounds[Math.floor(this.sent / this.#perRound)];
    const dueMs = this.beganMs + (round?.afterMs ?? 0);
    if (now < dueMs) {
      this.untilMs = dueMs;
      return undefined;
    }
    const index = Math.floor(this.sent / this.targets.length);
    return { to, socket: this.sockets[index % this.sockets.length], ttl: round?.ttl };
  }

  #byPort(target: Endpoint, random: (length: number) => Uint8Array, now: number): Probe | undefined {
    const guess = guessPort(this.ports, this.sent);
    if (guess !== undefined && now < this.notBeforeMs && this.sent >= EARLY_GUESSES) {
      this.untilMs = this.notBeforeMs;
      return undefined;
    }
    const { address } = splitEndpoint(guess === undefined ? target : (this.targets[0] ?? target));
    return { to: endpoint(address, guess ?? randomPort(random)), socket: undefined, ttl: undefined };
  }
}

function randomPort(random: (length: number) => Uint8Array): number {
  const [high = 0, low = 0, more = 0] = random(3);
  return PORT_MIN + ((high * 65_536 + low * 256 + more) % PORT_COUNT);
}

/** Endpoints outside the peer's NAT; first the one whose port is the newest, if that is known. */
function outsideOf(candidates: readonly Candidate[], ports: NatPorts | undefined): readonly Endpoint[] {
  const outside = candidates.filter(isOutside).map((candidate) => candidate.endpoint);
  const isNewest = (of: Endpoint) => splitEndpoint(of).port === ports?.last;
  return [...outside.filter(isNewest), ...outside.filter((of) => !isNewest(of))].slice(0, TARGETS_MAX);
}

/** The one port that all sockets send to: where the middle one of the peer's will be. */
function aimed([outside]: readonly Endpoint[], ports: NatPorts | undefined): readonly Endpoint[] {
  const port = guessPort(ports, MIDDLE);
  if (outside === undefined || port === undefined) return [];
  return [endpoint(splitEndpoint(outside).address, port)];
}

/**
 * Where a NAT's outside is: IPv4, and no address of the peer's own network, unless that is routed beyond it: behind a
 * firewall that translates nothing, a peer is seen where it is.
 */
function isOutside({ kind, endpoint: of }: Candidate): boolean {
  return kind === "host" ? isOuter4(of) : !of.startsWith("[");
}
