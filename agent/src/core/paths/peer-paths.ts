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
import { Journal } from "./journal.ts";
import { Path, type PathId, type PathOrigin, type PathTarget, pathIdOf } from "./path.ts";
import { choosePath, isDirectClearlyWorse } from "./ranking.ts";

/** Nobody has talked to the peer for so long: probing stops, and the next packet starts it again. */
const IDLE_AFTER_MS = 60_000;
/** While there is no direct path, both sides are introduced again after these pauses, the last one for ever. */
const INTRODUCE_AFTER_MS = [0, 3_000, 8_000, 20_000, 60_000] as const;
/** A relay is preferred to a direct path only after that has been clearly worse for so long. */
const CLEARLY_WORSE_FOR_MS = 5_000;
/** Direct paths kept per peer: enough for 32 candidates and what peers saw besides. */
const DIRECT_PATHS_MAX = 48;

export interface PeerPathsSink {
  /** Send a probe of this transaction to the peer by `target`. */
  probe(target: PathTarget, transaction: Transaction): void;
  /** Ask the coordinator to swap candidates and start both sides now. */
  introduce(): void;
  /** The path for data is another one. */
  pathChanged(change: PathChange): void;
  /** Packets went out by `target` and nothing came back. */
  pathDoubted(target: PathTarget): void;
  /** A path just came to life that was not: worth trying a handshake again at once. */
  pathProven(target: PathTarget): void;
}

export interface PathChange {
  readonly from: PathTarget | undefined;
  readonly to: PathTarget | undefined;
  readonly reason: string;
}

/** Where a data packet goes: first choice, and a second while the first is in doubt. */
export interface Route {
  readonly primary: PathTarget | undefined;
  readonly also: PathTarget | undefined;
}

const NOWHERE: Route = { primary: undefined, also: undefined };

export class PeerPaths {
  readonly peer: AgentId;
  readonly journal = new Journal();

  readonly #sink: PeerPathsSink;
  readonly #random: (length: number) => Uint8Array;
  readonly #paths = new Map<PathId, Path>();
  /** Our relays, best first. The first is used before anything is proven. */
  #relays: readonly RelayId[] = [];
  #current: Path | undefined;
  #currentSinceMs = 0;
  /** Since when the best relay has been much faster than the best direct path. */
  #directWorseSinceMs: number | undefined;
  /** The path we left in doubt: data goes there too until the new one has proven itself. */
  #leftInDoubt: Path | undefined;
  #reason = "no relay yet";
  #route: Route = NOWHERE;
  #lastTalkMs: number | undefined;
  #introductions = 0;
  #nextIntroductionMs: number | undefined;

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

  get isAwake(): boolean {
    return this.#lastTalkMs !== undefined;
  }

