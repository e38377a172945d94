/**
 * Punching where one NAT gives each destination another port ("hard", address-dependent mapping) and the other does
 * not (design §7). The hard side opens many sockets and probes the other's one address from each, which opens as many
 * ports; the other side probes random ports of the hard side's address. By the birthday rule 256 sockets and 1,024
 * probes meet with 98 %. Whoever is met answers, and the path is that socket and that endpoint.
 *
 * Where the hard NAT gives its ports in order, the next ones are guessed (predictor.ts): a few at once, since the hard
 * side's first probe to us has one of them, and the others before random ones, since its many sockets have those.
 * Two hard NATs that both do: each side sends from many sockets to the one port that the middle of the other's sockets
 * will have. Whichever of our sockets has got the port that they aim at, aims at theirs.
 *
 *   introduced ──pause──▶ opening sockets ──▶ probing ──▶ over      (many sockets)
 *   introduced ──pause──▶ probing ──▶ over                          (many ports)
 *
 * A few peers' attempts go on at once and share the rate. Both sides must try at the same time: so whoever found no
 * room is not tried later, but introduced again when there is some, in the order of asking.
 */
import type { AgentId, Candidate } from "@burrow/protocol";
import type { Peer } from "./peers.ts";
import { PROBES_AT_ONCE_MAX, type ProbeBudget } from "./probe-budget.ts";
import {
  type Nats,
  PROBES_MAX,
  type Probe,
  PUNCH_SOCKETS,
  PunchAttempt,
  punchRole,
} from "./punch-attempt.ts";

/** What easier ways get before this one starts: they cost next to nothing and mostly win. */
const PAUSE_MS = 300;
/** Attempts at once: each may have its sockets, and many systems give a process a thousand. */
export const ATTEMPTS_MAX = 3;
/** Peers that are remembered for want of room. */
const WAITING_MAX = 64;
/** A full burst each time is all that the budget allows. */
const BURST_INTERVAL_MS = 10;
/** Answers to the last probes may still come. */
const LINGER_MS = 2_000;
/**
 * An attempt that shares the whole rate with as many others as there may be is done by then. One that paths in use leave
 * only the floor (probe-budget.ts) ends all the same: the peer no longer listens. Alone, it has sent enough for 99.7 %.
 */
const PROBING_FOR_MS = ATTEMPTS_MAX * (PROBES_MAX / PROBES_AT_ONCE_MAX) * BURST_INTERVAL_MS;
/** The side with the sockets is done sooner than the other one, which looks for them as long as this, if it is busy. */
const SOCKETS_FOR_MS = LINGER_MS + PROBING_FOR_MS;
const OPEN_TIMEOUT_MS = 2_000;
/**
 * Between two attempts for one peer; the last one for ever. The second pause is longer than any router remembers the
 * strays of the attempts before (Linux: 30 s after the last).
 */
const AGAIN_AFTER_MS = [5_000, 40_000, 300_000] as const;
/** How often sockets that were kept for a path are looked at: whether it is still there. */
const SWEEP_INTERVAL_MS = 10_000;

export interface PuncherSink {
  /** A probe, spent from the budget. */
  probe(peer: Peer, probe: Probe): void;
  /** Both sides should be introduced anew. */
  introduce(peer: Peer): void;
  /** Asks for further sockets; `socketsOpened` tells their ids. */
  openSockets(count: number): void;
  closeSockets(ids: readonly number[]): void;
}

export class Puncher {
  readonly #sink: PuncherSink;
  readonly #random: (length: number) => Uint8Array;
  /** Of all the agent's probes, spent as they leave: ours take what the others leave over, and a floor. */
  readonly #budget: ProbeBudget;
  readonly #history = new Map<AgentId, { attempts: number; lastMs: number }>();
  /** The next one to probe comes first. */
  #attempts: readonly PunchAttempt[] = [];
  #nextBurstMs = 0;
  readonly #waiting = new Map<AgentId, Peer>();
  /** Sockets that a path uses, by the peer it leads to. */
  readonly #kept = new Map<number, Peer>();
  #sweepMs = 0;

