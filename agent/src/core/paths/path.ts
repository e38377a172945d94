/**
 * One way to a peer, and what is known of it. A path is judged by what comes back: probes that are acked and packets
 * that authenticate. Which path is used is decided elsewhere (ranking.ts, peer-paths.ts).
 *
 *   untried ──probe──▶ trying ──ack──▶ proven ◀──ack── suspect ──silence──▶ lost ──acks──▶ proven
 *                        └──silence──▶ silent   └─silence─▶ suspect
 */
import type { Endpoint, RelayId, Transaction } from "@burrow/protocol";
import { isOuter4 } from "../candidates.ts";
import { RttEstimator } from "../rtt.ts";
import { LossEstimator } from "./loss.ts";
import { Pace } from "./pace.ts";
import { PathMtu } from "./path-mtu.ts";
import { Unanswered } from "./unanswered.ts";
import { OPENING_TTL, Volley } from "./volley.ts";

export type PathTarget =
  | {
      readonly kind: "direct";
      readonly endpoint: Endpoint;
      /** Which of our sockets, when it is not the main one: the path of a punched NAT is socket and endpoint. */
      readonly socket?: number;
    }
  | { readonly kind: "relay"; readonly relay: RelayId };

export type PathId = string & { readonly __brand: "PathId" };

export function pathIdOf(target: PathTarget): PathId {
  if (target.kind === "relay") return `relay ${target.relay}` as PathId;
  const socket = target.socket === undefined ? "" : ` from socket ${target.socket}`;
  return `direct ${target.endpoint}${socket}` as PathId;
}

export type PathState = "untried" | "trying" | "silent" | "proven" | "suspect" | "lost";

/** How one came to know of a path: for the reasons that users read. */
export type PathOrigin = "relay" | "host" | "reflexive" | "mapped" | "stated" | "peer-reflexive";

/** A volley that began this lately is not begun again, whatever there is to say for it. */
const VOLLEY_SPACING_MS = 1_000;
/** A path with something out and nothing back is probed this often, or each half round trip if that is longer. */
const DOUBT_PROBE_INTERVAL_MS = 60;
/**
 * While data leaves by a path it is probed this often, also when packets keep coming in by it: they show that the
 * peer's way here is open, and only acks show that ours is (one-way black holes).
 */
const IN_USE_PROBE_INTERVAL_MS = 100;
/** Silence that makes a path suspect: 3 round trips, at least this (design §6). */
const SUSPECT_AFTER_MIN_MS = 250;
/** A direct path that was heard this lately is not doubted for a packet that came by a relay. */
const QUIET_AFTER_MIN_MS = 100;
/** Further silence after which a suspect path is given up. */
const LOST_AFTER_SUSPECT_MS = 1_000;
/** Probes to a lost path: soon at first, since most outages are short, then ever more rarely. */
const LOST_INTERVAL_MIN_MS = 500;
const LOST_INTERVAL_MAX_MS = 15_000;
/** Acks in a row before a path that was lost or suspect is trusted again. */
const ACKS_TO_TRUST_AGAIN = 3;
const CONFIRM_INTERVAL_MS = 50;
/** Idle proven paths: the one in use, and the others, which only have to stay open and measured. */
const KEEPALIVE_ACTIVE_MS = 2_000;
const KEEPALIVE_SPARE_MS = 5_000;
/** One that loses packets is looked at closely: it may have been one bad moment. */
const KEEPALIVE_LOSSY_MS = 250;
/** Whatever the occasion, probes are no closer together than this, but for those that open a path. */
const PROBE_SPACING_MS = 40;
/** How long a router remembers a stray packet (Linux: 30 s for UDP without an answer), and a little more. */
const STRAY_LIFE_MS = 32_000;
/** What fits through a path that has just come to life is asked when what waited for it is on its way. */
const MTU_AFTER_MS = 100;
/** A probe without an ack for so many round trips, and at least so long, is lost. */
const LOST_PROBE_RTTS = 4;
const LOST_PROBE_MIN_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

export class Path {
  readonly id: PathId;
  readonly target: PathTarget;
  readonly origin: PathOrigin;
  readonly rtt = new RttEstimator();
  readonly loss = new LossEstimator();
  readonly mtu = new PathMtu();

  /** The peer's view of where our probes come from, by its last ack. */
  observed: Endpoint | undefined;
  state: PathState = "untried";
  stateSinceMs: number;
  lastHeardMs: number | undefined;
  /** When packets of the tunnel left or came by it last. */
  carriedMs = Number.NEGATIVE_INFINITY;
  sent = 0;
  acked = 0;
  /** A relay that is neither home nor standby, known only because the peer uses it: for want of a better one. */
  isSpare = false;
  /** A relay that the coordinator named for this very pair. */
  isForPair = false;
  /** The peer, or the coordinator for it, has told of this address: more than a probe from there, which may be forged. */
  isNamed = false;

