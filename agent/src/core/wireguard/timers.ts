/**
 * WireGuard's timers (§6), one table a peer, named after the protocol's events as in wireguard-go. They hold moments,
 * not callbacks: the engine asks which have come and acts.
 *
 *   retransmitHandshake   an initiation went unanswered for rekeyTimeout + jitter
 *   sendKeepalive         data came in and nothing went out for keepaliveTimeout
 *   newHandshake          data went out and nothing came in for keepaliveTimeout + rekeyTimeout + jitter
 *   zeroKeyMaterial       no new session for 3 × rejectAfter
 *   persistentKeepalive   nothing went either way for the peer's own interval
 */
import { REKEY_TIMEOUT_JITTER_MS, type WireGuardTimings } from "./constants.ts";

export const Timer = {
  retransmitHandshake: 0,
  sendKeepalive: 1,
  newHandshake: 2,
  zeroKeyMaterial: 3,
  persistentKeepalive: 4,
} as const;
export type Timer = (typeof Timer)[keyof typeof Timer];

const TIMERS = Object.values(Timer);
const NEVER = Number.POSITIVE_INFINITY;

/**
 * The earliest moment any peer waits for. It may be too early, as timers that are put off or cancelled leave it;
 * the engine finds nothing due then and computes it anew. So no packet has to look at all peers.
 */
export class Alarm {
  earliestMs = NEVER;

  note(atMs: number): void {
    if (atMs < this.earliestMs) this.earliestMs = atMs;
  }
}

export class PeerTimers {
  readonly #alarm: Alarm;
  readonly #timings: WireGuardTimings;
  readonly #at = new Float64Array(TIMERS.length).fill(NEVER);
  #jitterState: number;
  #needsAnotherKeepalive = false;
  #persistentKeepaliveMs = 0;
  /** A session near its end is renewed once from the receiving side; set when that was done. */
  sentLastMinuteHandshake = false;

  constructor(alarm: Alarm, timings: WireGuardTimings, jitterSeed: number) {
    this.#alarm = alarm;
    this.#timings = timings;
    this.#jitterState = jitterSeed | 1;
  }

  /** The peer's earliest moment, or infinity. */
  get nextDeadlineMs(): number {
    let earliest = NEVER;
    for (const at of this.#at) if (at < earliest) earliest = at;
    return earliest;
  }

  isPending(timer: Timer): boolean {
    return this.#moment(timer) !== NEVER;
  }

  /** A timer that is due, which it clears; undefined when there is none. */
  takeExpired(now: number): Timer | undefined {
    for (const timer of TIMERS) {
      if (this.#moment(timer) > now) continue;
      this.cancel(timer);
      return timer;
    }
    return undefined;
  }

  cancel(timer: Timer): void {
    this.#at[timer] = NEVER;
  }

  cancelAll(): void {
    this.#at.fill(NEVER);
    this.#needsAnotherKeepalive = false;
    this.sentLastMinuteHandshake = false;
  }

  /** Zero turns it off. The first keepalive is due at once, as it opens the session. */
  setPersistentKeepalive(intervalMs: number, now: number): void {
    this.#persistentKeepaliveMs = intervalMs;
    this.cancel(Timer.persistentKeepalive);
    if (intervalMs > 0) this.#set(Timer.persistentKeepalive, now);
  }

  /** An authenticated data packet was sent. */
  dataSent(now: number): void {
    if (this.isPending(Timer.newHandshake)) return;
    const { keepaliveTimeoutMs, rekeyTimeoutMs } = this.#timings;
    this.#set(Timer.newHandshake, now + keepaliveTimeoutMs + rekeyTimeoutMs + this.#jitterMs());
  }

  /** An authenticated data packet was received. */
  dataReceived(now: number): void {
    if (this.isPending(Timer.sendKeepalive)) this.#needsAnotherKeepalive = true;
    else this.#set(Timer.sendKeepalive, now + this.#timings.keepaliveTimeoutMs);
  }

  /** sendKeepalive was acted upon: data that came meanwhile wants an answer of its own. */
  keepaliveSent(now: number): void {
    if (!this.#needsAnotherKeepalive) return;
    this.#needsAnotherKeepalive = false;
    this.#set(Timer.sendKeepalive, now + this.#timings.keepaliveTimeoutMs);
  }

  /** Anything authenticated was sent: a handshake message, data, a keepalive. */
  anyAuthenticatedPacketSent(): void {
    this.cancel(Timer.sendKeepalive);
  }

  /** Anything authenticated was received. */
  anyAuthenticatedPacketReceived(): void {
    this.cancel(Timer.newHandshake);
  }

  /** Anything authenticated went either way. */
  anyAuthenticatedPacketTraversal(now: number): void {
    if (this.#persistentKeepaliveMs > 0) {
      this.#set(Timer.persistentKeepalive, now + this.#persistentKeepaliveMs);
    }
  }

  /** An initiation was sent. `waitMs` is shorter after a kick. */
  handshakeInitiated(now: number, waitMs = this.#timings.rekeyTimeoutMs): void {
    this.#set(Timer.retransmitHandshake, now + waitMs + this.#jitterMs());
  }

  /** A response was received, or the first packet under a session that we responded to. */
  handshakeComplete(): void {
    this.cancel(Timer.retransmitHandshake);
    this.sentLastMinuteHandshake = false;
  }

  /** Session keys were derived. */
  sessionDerived(now: number): void {
    this.#set(Timer.zeroKeyMaterial, now + 3 * this.#timings.rejectAfterMs);
  }

  /** Handshakes were given up: what is left of old keys goes too, unless that is planned already. */
  handshakeGivenUp(now: number): void {
    this.cancel(Timer.sendKeepalive);
    if (!this.isPending(Timer.zeroKeyMaterial)) this.sessionDerived(now);
  }

  #moment(timer: Timer): number {
    return this.#at[timer] ?? NEVER;
  }

  #set(timer: Timer, atMs: number): void {
    this.#at[timer] = atMs;
    this.#alarm.note(atMs);
  }

  /** xorshift32: two ends must not retry in step; nobody has to be unable to guess. */
  #jitterMs(): number {
    let state = this.#jitterState;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#jitterState = state;
    return (state >>> 0) % (REKEY_TIMEOUT_JITTER_MS + 1);
  }
}