  constructor(sink: PuncherSink, random: (length: number) => Uint8Array, budget: ProbeBudget) {
    this.#sink = sink;
    this.#random = random;
    this.#budget = budget;
  }

  /** Both sides were just introduced: plan an attempt if their NATs call for one. */
  introduced(peer: Peer, nats: Nats, candidates: readonly Candidate[], now: number): void {
    const role = punchRole(nats);
    const { journal } = peer.paths;
    const { id } = peer.info;
    if (role === "both-hard") {
      const why = "both NATs give each destination another port, in no known order: only a relay can help";
      return journal.note(now, "both-nats-hard", why);
    }
    if (role === "port-forwarded") {
      return journal.note(
        now,
        role,
        "both NATs are hard, but one side has a port of its router: plain probes do",
      );
    }
    if (role === "not-needed" || isDirect(peer) || this.#attempts.some((one) => one.peer === peer)) return;
    const { attempts, lastMs } = this.#history.get(id) ?? { attempts: 0, lastMs: Number.NEGATIVE_INFINITY };
    const pauseMs = AGAIN_AFTER_MS[Math.min(attempts, AGAIN_AFTER_MS.length) - 1] ?? 0;
    if (now - lastMs < pauseMs) return;
    const attempt = new PunchAttempt(peer, role, nats, candidates, now + PAUSE_MS);
    if (attempt.targets.length === 0) return;
    if (this.#attempts.length >= ATTEMPTS_MAX) {
      if (this.#waiting.size < WAITING_MAX) this.#waiting.set(id, peer);
      return;
    }
    this.#waiting.delete(id);
    this.#history.set(id, { attempts: attempts + 1, lastMs: now });
    this.#attempts = [...this.#attempts, attempt];
    if (!attempt.hasEarlyGuesses) return;
    attempt.untilMs = now;
    this.tick(now);
  }

  /** The peer is gone. */
  forget(id: AgentId): void {
    this.#history.delete(id);
    this.#waiting.delete(id);
    for (const attempt of this.#attempts) if (attempt.peer.info.id === id) this.#end(attempt, 0);
    const orphans = [...this.#kept].filter(([, peer]) => peer.info.id === id).map(([socket]) => socket);
    this.#close(orphans);
  }

  /** The network changed: what failed before may work now. */
  forgetHistory(): void {
    this.#history.clear();
  }

  socketsOpened(ids: readonly number[], now: number): void {
    const attempt = this.#attempts.find(({ phase }) => phase === "opening");
    if (attempt === undefined) return this.#sink.closeSockets(ids);
    attempt.sockets = ids;
    this.#begin(attempt, now);
    this.tick(now);
  }

  tick(now: number): void {
    const before = this.#attempts.length;
    for (const attempt of this.#attempts) this.#look(attempt, now);
    this.#burst(now);
    if (this.#attempts.length < before) this.#admit();
    if (this.#kept.size > 0 && now >= this.#sweepMs) this.#sweep(now);
  }

  nextDeadline(): number | undefined {
    const due = this.#attempts.map(({ phase, untilMs, beganMs }) =>
      phase === "probing"
        ? Math.min(Math.max(untilMs, this.#nextBurstMs), beganMs + PROBING_FOR_MS)
        : untilMs,
    );
    if (this.#kept.size > 0) due.push(this.#sweepMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  #look(attempt: PunchAttempt, now: number): void {
    const { peer, phase } = attempt;
    const isDue = now >= attempt.untilMs;
    if (isDirect(peer) || !peer.paths.isAwake) {
      // Ports that were just guessed may meet the peer on the way; sockets come when they come.
      if (phase !== "opening" || isDue) this.#end(attempt, now);
      return;
    }
    if (phase === "probing") {
      if (now >= attempt.beganMs + PROBING_FOR_MS) linger(attempt, now);
      return;
    }
    if (!isDue) return;
    if (phase === "waiting") return this.#start(attempt, now);
    const { journal } = peer.paths;
    journal.note(now, "punching-failed", `${attempt.sent} probes met nobody`);
    if (attempt.role === "sockets-in-order") {
      journal.note(now, "both-nats-hard", "both NATs are hard, and neither gave the port that was foreseen");
    }
    this.#end(attempt, now);
  }

  #start(attempt: PunchAttempt, now: number): void {
    if (!attempt.needsSockets) return this.#begin(attempt, now);
    attempt.phase = "opening";
    attempt.untilMs = now + OPEN_TIMEOUT_MS;
    this.#sink.openSockets(PUNCH_SOCKETS);
  }

  #begin(attempt: PunchAttempt, now: number): void {
    attempt.phase = "probing";
    attempt.untilMs = now;
    attempt.beganMs = now;
    attempt.peer.paths.journal.note(now, "punching", attempt.describe());
  }

  /** A few probes, one for each attempt in turn. */
  #burst(now: number): void {
    if (now < this.#nextBurstMs) return;
    let ready = this.#ready(now);
    if (ready.length === 0) return;
    this.#nextBurstMs = now + BURST_INTERVAL_MS;
    const most = this.#budget.leftForPunching(now);
    let left = most;
    while (left > 0 && ready.length > 0) {
      for (const attempt of ready.slice(0, left)) {
        const probe = attempt.take(this.#random, now);
        if (probe === undefined) continue;
        left--;
        this.#budget.spendOnPunching(now);
        this.#sink.probe(attempt.peer, probe);
      }
      for (const attempt of ready) if (attempt.isDone) linger(attempt, now);
      ready = this.#ready(now);
    }
    if (left === most) return;
    const [first, ...others] = this.#attempts;
    if (first !== undefined) this.#attempts = [...others, first];
  }

  #ready(now: number): readonly PunchAttempt[] {
    return this.#attempts.filter(({ phase, untilMs }) => phase === "probing" && now >= untilMs);
  }

  #end(attempt: PunchAttempt, now: number): void {
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
    const { peer } = attempt;
    if (this.#kept.size === 0) this.#sweepMs = now + SWEEP_INTERVAL_MS;
    for (const socket of attempt.sockets) this.#kept.set(socket, peer);
    this.#closeUnused(peer);
  }

  /** There is room: the next ones that found none are introduced again. */
  #admit(): void {
    let room = ATTEMPTS_MAX - this.#attempts.length;
    for (const [id, peer] of this.#waiting) {
      if (room <= 0) return;
      this.#waiting.delete(id);
      if (isDirect(peer) || !peer.paths.isAwake) continue;
      room--;
      this.#sink.introduce(peer);
    }
  }

  #sweep(now: number): void {
    this.#sweepMs = now + SWEEP_INTERVAL_MS;
    for (const peer of new Set(this.#kept.values())) this.#closeUnused(peer);
  }

  #closeUnused(peer: Peer): void {
    const used = new Set(
      peer.paths.paths.map(({ target }) => (target.kind === "direct" ? target.socket : undefined)),
    );
    this.#close([...this.#kept].flatMap(([id, of]) => (of === peer && !used.has(id) ? [id] : [])));
  }

  #close(ids: readonly number[]): void {
    for (const id of ids) this.#kept.delete(id);
    if (ids.length > 0) this.#sink.closeSockets(ids);
  }
}

function linger(attempt: PunchAttempt, now: number): void {
  attempt.phase = "lingering";
  const socketsUntilMs = attempt.needsSockets ? attempt.beganMs + SOCKETS_FOR_MS : 0;
  attempt.untilMs = Math.max(now + LINGER_MS, socketsUntilMs);
}

/** There is a direct path, in use or, since a relay is better, not. */
function isDirect(peer: Peer): boolean {
  return peer.paths.paths.some(({ target, isProven }) => target.kind === "direct" && isProven);
}
