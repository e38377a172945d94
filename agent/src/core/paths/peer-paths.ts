/**
 * All ways to one peer, and the choice among them. Relay first, at once and unproven; probes go out to everything
 * that might lead there directly; the best proven path is used; at the first sign of trouble packets go two ways
 * until one of them proves itself. Sans-IO: outputs go to the sink, time comes in.
 */
import {
  type AgentId,
  type Candidate,
  type Endpoint,
  type RelayId,
  type Transaction,
  transactionOf,
} from "@burrow/protocol";
import type { PeerPathsSink, Route } from "./contract.ts";
import { Introductions } from "./introductions.ts";
import { Journal } from "./journal.ts";
import { LatestProbes } from "./latest-probes.ts";
import type { Path, PathTarget } from "./path.ts";
import { PathTable } from "./path-table.ts";
import { choosePath, isDirectClearlyWorse, reasonFor } from "./ranking.ts";
import { Settled } from "./settled.ts";
import { apartFrom, doubtSiblings, needlessPaths } from "./siblings.ts";

/** Nobody has talked to the peer for so long: probing stops, and the next packet starts it again. */
const IDLE_AFTER_MS = 60_000;
/** Introduced by a peer's wish, without a word to each other, we probe for so long: for the first volley, and some. */
const INTRODUCED_FOR_MS = 10_000;
/** A relay is preferred to a direct path only after that has been clearly worse for so long, and so is the way back. */
const CLEARLY_WORSE_FOR_MS = 5_000;
/** A direct path that has worked for so long needs no relays beside our own. */
const PAIR_RELAYS_AFTER_DIRECT_MS = 30_000;
/** With a direct path in use for so long, needless ones beside it are let go, and looked for this often. */
const LET_GO_INTERVAL_MS = 10_000;
/** Both sides are told at once to probe: what the peer began so long ago it began for what we are told now. */
const BEGUN_FOR_MS = 1_000;
const NOWHERE: Route = { primary: undefined, also: undefined };

export class PeerPaths {
  readonly peer: AgentId;
  readonly journal = new Journal();
  /** What the coordinator reckons for this pair, in its words. */
  pairReason: string | undefined;

  readonly #sink: PeerPathsSink;
  readonly #random: (length: number) => Uint8Array;
  readonly #paths = new PathTable();
  /** Our relays, best first. The first is used before anything is proven. */
  #relays: readonly RelayId[] = [];
  /** Further ones that may be better for this pair: measured, and used only when proven so. */
  #pairRelays: readonly RelayId[] = [];
  #current: Path | undefined;
  #currentSinceMs = 0;
  /** Whether the best relay has been much better than the best direct path. */
  readonly #directIsWorse = new Settled(CLEARLY_WORSE_FOR_MS);
  /** The path we left in doubt: data goes there too until the new one has proven itself. */
  #leftInDoubt: Path | undefined;
  /** The relay path that gets a copy of each packet while the peer's silence on the direct path is looked into. */
  #doubtedFor: Path | undefined;
  /** By which the peer spoke last, if it was a relay. */
  #peerRelay: RelayId | undefined;
  #mtuBytes: number | undefined;
  #letGoMs = 0;
  #reason = "no relay yet";
  #route: Route = NOWHERE;
  /** Until when probing goes on; undefined while it does not. */
  #awakeUntilMs: number | undefined;
  #awakeSinceMs = 0;
  #silentSinceMs: number | undefined;
  /** Whether somebody has talked since we woke. */
  #isTalking = false;
  readonly #introductions = new Introductions();
  readonly #peerProbes = new LatestProbes();
  #peerHasBegunMs = Number.NEGATIVE_INFINITY;

  constructor(peer: AgentId, sink: PeerPathsSink, random: (length: number) => Uint8Array) {
    this.peer = peer;
    this.#sink = sink;
    this.#random = random;
  }

  get current(): PathTarget | undefined {
    return this.#current?.target;
  }

  get currentPath(): Path | undefined {
    return this.#current;
  }

  get currentSinceMs(): number {
    return this.#currentSinceMs;
  }

  /** Why the current path is the current one. */
  get reason(): string {
    return this.#reason;
  }

  /** The largest packet inside the tunnel that the path in use carries; undefined when it carries all. */
  get mtuBytes(): number | undefined {
    return this.#mtuBytes;
  }