  get paths(): readonly Path[] {
    return [...this.#paths.values()];
  }

  /** The relays that this agent is bound to, best first. */
  setRelays(relays: readonly RelayId[], now: number): void {
    const unchanged = relays.length === this.#relays.length && relays.every((r, i) => r === this.#relays[i]);
    if (unchanged) return;
    this.#relays = relays;
    for (const relay of relays) this.#ensure({ kind: "relay", relay }, "relay", now);
    for (const path of [...this.#paths.values()]) {
      if (path.target.kind === "relay" && !relays.includes(path.target.relay)) this.#paths.delete(path.id);
    }
    if (this.isAwake) this.#startRelays(now);
    this.#choose(now);
  }

  /** The peer's candidates, swapped by the coordinator: both sides probe now. */
  probeNow(candidates: readonly Candidate[], now: number): void {
    if (!this.isAwake) {
      this.#wake(now);
      // The other side asked; ours is the next turn.
      this.#introductions = 1;
      this.#nextIntroductionMs = now + (INTRODUCE_AFTER_MS[1] ?? 0);
    }
    this.journal.note(
      now,
      "introduced",
      `${candidates.length} candidates from the peer, both sides probe now`,
    );
    for (const { endpoint, kind } of candidates) {
      this.#ensure({ kind: "direct", endpoint }, kind, now)?.start(now);
    }
    this.#step(now);
  }

  /** Where to send data now. Counts as talking to the peer. */
  route(now: number): Route {
    if (this.#lastTalkMs === undefined) {
      this.#wake(now);
      this.#step(now);
    }
    this.#lastTalkMs = now;
    if (this.#route.primary !== undefined) this.#paths.get(pathIdOf(this.#route.primary))?.used(now);
    return this.#route;
  }

  /** An authenticated WireGuard packet came by `target`. */
  heard(target: PathTarget, now: number): void {
    if (this.#lastTalkMs === undefined) {
      this.#wake(now);
      this.#step(now);
    }
    this.#lastTalkMs = now;
    this.#paths.get(pathIdOf(target))?.heard(now);
  }

  /** An authenticated probe came by `target` (and was acked): a way that the peer can use, so try it as well. */
  probedBy(target: PathTarget, now: number): void {
    if (target.kind === "relay") return;
    const known = this.#paths.get(pathIdOf(target));
    if (known?.isProven || known?.isSuspect) return;
    const path = known ?? this.#ensure(target, "peer-reflexive", now);
    if (path === undefined) return;
    path.answerProbe(now);
    this.#step(now);
  }

  acked(target: PathTarget, transaction: Transaction, observed: Endpoint, now: number): void {
    const path = this.#paths.get(pathIdOf(target));
    if (path === undefined) return;
    const wasProven = path.isProven;
    const rttMs = path.answered(transaction, observed, path === this.#current, now);
    if (rttMs === undefined) return;
    if (path === this.#current) this.#leftInDoubt = undefined;
    if (path.isProven && !wasProven) {
      this.journal.note(now, "proven", `${path.id} (${path.origin}) answered in ${rttMs.toFixed(1)} ms`);
    }
    this.#step(now);
    if (path.isProven && !wasProven) this.#sink.pathProven(target);
  }

  /** The peer has come online, or moved to other relays: what was tried in vain before may work now. */
  peerMoved(now: number): void {
    if (!this.isAwake) return;
    this.#startRelays(now);
    this.#introductions = 0;
    if (this.#current?.target.kind !== "direct") this.#nextIntroductionMs = now;
    this.#step(now);
  }

  /** The network under our feet changed: nothing that was proven is so any longer. */
  networkChanged(now: number): void {
    for (const path of [...this.#paths.values()]) {
      if (path.target.kind === "direct") this.#paths.delete(path.id);
      else path.rest();
    }
    this.journal.note(now, "network-changed", "local addresses changed, all paths are tried anew");
    if (this.isAwake) this.#wake(now);
    this.#choose(now);
    this.#step(now);
  }

  tick(now: number): void {
    if (this.#lastTalkMs !== undefined && now - this.#lastTalkMs >= IDLE_AFTER_MS) this.#rest(now);
    this.#step(now);
  }

  nextDeadline(): number | undefined {
    if (this.#lastTalkMs === undefined) return undefined;
    let deadline = this.#lastTalkMs + IDLE_AFTER_MS;
    if (this.#nextIntroductionMs !== undefined) deadline = Math.min(deadline, this.#nextIntroductionMs);
    for (const path of this.#paths.values()) {
      const at = path.deadlineMs;
      if (at !== undefined && at < deadline) deadline = at;
    }
    return deadline;
  }

  #wake(now: number): void {
    this.#lastTalkMs = now;
    this.#introductions = 0;
    this.#nextIntroductionMs ??= now;
    this.#startRelays(now);
    for (const path of this.#paths.values()) if (path.target.kind === "direct") path.start(now);
  }

  #rest(now: number): void {
    this.#lastTalkMs = undefined;
    this.#nextIntroductionMs = undefined;
    for (const path of this.#paths.values()) path.rest();
    this.journal.note(now, "idle", "nothing said for a minute, probing stops");
    this.#choose(now);
  }

  #startRelays(now: number): void {
    for (const relay of this.#relays) this.#paths.get(pathIdOf({ kind: "relay", relay }))?.start(now);
  }

  /** Judges silence, chooses, sends what is due. Every input ends here. */
  #step(now: number): void {
    if (this.#lastTalkMs === undefined) return;
    for (const path of this.#paths.values()) {
      if (!path.judge(now)) continue;
      this.journal.note(now, path.state, `${path.id}: packets out, nothing back`);
      this.#sink.pathDoubted(path.target);
      if (path === this.#current) this.#hurryAlternatives(now);
    }
    this.#choose(now);
    for (const path of this.#paths.values()) {
      if (!path.isProbeDue(now)) continue;
      const transaction = transactionOf(this.#random(8));
      path.probed(transaction, now);
      this.#sink.probe(path.target, transaction);
    }
    this.#introduceIfDue(now);
  }

  /** The path in use is in doubt: every other one is asked at once whether it would do. */
  #hurryAlternatives(now: number): void {
    for (const path of this.#paths.values()) {
      if (path !== this.#current && path.target.kind === "relay") path.hurry(now);
    }
    this.#introductions = 0;
    this.#nextIntroductionMs = now;
  }

  #choose(now: number): void {
    const worse = isDirectClearlyWorse(this.#paths.values(), this.#current);
    this.#directWorseSinceMs = worse ? (this.#directWorseSinceMs ?? now) : undefined;
    const relayMayWin = now - (this.#directWorseSinceMs ?? now) >= CLEARLY_WORSE_FOR_MS;
    const choice = choosePath(this.#paths.values(), this.#current, relayMayWin);
    let chosen = choice.path;
    let reason: string = choice.reason;
    if (chosen === undefined) {
      // Nothing is proven: the first relay that is not known to be silent carries, unproven.
      chosen = this.#fallback();
      reason = chosen === undefined ? "no-path" : this.#lastTalkMs === undefined ? "idle" : "relay-first";
    } else if (this.#current !== undefined && !this.#current.isProven && choice.reason !== "stays") {
      if (this.#current.state === "suspect" || this.#current.state === "lost") {
        reason = `${this.#current.target.kind}-silent`;
      } else if (chosen.target.kind === "direct") reason = "direct-found";
    } else if (choice.reason === "direct-beats-relay") reason = "direct-found";
    this.#use(chosen, reason, now);
  }

  /** What to use with nothing proven: the current path if it is only in doubt, else a relay. */
  #fallback(): Path | undefined {
    if (this.#current?.isSuspect && this.#paths.has(this.#current.id)) return this.#current;
    const relays = this.#relays.flatMap((relay) => this.#paths.get(pathIdOf({ kind: "relay", relay })) ?? []);
    return relays.find((path) => path.state !== "lost" && path.state !== "silent") ?? relays[0];
  }

  #use(path: Path | undefined, reason: string, now: number): void {
    const before = this.#current;
    if (path !== before) this.#leftInDoubt = before?.isSuspect && this.isAwake ? before : undefined;
    this.#route = path === undefined ? NOWHERE : { primary: path.target, also: this.#second(path)?.target };
    if (path === before) return;
    this.#current = path;
    this.#currentSinceMs = now;
    this.#reason = reason;
    this.journal.note(now, reason, `${before?.id ?? "nothing"} → ${path?.id ?? "nothing"}`);
    if (path?.target.kind === "direct") this.#nextIntroductionMs = undefined;
    else if (before?.target.kind === "direct" && this.isAwake) this.#nextIntroductionMs ??= now;
    this.#sink.pathChanged({ from: before?.target, to: path?.target, reason });
  }

  /** While the path in use is not proven, packets go by a second one as well, if there is any. */
  #second(first: Path): Path | undefined {
    if (first.isProven) return this.#leftInDoubt;
    if (first.state === "untried" || first.state === "trying") return this.#leftInDoubt;
    const others = this.#relays.flatMap((relay) => this.#paths.get(pathIdOf({ kind: "relay", relay })) ?? []);
    return (
      others.find((path) => path !== first && path.state !== "lost") ?? others.find((path) => path !== first)
    );
  }

  #introduceIfDue(now: number): void {
    if (this.#nextIntroductionMs === undefined || now < this.#nextIntroductionMs) return;
    if (this.#current?.target.kind === "direct" && this.#current.isProven) {
      this.#nextIntroductionMs = undefined;
      return;
    }
    this.#introductions++;
    const pause = INTRODUCE_AFTER_MS[Math.min(this.#introductions, INTRODUCE_AFTER_MS.length - 1)] ?? 0;
    this.#nextIntroductionMs = now + pause;
    this.#sink.introduce();
  }

  #ensure(target: PathTarget, origin: PathOrigin, now: number): Path | undefined {
    const id = pathIdOf(target);
    const known = this.#paths.get(id);
    if (known !== undefined) return known;
    if (target.kind === "direct" && !this.#makeRoom()) return undefined;
    const path = new Path(target, origin, now);
    this.#paths.set(id, path);
    return path;
  }

  /** Room for one more direct path: at the limit one that never answered or is lost must go. */
  #makeRoom(): boolean {
    const direct = [...this.#paths.values()].filter((path) => path.target.kind === "direct");
    if (direct.length < DIRECT_PATHS_MAX) return true;
    const useless = direct.find((path) => path.state === "silent" || path.state === "lost");
    return useless !== undefined && this.#paths.delete(useless.id);
  }
}