  readonly #unanswered = new Unanswered();
  readonly #pace = new Pace();
  readonly #volley = new Volley();
  /** Since the last volley began. */
  #hasRested = false;
  #lastProbeMs = Number.NEGATIVE_INFINITY;
  /** When the latest probe left that was acked. */
  #aliveMs = Number.NEGATIVE_INFINITY;
  #nextProbeMs: number | undefined;
  /** The peer's address is its NAT's, which strays may confuse: IPv6 has none, nor has a host that is seen where it is. */
  readonly #isBehindNat: boolean;
  #ackStreak = 0;
  #distrusted = false;
  #lostIntervalMs = LOST_INTERVAL_MIN_MS;

  constructor(target: PathTarget, origin: PathOrigin, now: number) {
    this.id = pathIdOf(target);
    this.#isBehindNat = target.kind === "direct" && origin !== "host" && isOuter4(target.endpoint);
    this.target = target;
    this.origin = origin;
    this.stateSinceMs = now;
  }

  get isProven(): boolean {
    return this.state === "proven";
  }

  get isSuspect(): boolean {
    return this.state === "suspect";
  }

  /** Since when something ought to have come back; undefined while nothing is missing. */
  get missingSinceMs(): number | undefined {
    return this.#unanswered.sinceMs;
  }

  /** When this path next wants a look: a probe due, or a silence that has lasted too long. */
  get deadlineMs(): number | undefined {
    const at = Math.min(
      this.#silenceDeadlineMs() ?? NEVER,
      this.#nextProbeMs ?? NEVER,
      this.#missedAtMs ?? NEVER,
      this.mtu.deadlineMs ?? NEVER,
    );
    return at === NEVER ? undefined : at;
  }

  /**
   * How far the next probe goes. One that only has to open our own NAT should die on the way: some routers take a stray
   * probe for themselves, and their NAT then gives the peer behind them another port than it has told (design §7).
   */
  get ttl(): number | undefined {
    const isOpening = this.state === "trying" && this.#volley.isEarly && this.#isBehindNat;
    return isOpening ? OPENING_TTL : undefined;
  }

