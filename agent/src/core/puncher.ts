/**
 * Punching where one NAT gives each destination another port ("hard", address-dependent mapping) and the other does
 * not (design §7). The hard side opens many sockets and probes the other's one address from each, which opens as many
 * ports; the other side probes random ports of the hard side's address. By the birthday rule 256 sockets and 1,024
 * probes meet with 98 %. Whoever is met answers, and the path is that socket and that endpoint.
 *
 * Where the hard NAT gives its ports in order, the next ones are guessed (predictor.ts): a few at once, since the hard
 * side's first probe to us has one of them, and the others before random ones, since its many sockets have those.
 *
 *   introduced ──pause──▶ opening sockets ──▶ probing ──▶ over      (many sockets)
 *   introduced ──pause──▶ probing ──▶ over                          (many ports)
 */
import {
  type AgentId,
  type Candidate,
  type Endpoint,
  endpoint,
  type NatMapping,
  type NatPorts,
  splitEndpoint,
} from "@burrow/protocol";
import ipaddr from "ipaddr.js";
import type { Peer } from "./peers.ts";
import { EARLY_GUESSES, guessPort, PORT_COUNT, PORT_MIN } from "./predictor.ts";

export type PunchRole = "many-sockets" | "many-ports";

/** What easier ways get before this one starts: they cost next to nothing and mostly win. */
const PAUSE_MS = 300;
export const PUNCH_SOCKETS = 256;
/**
 * Every other socket only opens our own NAT, by a probe that dies on the way: a router that takes strays for itself
 * would otherwise hold all of our ports for its own. The rest go through, since our NAT may be further off than that.
 */
const OPENING_EVERY = 2;
/** A peer's outside is one address, seldom two; a liar may name strangers' ones. */
const TARGETS_MAX = 2;
/** Finds a pair with 1 - (1 - 256/64512)^2048 = 99.97 %. */
const PROBES_MAX = 2_048;
/** At most 1,000 probes of 88 bytes a second, whatever happens. */
const BURST_PROBES = 10;
const BURST_INTERVAL_MS = 10;
/** Answers to the last probes may still come. */
const LINGER_MS = 2_000;
const OPEN_TIMEOUT_MS = 2_000;
/** Between two attempts for one peer; the last one for ever. */
const AGAIN_AFTER_MS = [5_000, 30_000, 300_000] as const;

export interface PuncherSink {
  /** A probe to an endpoint, from one of our sockets (undefined: the main one). */
  probe(peer: Peer, to: Endpoint, socket: number | undefined, isOpening: boolean): void;
  /** Asks for further sockets; `socketsOpened` tells their ids. */
  openSockets(count: number): void;
  closeSockets(ids: readonly number[]): void;
}

/** What two agents know of the NATs before them. */
export interface Nats {
  readonly own: NatMapping;
  readonly theirs: NatMapping;
  readonly theirPorts?: NatPorts | undefined;
}

interface Attempt {
  readonly peer: Peer;
  readonly role: PunchRole;
  /** In which order the peer's NAT gives its ports. */
  readonly ports: NatPorts | undefined;
  /** Before, only what is guessed early is probed. */
  readonly notBeforeMs: number;
  /** Many sockets: the peer's endpoints. Many ports: endpoints whose addresses count. */
  readonly targets: readonly Endpoint[];
  phase: "waiting" | "opening" | "probing" | "lingering";
  untilMs: number;
  sent: number;
  sockets: readonly number[];
}

/** Who does what, given both sides' NATs; or why nobody does anything. */
export function punchRole(own: NatMapping, peer: NatMapping): PunchRole | "both-hard" | "not-needed" {
  const ownIsHard = own === "address-dependent";
  const peerIsHard = peer === "address-dependent";
  if (ownIsHard && peerIsHard) return "both-hard";
  if (ownIsHard) return "many-sockets";
  return peerIsHard ? "many-ports" : "not-needed";
}

export class Puncher {
  readonly #sink: PuncherSink;
  readonly #random: (length: number) => Uint8Array;
  readonly #history = new Map<AgentId, { attempts: number; lastMs: number }>();
  /** One at a time, so that the rate holds whatever many peers want. */
  #attempt: Attempt | undefined;

  constructor(sink: PuncherSink, random: (length: number) => Uint8Array) {
    this.#sink = sink;
    this.#random = random;
  }