  get isAwake(): boolean {
    return this.#awakeUntilMs !== undefined;
  }

  /** When it woke last. */
  get awakeSinceMs(): number {
    return this.#awakeSinceMs;
  }

  /** When the path that was left last was heard last, if it was left for its silence. */
  get silentSinceMs(): number | undefined {
    return this.#silentSinceMs;
  }

  get paths(): readonly Path[] {
    return this.#paths.all;
  }

  /** The relays that this agent is bound to, best first. */
  setRelays(relays: readonly RelayId[], now: number): void {
    const unchanged = relays.length === this.#relays.length && relays.every((r, i) => r === this.#relays[i]);
    if (unchanged) return;
    this.#relays = relays;
    for (const relay of relays) {
      const path = this.#paths.ensure({ kind: "relay", relay }, "relay", now);
      if (path !== undefined) path.isSpare = false;
    }
    this.#dropRelaysBut(relays);
    if (this.isAwake) this.#startRelays(now);
    this.#choose(now);
  }

  /** Relays where both sides bind for each other, beside their homes, until the talk or its need of relays ends. */
  setPairRelays(relays: readonly RelayId[], reason: string, now: number): void {
    if (reason !== this.pairReason && reason !== "") this.journal.note(now, "pair-relays", reason);
    this.pairReason = reason;
    this.#pairRelays = relays;
    for (const relay of relays) {
      const path = this.#paths.ensure({ kind: "relay", relay }, "relay", now);
      if (path === undefined) continue;
      path.isSpare = false;
      path.isForPair = !this.#relays.includes(relay);
      if (this.isAwake) path.start(now);
    }
    this.#dropRelaysBut(this.#relays);
    this.#step(now);
  }