  /** Starts (or starts again) the volley that opens a path. A path that works is left alone. */
  start(now: number): void {
    if (this.state === "proven" || this.state === "suspect") return;
    if (this.state === "trying" && now - this.stateSinceMs < VOLLEY_SPACING_MS) return;
    // A second volley mends what was lost of the first. When it is in vain as well, whatever our probes left behind in
    // the peer's router must be forgotten first: each further one would renew it.
    const mayBeStrays = this.state === "silent" && this.#isBehindNat && this.#volley.isLater;
    if (mayBeStrays && now - this.#lastProbeMs < STRAY_LIFE_MS) return;
    // Whoever comes back after that begins as at first.
    if (this.#hasRested && now - this.#lastProbeMs >= STRAY_LIFE_MS) this.#volley.forgetEarlier();
    this.#hasRested = false;
    this.#volley.begin();
    this.#lostIntervalMs = LOST_INTERVAL_MIN_MS;
    if (this.state !== "lost") this.#enter("trying", now);
    this.#probeAt(now, "whatever was planned");
  }

  /** The peer's NAT or firewall is open to us: probes go all the way from now on, and the next one at once. */
  peerHasBegun(now: number): void {
    const isNews = this.target.kind === "direct" && this.state === "trying" && this.#volley.peerHasBegun();
    if (isNews) this.#nextProbeMs = now;
  }

  /**
   * Answers what the peer sent by this path with a probe of our own. No volley: whoever replays a captured probe from
   * a forged address must not make us send more than it sent. The peer's own volley brings ours.
   */
  answerProbe(now: number): void {
    if (this.state === "proven" || this.state === "suspect") return;
    // What opened the peer's NAT is what came through ours: the next probe of our volley passes, so it leaves at once.
    if (this.state === "trying" && this.#volley.heard()) {
      this.#nextProbeMs = now;
      return;
    }
    if (now - this.#lastProbeMs < PROBE_SPACING_MS) return;
    if (this.state === "untried" || this.state === "silent") {
      this.#volley.shorten();
      this.#enter("trying", now);
    }
    this.#probeAt(now);
  }

  /** Stops all probing, when nobody talks to the peer any more. What is known stays known for a while. */
  rest(): void {
    this.#nextProbeMs = undefined;
    this.#pace.rest();
    this.#unanswered.forget();
    this.loss.reset();
    this.mtu.pause();
    this.#volley.reset();
    this.#hasRested = true;
    if (this.state !== "lost" && this.state !== "silent") this.state = "untried";
  }

  /** So many packets leave by this path, the longest this long. From here on something ought to come back. */
  used(packets: number, longestBytes: number, now: number): void {
    this.carriedMs = now;
    if (this.state === "untried") this.start(now);
    if (this.state !== "proven") return;
    if (!this.#unanswered.hasData) this.#probeAt(now + this.#doubtIntervalMs());
    this.#unanswered.dataLeft(now);
    this.mtu.used(packets, longestBytes, now);
    this.#probeAt(this.#lastProbeMs + IN_USE_PROBE_INTERVAL_MS);
  }

  /** Whether nothing came by this path for longer than its round trip and some patience explain. */
  isQuiet(now: number): boolean {
    const patienceMs = Math.max(QUIET_AFTER_MIN_MS, 1.5 * (this.rtt.smoothedMs ?? 0));
    return now - (this.lastHeardMs ?? Number.NEGATIVE_INFINITY) > patienceMs;
  }

  /** There is reason to doubt this path: an ack is wanted now, and its absence counts from now. */
  doubt(now: number): void {
    if (this.state !== "proven") return;
    this.#unanswered.expectData(now);
    if (now - this.#lastProbeMs >= DOUBT_PROBE_INTERVAL_MS) this.#probeAt(now);
  }

  /**
   * A path that may share this one's fate fell silent. Without the ack of a probe that left since then (`sinceMs`) this
   * one is as doubtful; a single one will do, since nothing went amiss here. True if it has to prove itself again.
   */
  proveAgain(sinceMs: number, now: number): boolean {
    if (this.state !== "proven" || this.#aliveMs >= sinceMs) return false;
    this.#enter("suspect", now);
    this.#probeAt(now);
    return true;
  }

  /** Another path is in trouble: this one is asked now whether it would do. */
  hurry(now: number): void {
    if (this.state === "lost" || this.state === "silent") this.start(now);
    else this.#probeAt(now);
  }

  /** Whether a probe is due now. If so the caller sends one and calls `probed`. */
  isProbeDue(now: number): boolean {
    return Math.min(this.#nextProbeMs ?? NEVER, this.#missedAtMs ?? NEVER) <= now;
  }

  probed(transaction: Transaction, now: number): void {
    this.sent++;
    if (this.isProven || this.isSuspect) this.loss.sent(transaction, now);
    this.#settleLoss(now);
    const isFirst = this.#unanswered.probeLeft(transaction, now);
    this.#pace.asked(now);
    this.#lastProbeMs = now;
    this.#nextProbeMs = this.#afterProbe(isFirst, now);
  }

  /** The length of the padded probe that is due now, if one is. If so the caller sends it and calls `mtuProbed`. */
  mtuProbeDue(now: number): number | undefined {
    const due = this.mtu.due(this.#aliveMs, this.loss.share, now);
    if (due !== "small") return due;
    this.#probeAt(now);
    return undefined;
  }

  mtuProbed(transaction: Transaction, now: number): void {
    this.mtu.probed(transaction, this.rtt.smoothedMs ?? 0, now);
  }

  isWaitingFor(transaction: Transaction): boolean {
    return this.#unanswered.isWaitingFor(transaction) || this.mtu.isWaitingFor(transaction);
  }

  /** An authenticated packet came by this path; it says that the way here is open, not yet that ours is. */
  heard(now: number): void {
    this.lastHeardMs = now;
    this.carriedMs = now;
    this.#unanswered.heard();
    if (this.state === "lost") this.answerProbe(now);
    this.#pace.came(now);
    // The probe that was to ask after our data has lost its reason.
    const isPlanned = this.state === "proven" && this.#nextProbeMs !== undefined;
    if (isPlanned && !this.#unanswered.hasProbe) {
      this.#probeAt(
        Math.max(this.#nextProbeMs ?? now, this.#lastProbeMs + IN_USE_PROBE_INTERVAL_MS),
        "whatever was planned",
      );
    }
  }

  /** An ack. Undefined when it answers no probe of ours on this path; else the round-trip time in ms. */
  answered(transaction: Transaction, observed: Endpoint, active: boolean, now: number): number | undefined {
    if (this.mtu.acked(transaction, now)) {
      // Longer on its way than others: no sample of the round trip, no word on what is due.
      this.lastHeardMs = now;
      return undefined;
    }
    const sentAt = this.#unanswered.answered(transaction);
    if (sentAt === undefined) return undefined;
    this.#aliveMs = Math.max(this.#aliveMs, sentAt);
    const rttMs = now - sentAt;
    this.rtt.sample(rttMs);
    this.observed = observed;
    this.acked++;
    this.#ackStreak++;
    this.lastHeardMs = now;
    this.loss.arrived(transaction);
    this.#settleLoss(now);
    const trusted = !this.#distrusted || this.#ackStreak >= ACKS_TO_TRUST_AGAIN;
    if (trusted) {
      this.#distrusted = false;
      this.#lostIntervalMs = LOST_INTERVAL_MIN_MS;
      if (this.state !== "proven") this.#prove(now);
      // What left after that probe gets its round trip too: else each probe would be a reason for the next one.
      const sinceMs = this.#unanswered.sinceMs;
      const calmMs = active ? KEEPALIVE_ACTIVE_MS : KEEPALIVE_SPARE_MS;
      const keepaliveMs = this.loss.share > 0 ? KEEPALIVE_LOSSY_MS : calmMs;
      const nextMs =
        sinceMs === undefined ? now + keepaliveMs : Math.max(now, sinceMs + this.#firstDoubtMs());
      this.#probeAt(nextMs, "whatever was planned");
    } else {
      // Back from the dead, perhaps: on probation, with the clock of a suspect.
      if (this.state !== "suspect") this.#enter("suspect", now);
      this.#probeAt(now + CONFIRM_INTERVAL_MS, "whatever was planned");
    }
    return rttMs;
  }

  /** Lets time pass: silence turns proven into suspect, suspect into lost. True if the state changed. */
  judge(now: number): boolean {
    const deadline = this.#silenceDeadlineMs();
    if (deadline === undefined || now < deadline) return false;
    this.#ackStreak = 0;
    this.#distrusted = true;
    this.mtu.pause();
    if (this.state === "proven") {
      this.#enter("suspect", now);
      this.#probeAt(now);
    } else {
      this.#enter("lost", now);
      this.loss.reset();
      this.#nextProbeMs = now + this.#lostIntervalMs;
      this.#unanswered.settle();
    }
    return true;
  }

  /** In other states probes go anyway. */
  get #missedAtMs(): number | undefined {
    return this.state === "proven" ? this.#pace.missedAtMs : undefined;
  }

  #silenceDeadlineMs(): number | undefined {
    const since = this.#unanswered.sinceMs;
    if (since === undefined) return undefined;
    const suspectAt = since + Math.max(3 * (this.rtt.smoothedMs ?? 0), SUSPECT_AFTER_MIN_MS);
    if (this.state === "proven") return suspectAt;
    if (this.state === "suspect") return Math.max(suspectAt, this.stateSinceMs) + LOST_AFTER_SUSPECT_MS;
    return undefined;
  }

  #afterProbe(first: boolean, now: number): number | undefined {
    switch (this.state) {
      case "untried":
        this.#enter("trying", now);
        return this.#nextTry(now);
      case "trying":
        return this.#nextTry(now);
      case "proven":
        return now + (first ? this.#firstDoubtMs() : this.#doubtIntervalMs());
      case "suspect":
        return now + this.#doubtIntervalMs();
      case "lost": {
        this.#unanswered.settle();
        const interval = this.#lostIntervalMs;
        this.#lostIntervalMs = Math.min(2 * interval, LOST_INTERVAL_MAX_MS);
        return now + interval;
      }
      case "silent":
        return undefined;
    }
  }

  #nextTry(now: number): number | undefined {
    const pauseMs = this.#volley.sent();
    if (pauseMs !== undefined) return now + pauseMs;
    this.#unanswered.settle();
    // A peer may come to its relay at any time; a candidate that was silent comes back with an introduction.
    this.#enter(this.target.kind === "relay" ? "lost" : "silent", now);
    return this.target.kind === "relay" ? now + this.#lostIntervalMs : undefined;
  }

  #doubtIntervalMs(): number {
    return Math.max(DOUBT_PROBE_INTERVAL_MS, (this.rtt.smoothedMs ?? 0) / 2);
  }

  #settleLoss(now: number): void {
    this.loss.settle(now - Math.max(LOST_PROBE_MIN_MS, LOST_PROBE_RTTS * (this.rtt.smoothedMs ?? 0)));
  }

  #prove(now: number): void {
    this.#enter("proven", now);
    this.#volley.forgetEarlier();
    this.mtu.begin(now + MTU_AFTER_MS);
  }

  /** A keep-alive probe gets its round trip before it is asked again. */
  #firstDoubtMs(): number {
    return Math.max(DOUBT_PROBE_INTERVAL_MS, 1.5 * (this.rtt.smoothedMs ?? 0));
  }

  #probeAt(at: number, override?: "whatever was planned"): void {
    const planned = override === undefined ? this.#nextProbeMs : undefined;
    this.#nextProbeMs = Math.max(Math.min(planned ?? NEVER, at), this.#lastProbeMs + PROBE_SPACING_MS);
  }

  #enter(state: PathState, now: number): void {
    this.state = state;
    this.stateSinceMs = now;
  }
}