  /** Both sides were just introduced: plan an attempt if their NATs call for one. */
  introduced(
    peer: Peer,
    { own, theirs, theirPorts }: Nats,
    candidates: readonly Candidate[],
    now: number,
  ): void {
    const role = punchRole(own, theirs);
    const { journal } = peer.paths;
    if (role === "both-hard") {
      journal.note(
        now,
        "both-nats-hard",
        "both NATs give each destination another port: only a relay can help",
      );
      return;
    }
    if (role === "not-needed" || this.#attempt !== undefined || isDirect(peer)) return;
    const { attempts, lastMs } = this.#history.get(peer.info.id) ?? {
      attempts: 0,
      lastMs: Number.NEGATIVE_INFINITY,
    };
    const pauseMs = AGAIN_AFTER_MS[Math.min(attempts, AGAIN_AFTER_MS.length) - 1] ?? 0;
    if (now - lastMs < pauseMs) return;
    const ports = role === "many-ports" ? theirPorts : undefined;
    const targets = outsideOf(candidates, ports);
    if (targets.length === 0) return;
    this.#history.set(peer.info.id, { attempts: attempts + 1, lastMs: now });
    const notBeforeMs = now + PAUSE_MS;
    const hasGuesses = guessPort(ports, 0) !== undefined;
    this.#attempt = {
      ...{ peer, role, ports, targets, notBeforeMs, sent: 0, sockets: [] },
      phase: "waiting",
      untilMs: hasGuesses ? now : notBeforeMs,
    };
    if (hasGuesses) this.tick(now);
  }

  /** The peer is gone. */
  forget(id: AgentId): void {
    this.#history.delete(id);
    if (this.#attempt?.peer.info.id === id) this.#end(this.#attempt);
  }

  /** The network changed: what failed before may work now. */
  forgetHistory(): void {
    this.#history.clear();
  }

  socketsOpened(ids: readonly number[], now: number): void {
    const attempt = this.#attempt;
    if (attempt?.phase !== "opening") return this.#sink.closeSockets(ids);
    attempt.sockets = ids;
    attempt.phase = "probing";
    attempt.untilMs = now;
    attempt.peer.paths.journal.note(
      now,
      "punching",
      `${ids.length} sockets probe ${attempt.targets.join(" and ")}`,
    );
    this.tick(now);
  }

  tick(now: number): void {
    const attempt = this.#attempt;
    if (attempt === undefined || now < attempt.untilMs) return;
    if (isDirect(attempt.peer) || !attempt.peer.paths.isAwake) return this.#end(attempt);
    switch (attempt.phase) {
      case "waiting":
        return this.#start(attempt, now);
      case "probing":
        return this.#burst(attempt, now);
      case "opening":
      case "lingering":
        attempt.peer.paths.journal.note(now, "punching-failed", `${attempt.sent} probes met nobody`);
        return this.#end(attempt);
    }
  }

  nextDeadline(): number | undefined {
    return this.#attempt?.untilMs;
  }

  #start(attempt: Attempt, now: number): void {
    if (attempt.role === "many-sockets") {
      attempt.phase = "opening";
      attempt.untilMs = now + OPEN_TIMEOUT_MS;
      return this.#sink.openSockets(PUNCH_SOCKETS);
    }
    attempt.phase = "probing";
    const hosts = attempt.targets.map((target) => splitEndpoint(target).address).join(" and ");
    const { step, last } = attempt.ports ?? {};
    const guessed =
      guessPort(attempt.ports, 0) === undefined
        ? "random ports"
        : `ports, first those by ${step} from ${last},`;
    attempt.peer.paths.journal.note(now, "punching", `up to ${PROBES_MAX} ${guessed} of ${hosts} are probed`);
    this.#burst(attempt, now);
  }

  #burst(attempt: Attempt, now: number): void {
    const { peer, role, targets, sockets } = attempt;
    const total = role === "many-sockets" ? sockets.length * targets.length : PROBES_MAX;
    for (let i = 0; i < BURST_PROBES && attempt.sent < total; i++) {
      const target = targets[attempt.sent % targets.length];
      if (target === undefined) break;
      if (role === "many-sockets") {
        const index = Math.floor(attempt.sent / targets.length);
        this.#sink.probe(peer, target, sockets[index], index % OPENING_EVERY === 0);
      } else {
        const guess = guessPort(attempt.ports, attempt.sent);
        if (guess !== undefined && now < attempt.notBeforeMs && attempt.sent >= EARLY_GUESSES) {
          attempt.untilMs = attempt.notBeforeMs;
          return;
        }
        const { address } = splitEndpoint(guess === undefined ? target : (targets[0] ?? target));
        this.#sink.probe(peer, endpoint(address, guess ?? this.#randomPort()), undefined, false);
      }
      attempt.sent++;
    }
    attempt.untilMs = now + BURST_INTERVAL_MS;
    if (attempt.sent < total) return;
    attempt.phase = "lingering";
    // The side with the sockets is done in a quarter of a second; the other one then still looks for them.
    attempt.untilMs =
      now + LINGER_MS + (role === "many-sockets" ? (PROBES_MAX / BURST_PROBES) * BURST_INTERVAL_MS : 0);
  }

  #end(attempt: Attempt): void {
    this.#attempt = undefined;
    const used = new Set(
      attempt.peer.paths.paths.map(({ target }) => (target.kind === "direct" ? target.socket : undefined)),
    );
    this.#sink.closeSockets(attempt.sockets.filter((id) => !used.has(id)));
  }

  #randomPort(): number {
    const [high = 0, low = 0, more = 0] = this.#random(3);
    return PORT_MIN + ((high * 65_536 + low * 256 + more) % PORT_COUNT);
  }
}

function isDirect(peer: Peer): boolean {
  return peer.paths.currentPath?.isProven === true && peer.paths.current?.kind === "direct";
}

/** Endpoints outside the peer's NAT; first the one whose port is the newest, if that is known. */
function outsideOf(candidates: readonly Candidate[], ports: NatPorts | undefined): readonly Endpoint[] {
  const outside = candidates.filter(isOutside).map((candidate) => candidate.endpoint);
  const isNewest = (of: Endpoint) => splitEndpoint(of).port === ports?.last;
  return [...outside.filter(isNewest), ...outside.filter((of) => !isNewest(of))].slice(0, TARGETS_MAX);
}

/**
 * Where a NAT's outside is: IPv4, and no address of the peer's own network, unless that is the public one: behind a
 * firewall that translates nothing, a peer is seen where it is.
 */
function isOutside({ kind, endpoint: of }: Candidate): boolean {
  if (of.startsWith("[")) return false;
  return kind !== "host" || ipaddr.parse(splitEndpoint(of).address).range() === "unicast";
}