  /** This agent is bound there now: probes that were lost before may pass. */
  relayBound(relay: RelayId, now: number): void {
    if (!this.isAwake || !this.#pairRelays.includes(relay)) return;
    this.#paths.of({ kind: "relay", relay })?.start(now);
    this.#step(now);
  }

  #dropRelaysBut(own: readonly RelayId[]): void {
    for (const path of this.#paths.all) {
      if (path.target.kind !== "relay") continue;
      const { relay } = path.target;
      if (!own.includes(relay) && !this.#pairRelays.includes(relay)) this.#paths.delete(path);
      else path.isForPair = !own.includes(relay);
    }
  }

  /** The peer's candidates, swapped by the coordinator: both sides probe now. */
  probeNow(candidates: readonly Candidate[], now: number): void {
    // Whoever only is introduced does not ask for introductions: two idle sides would keep each other awake for ever.
    if (!this.isAwake) this.#wake(INTRODUCED_FOR_MS, now);
    this.#introductions.happened(now);
    // Whoever has a direct path does not ask for this: that path may have ended where the peer is, and we not know it.
    if (this.#isDirect && this.#current?.isQuiet(now) === true) {
      this.#current.doubt(now);
      this.#askRelays();
    }
    this.journal.note(
      now,
      "introduced",
      `${candidates.length} candidates from the peer, both sides probe now`,
    );
    for (const { endpoint, kind } of candidates) {
      this.#paths.ensure({ kind: "direct", endpoint }, kind, now)?.start(now);
    }
    this.#step(now);
    this.#tellThatWeHaveBegun();
    if (now - this.#peerHasBegunMs < BEGUN_FOR_MS) this.peerHasBegun(now);
  }

  /** By a relay, unless it is in doubt and probed enough: mostly faster than the wait for the peer would be. */
  #tellThatWeHaveBegun(): void {
    const relay = this.#current?.target.kind === "relay" ? this.#current : this.#relayPaths()[0];
    if (this.#isDirect || (relay?.state !== "proven" && relay?.state !== "trying")) return;
    this.#sink.probe(relay.target, transactionOf(this.#random(8)), { hasBegun: true });
  }

  /** The peer probes our addresses. It may know sooner than we do that it is to. */
  peerHasBegun(now: number): void {
    this.#peerHasBegunMs = now;
    for (const path of this.#paths.values()) path.peerHasBegun(now);
    this.#step(now);
  }

  /** Where to send so many packets now, the longest of them this long. Counts as talking to the peer. */
  route(now: number, packets = 1, longestBytes = 0): Route {
    this.#talk(now);
    if (this.#route.primary !== undefined)
      this.#paths.of(this.#route.primary)?.used(packets, longestBytes, now);
    return this.#route;
  }

  /** An authenticated WireGuard packet came by `target`. */
  heard(target: PathTarget, now: number): void {
    this.#talk(now);
    const known = this.#paths.of(target);
    known?.heard(now);
    // Neither home nor standby, but it leads to the peer: it may be the only relay that does.
    if (known === undefined && target.kind === "relay") {
      const spare = this.#paths.ensure(target, "relay", now);
      if (spare !== undefined) spare.isSpare = true;
      spare?.start(now);
    }
    if (target.kind === "relay") this.#heardByRelay(target, now);
    else this.#peerRelay = undefined;
  }

  #heardByRelay(target: PathTarget & { readonly kind: "relay" }, now: number): void {
    const current = this.#current;
    if (current?.target.kind === "direct") this.#doubtCurrent(current, target, now);
    if (current?.target.kind === "relay") {
      const moved = this.#peerRelay !== target.relay && current.target.relay !== target.relay;
      if (moved) this.#doubtCurrent(current, target, now);
      // The peer chooses its relay and we choose ours: what comes by either answers what left by the other.
      current.heard(now);
    }
    this.#peerRelay = target.relay;
  }

  /**
   * The peer speaks by a relay although a direct path works, as far as we know, or has begun to speak by another relay
   * than ours. If our path has been quiet, the peer knows more than we do: our packets go both ways from now on, until
   * an ack settles it.
   */
  #doubtCurrent(current: Path, relay: PathTarget, now: number): void {
    if (!current.isProven || !current.isQuiet(now)) return;
    current.doubt(now);
    this.#doubtedFor ??= this.#paths.of(relay) ?? this.#relayPaths()[0];
    this.#step(now);
  }

  /** An authenticated probe came by `target` (and was acked): a way that the peer can use, so try it as well. */
  probedBy(target: PathTarget, transaction: Transaction, now: number): void {
    if (!this.isAwake || this.#peerProbes.isReplay(transaction)) return;
    const origin = target.kind === "relay" ? "relay" : "peer-reflexive";
    const path = target.kind === "relay" ? this.#paths.of(target) : this.#paths.ensure(target, origin, now);
    path?.answerProbe(now);
    this.#step(now);
  }

  acked(target: PathTarget, transaction: Transaction, observed: Endpoint, now: number): void {
    const path = this.#paths.asked(target, transaction);
    if (path === undefined) return;
    const wasProven = path.isProven;
    const rttMs = path.answered(transaction, observed, path === this.#current, now);
    if (rttMs === undefined) return this.#step(now);
    if (path === this.#current) {
      this.#leftInDoubt = undefined;
      this.#doubtedFor = undefined;
    }
    if (path.isProven && !wasProven) {
      this.journal.note(now, "proven", `${path.id} (${path.origin}) answered in ${rttMs.toFixed(1)} ms`);
    }
    this.#step(now);
    if (path.isProven && !wasProven) this.#sink.pathProven(path.target);
  }

  /** The peer has come online, or moved to other relays: what was tried in vain before may work now. */
  peerMoved(now: number): void {
    if (!this.isAwake) return;
    this.#startRelays(now);
    this.#beginIntroductions(now);
    this.#step(now);
  }

  /** We may be reached at other addresses than before. */
  ownCandidatesChanged(now: number): void {
    if (!this.isAwake) return;
    this.#beginIntroductions(now);
    this.#step(now);
  }

  /** The network under our feet changed: nothing that was proven is so any longer. */
  networkChanged(now: number): void {
    for (const path of this.#paths.all) {
      if (path.target.kind === "direct") this.#paths.delete(path);
      else path.rest();
    }
    this.#directIsWorse.reset();
    this.journal.note(now, "network-changed", "local addresses changed, all paths are tried anew");
    if (this.isAwake) this.#startRelays(now);
    this.#choose(now);
    if (this.isAwake) this.#beginIntroductions(now);
    this.#step(now);
  }

  tick(now: number): void {
    if (this.#awakeUntilMs !== undefined && now >= this.#awakeUntilMs) this.#rest(now);
    this.#step(now);
  }

  nextDeadline(): number | undefined {
    if (this.#awakeUntilMs === undefined) return undefined;
    const introductionMs = this.#introductions.deadlineMs ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#awakeUntilMs, introductionMs, this.#paths.deadlineMs);
  }

  /** Either side said something. */
  #talk(now: number): void {
    const isNew = !this.#isTalking;
    this.#isTalking = true;
    if (this.isAwake) this.#awakeUntilMs = now + IDLE_AFTER_MS;
    else this.#wake(IDLE_AFTER_MS, now);
    if (!isNew) return;
    this.#beginIntroductions(now);
    // The packet that begins the talk goes before the probes and the introduction, which are due at once: the next tick.
    this.#choose(now);
  }

  #wake(forMs: number, now: number): void {
    this.#awakeUntilMs = now + forMs;
    this.#awakeSinceMs = now;
    this.#startRelays(now);
    for (const path of this.#paths.values()) if (path.target.kind === "direct") path.start(now);
  }

  #rest(now: number): void {
    this.#awakeUntilMs = undefined;
    this.#isTalking = false;
    this.#introductions.stop();
    for (const path of this.#paths.values()) path.rest();
    this.#endPair();
    this.journal.note(now, "idle", "nothing said for a minute, probing stops");
    this.#choose(now);
  }

  /** Only those who talk ask: see probeNow. */
  #beginIntroductions(now: number): void {
    if (this.#isTalking && !this.#isDirect) this.#introductions.begin(now);
  }

  get #isDirect(): boolean {
    return this.#current?.target.kind === "direct" && this.#current.isProven;
  }

  /** Homes stay as a way back; further bindings would cost more than they are worth. */
  #endPair(): void {
    if (this.#pairRelays.length === 0) return;
    this.#pairRelays = [];
    this.pairReason = undefined;
    this.#dropRelaysBut(this.#relays);
  }

  #startRelays(now: number): void {
    for (const path of this.#relayPaths()) path.start(now);
    for (const relay of this.#pairRelays) this.#paths.of({ kind: "relay", relay })?.start(now);
  }

  /** Judges silence, chooses, sends what is due. Every input ends here. */
  #step(now: number): void {
    if (!this.isAwake) return;
    for (const path of this.#paths.values()) {
      if (!path.judge(now)) continue;
      this.journal.note(now, path.state, `${path.id}: packets out, nothing back`);
      this.#sink.pathDoubted(path.target);
      const doubted = path.isSuspect ? doubtSiblings(path, this.#paths.values(), this.#current, now) : 0;
      if (doubted > 0) this.journal.note(now, "suspect", `${doubted} more direct paths may share its fate`);
      if (path === this.#current) this.#hurryAlternatives(now);
    }
    this.#choose(now);
    for (const path of this.#paths.values()) this.#probe(path, now);
    this.#tellMtu(now);
    this.#letGo(now);
    if (this.#isDirect && now - this.#currentSinceMs > PAIR_RELAYS_AFTER_DIRECT_MS) this.#endPair();
    if (this.#isDirect) this.#introductions.stop();
    else if (this.#introductions.take(now)) this.#sink.introduce();
  }

  /** Many paths to one host are no safer than two. */
  #letGo(now: number): void {
    const sinceMs = Math.max(this.#currentSinceMs, this.#letGoMs);
    if (this.#current === undefined || !this.#isDirect || now - sinceMs < LET_GO_INTERVAL_MS) return;
    this.#letGoMs = now;
    const needless = needlessPaths(this.#paths.values(), this.#current, now);
    for (const path of needless) this.#paths.delete(path);
    if (needless.length > 0) {
      this.journal.note(now, "let-go", `${needless.length} direct paths beside ${this.#current.id}`);
    }
  }

  #probe(path: Path, now: number): void {
    const lengthBytes = path.mtuProbeDue(now);
    if (lengthBytes !== undefined) {
      const transaction = transactionOf(this.#random(8));
      path.mtuProbed(transaction, now);
      this.#sink.probe(path.target, transaction, { lengthBytes });
    }
    if (!path.isProbeDue(now)) return;
    const transaction = transactionOf(this.#random(8));
    const { ttl } = path;
    path.probed(transaction, now);
    this.#sink.probe(path.target, transaction, { ttl });
  }

  #tellMtu(now: number): void {
    const mtuBytes = this.#current?.mtu.limitBytes;
    if (mtuBytes === this.#mtuBytes) return;
    this.#mtuBytes = mtuBytes;
    const carries = mtuBytes === undefined ? "whole packets" : `packets of up to ${mtuBytes} bytes`;
    this.journal.note(now, "mtu", `${this.#current?.id ?? "nothing"} carries ${carries}`);
    this.#sink.mtuChanged(mtuBytes);
  }

  /** The path in use is in doubt: every other one is asked at once whether it would do. */
  #hurryAlternatives(now: number): void {
    if (this.#current?.target.kind === "direct") this.#askRelays();
    for (const path of this.#paths.values()) {
      if (path !== this.#current && path.target.kind === "relay") path.hurry(now);
    }
    this.#beginIntroductions(now);
  }

  /** A router that has forgotten a direct path has forgotten those to relays as well: do they still know where we are? */
  #askRelays(): void {
    for (const { target } of this.#relayPaths()) this.#sink.pathDoubted(target);
  }

  #choose(now: number): void {
    const isWorse = isDirectClearlyWorse(this.#paths.values(), this.#current);
    const relayMayWin = this.#directIsWorse.look(isWorse, now);
    const choice = choosePath(this.#paths.values(), this.#current, relayMayWin);
    if (choice.path !== undefined) {
      return this.#use(choice.path, reasonFor(choice.path, this.#current, choice.reason), now);
    }
    // Nothing is proven: the first relay that is not known to be silent carries, unproven.
    const chosen = this.#fallback();
    this.#use(chosen, chosen === undefined ? "no-path" : !this.isAwake ? "idle" : "relay-first", now);
  }

  /** What to use with nothing proven: the current path if it is only in doubt, else a relay. */
  #fallback(): Path | undefined {
    if (this.#current?.isSuspect && this.#paths.has(this.#current)) return this.#current;
    const relays = this.#relayPaths();
    return relays.find((path) => path.state !== "lost" && path.state !== "silent") ?? relays[0];
  }

  #use(path: Path | undefined, reason: string, now: number): void {
    const before = this.#current;
    if (path !== before) {
      const isAway = this.#isAwayFrom(before, path);
      this.#leftInDoubt = isAway ? apartFrom(before, path, this.#relayPaths()) : undefined;
      this.#doubtedFor = undefined;
    }
    this.#route = path === undefined ? NOWHERE : { primary: path.target, also: this.#second(path)?.target };
    if (path === before) {
      if (this.#reason === "idle" && this.isAwake && reason !== "stays") this.#reason = reason;
      return;
    }
    const isSilent = this.isAwake && (before?.isSuspect === true || before?.state === "lost");
    this.#silentSinceMs = isSilent ? before?.lastHeardMs : undefined;
    this.#current = path;
    this.#currentSinceMs = now;
    this.#reason = reason;
    this.journal.note(now, reason, `${before?.id ?? "nothing"} → ${path?.id ?? "nothing"}`);
    if (before?.target.kind === "direct" && this.#isTalking) this.#introductions.resume(now);
    this.#sink.pathChanged({ from: before?.target, to: path?.target, reason });
  }

  /** Whether the path we leave is still worth a copy of each packet, until the new one has proven itself. */
  #isAwayFrom(before: Path | undefined, path: Path | undefined): boolean {
    if (before === undefined || !this.isAwake || before.state === "lost") return false;
    // A direct path that was dropped belongs to a network that we left; a relay that was dropped still forwards.
    if (before.target.kind === "direct" && !this.#paths.has(before)) return false;
    return before.isSuspect || path?.isProven === false;
  }

  /** While the path in use is not proven, packets go by a second one as well, if there is any. */
  #second(first: Path): Path | undefined {
    if (first.isProven) return this.#doubtedFor ?? this.#leftInDoubt;
    if (first.state === "untried" || first.state === "trying") return this.#leftInDoubt;
    const others = this.#relayPaths();
    return (
      others.find((path) => path !== first && path.state !== "lost") ?? others.find((path) => path !== first)
    );
  }

  #relayPaths(): Path[] {
    return this.#relays.flatMap((relay) => this.#paths.of({ kind: "relay", relay }) ?? []);
  }
}
