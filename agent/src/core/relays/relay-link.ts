/**
 * One relay as this agent knows it: the ticket, the binding, how far away it is. Binds go out, Bounds come in; the
 * same exchange binds, keeps the NAT open, measures the round trip and tells how we look from outside.
 *
 *   unbound ──Bind──▶ binding ──challenge──▶ binding ──Bound──▶ bound ──silence──▶ silent ──Bound──▶ bound
 */
import {
  BindStatus,
  type Bound,
  COOKIE_LENGTH,
  type Endpoint,
  fromBase64,
  type GrantedTicket,
  type RelayInfo,
} from "@burrow/protocol";
import { RttEstimator } from "../rtt.ts";
import { type Door, DoorKind, doorsOf, isDoor } from "./doors.ts";
import type { Sighting } from "./nat-ports.ts";

export type LinkState = "unbound" | "binding" | "bound" | "silent" | "refused";

/** Idle bindings are renewed this often: below the 30 s for which the strictest common NATs keep a mapping. */
const KEEPALIVE_MS = 15_000;
/** The first round trips after binding come quickly, so that the choice among relays rests on more than one. */
export const FIRST_SAMPLES = 3;
const FIRST_SAMPLES_INTERVAL_MS = 120;
/** A Bind is repeated after 2 round trips, at least this … */
const RETRY_MIN_MS = 150;
/** … and ever more rarely once every door has been tried in vain. */
const RETRY_MAX_MS = 10_000;
/** So many Binds without an answer make UDP silent, and WebSocket is tried. */
const BINDS_PER_DOOR = 3;
/** After so many, Binds go to all UDP doors at once, and the first that answers is the one. */
const BINDS_BEFORE_ALL = 2;
/** A draining relay is left alone, so that the binding lapses and it can go. */
const DRAINING_INTERVAL_MS = 300_000;
/** Binds for news (flows, doubts) keep this distance: what is new meanwhile goes with the next one. */
const BIND_SPACING_MS = 50;
/** Of the pause before a retry: timers may fire a little early. */
const SILENCE_PART = 0.9;
/** Bound by a further port or by WebSocket, the better doors are knocked at this often: they may open again. */
const BETTER_RETRY_MS = 10_000;
/** A change to a better door that has answered is given so long. */
const CHANGE_MS = 2_000;
/** Binds whose answers are still believed. */
const OUTSTANDING_MAX = 16;
const NEVER = Number.POSITIVE_INFINITY;
/** A relay that is not needed is measured again this often, by one Bind; in between its binding may lapse. */
const MEASURE_INTERVAL_MS = 60_000;
/** So many challenges in a row are answered at once: our address may change meanwhile, but not for ever. */
const CHALLENGES_AT_ONCE = 3;
/** A relay that calls a fresh ticket expired has a wrong clock, and is not asked again at once. */
const EXPIRED_PAUSE_MS = 10_000;

interface OutstandingBind {
  readonly sentMs: number;
  /** Receiver indices that it declared. */
  readonly declared: readonly number[];
}

export class RelayLink {
  #info: RelayInfo;
  /** All ways to knock at the relay, best first: looked at for every deadline, and made when the relay's record is. */
  #doors: readonly Door[];
  #endpoints: readonly Endpoint[];
  ticket:
    | { readonly sealed: Uint8Array; readonly sessionKey: Uint8Array; readonly expiresAtMs: number }
    | undefined;
  /** Place in the coordinator's ranking; lower is expected to be nearer. */
  rank: number;
  expectedRttMs: number | undefined;
  rankReason = "";
  /** What the coordinator adds to the round trip, and whether it advises to stand by here. */
  penaltyMs = 0;
  crowdMs = 0;
  isReserve = false;

  state: LinkState = "unbound";
  draining = false;
  readonly rtt = new RttEstimator();
  /** How we look to this relay. */
  observed: Endpoint | undefined;
  /** The same, and the first Bind that was seen from there: when the NAT made that mapping. */
  sighting: Sighting | undefined;
  lastHeardMs: number | undefined;
  /** Receiver indices that this relay has not confirmed yet, oldest first. */
  readonly undeclared = new Set<number>();

  /** Which of the doors is in use or being tried. */
  #door = 0;
  /** Binds that the present door has not answered, and how often all doors were tried in vain. */
  #unanswered = 0;
  #lastCountedMs = Number.NEGATIVE_INFINITY;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #rounds = 0;
  #challenges = 0;
  #expiries = 0;
  #expiredMs = 0;
  #boundMs = Number.NEGATIVE_INFINITY;
  /** The binding must be renewed though nobody needs this relay. */
  #isUrgent = false;
  #nextBindMs: number | undefined;
  #nextBetterTryMs: number | undefined;
  /** A door better than the present one that asked for its cookie, */
  #challengedBy: Endpoint | undefined;
  /** and the last that did: for a while no other of them is believed. */
  #changingTo: Endpoint | undefined;
  #changingUntilMs = Number.NEGATIVE_INFINITY;
  readonly #cookies = new Map<Endpoint, Uint8Array>();
  /** Of the newest Bind that bound us: what an older one says of the door is old. */
  #boundSequence = 0;
  readonly #outstanding = new Map<number, OutstandingBind>();

  constructor(info: RelayInfo, rank: number) {
    this.#info = info;
    this.#doors = doorsOf(info);
    this.#endpoints = this.#doors.map(({ endpoint }) => endpoint);
    this.rank = rank;
  }

  get info(): RelayInfo {
    return this.#info;
  }

  set info(info: RelayInfo) {
    this.#info = info;
    this.#doors = doorsOf(info);
    this.#endpoints = this.#doors.map(({ endpoint }) => endpoint);
  }

  /** Where the relay may be knocked at: its UDP endpoints, then its WebSocket. */
  get doors(): readonly Endpoint[] {
    return this.#endpoints;
  }

  get #inUse(): Door | undefined {
    return this.#doors[this.#door % this.#doors.length];
  }

  /** The door in use. */
  get endpoint(): Endpoint | undefined {
    return this.#inUse?.endpoint;
  }

  /** Whether packets go by WebSocket. */
  get isWebsocket(): boolean {
    return this.doorKind === DoorKind.websocket;
  }

  /** The kind of the door in use. */
  get doorKind(): DoorKind | undefined {
    return this.#inUse?.kind;
  }

  get isBound(): boolean {
    return this.state === "bound";
  }

  /** When the next Bind is due. Relays that are not `kept` are only measured now and then, once they are known. */
  dueMs(kept: boolean): number | undefined {
    if (this.ticket === undefined) return undefined;
    if (this.#challengedBy !== undefined) return 0;
    const isNeeded = kept || this.#isUrgent || this.state !== "bound" || this.rtt.samples < FIRST_SAMPLES;
    const intervalMs = this.draining ? DRAINING_INTERVAL_MS : MEASURE_INTERVAL_MS;
    const notBeforeMs = isNeeded ? 0 : this.#boundMs + intervalMs;
    const planned = Math.min(this.#nextBindMs ?? NEVER, this.#betterTryMs ?? NEVER);
    return planned === NEVER ? undefined : Math.max(planned, notBeforeMs);
  }

  /**
   * What the relay at this door wants repeated; zeros when it has not said yet, and where we only knock: a relay binds
   * us to whichever door a right cookie comes by, and only one that has just answered may become that.
   */
  cookieFor(door: Endpoint): Uint8Array {
    const isMeant = door === this.endpoint || door === this.#challengedBy;
    return (isMeant ? this.#cookies.get(door) : undefined) ?? new Uint8Array(COOKIE_LENGTH);
  }

  grant(ticket: GrantedTicket, now: number): void {
    const sealed = fromBase64(ticket.ticket);
    const sessionKey = fromBase64(ticket.sessionKey);
    if (sealed === undefined || sessionKey === undefined) return;
    this.ticket = { sealed, sessionKey, expiresAtMs: ticket.expiresAtMs };
    if (this.state === "refused") this.state = "unbound";
    this.bindNow(this.#expiries > 1 ? Math.max(now, this.#expiredMs + EXPIRED_PAUSE_MS) : now);
  }

  bindNow(now: number): void {
    const atMs = Math.max(now, this.#lastSentMs + BIND_SPACING_MS);
    this.#nextBindMs = Math.min(this.#nextBindMs ?? atMs, atMs);
  }

  /** Whatever it is needed for, a binding that still lives is renewed: the address that it knows is not ours now. */
  renew(now: number): void {
    this.#isUrgent = true;
    this.bindNow(now);
  }

  /** The socket or the network changed: whatever we knew of our outside is old, and UDP may work again. */
  rebind(now: number): void {
    this.#door = 0;
    this.#unanswered = 0;
    this.#rounds = 0;
    this.#challenges = 0;
    this.#lastSentMs = Number.NEGATIVE_INFINITY;
    this.#outstanding.clear();
    this.observed = undefined;
    this.sighting = undefined;
    this.rtt.restart();
    this.bindNow(now);
  }

  /** The doors at which a Bind is due now, the one in use last. */
  dueDoors(kept: boolean, now: number): readonly Endpoint[] {
    const dueMs = this.dueMs(kept);
    const { endpoint } = this;
    if (dueMs === undefined || dueMs > now || endpoint === undefined) return [];
    if (this.#challengedBy !== undefined) return [this.#challengedBy];
    if (this.#nextBindMs !== undefined && this.#nextBindMs <= now) {
      const others = this.#isInDoubt && !this.isWebsocket ? this.#info.endpoints : [];
      return [...others.filter((door) => door !== endpoint), endpoint];
    }
    if (this.#betterTryMs === undefined || this.#betterTryMs > now) return [];
    return this.#info.endpoints.filter((door) => this.#isBetter(door));
  }

  /** The present door leaves Binds unanswered. */
  get #isInDoubt(): boolean {
    return this.#unanswered >= BINDS_BEFORE_ALL || this.#rounds > 0;
  }

  /** When better doors than the present one are due; undefined where there are none. */
  get #betterTryMs(): number | undefined {
    const { doorKind } = this;
    const isBest = doorKind === undefined || doorKind === DoorKind.ownPort;
    return isBest ? undefined : this.#nextBetterTryMs;
  }

  /** Than the one in use. */
  #isBetter(door: Endpoint): boolean {
    const { doorKind } = this;
    return doorKind === undefined || this.#kindOf(door) < doorKind;
  }

  #indexOf(door: Endpoint): number {
    return Math.max(0, this.#endpoints.indexOf(door));
  }

  #kindOf(door: Endpoint): DoorKind {
    return this.#doors[this.#indexOf(door)]?.kind ?? DoorKind.ownPort;
  }

  /** A Bind of this sequence leaves now. True if the silence of earlier ones has unbound the relay. */
  bindSent(door: Endpoint, sequence: number, declared: readonly number[], now: number): boolean {
    this.#outstanding.set(sequence, { sentMs: now, declared });
    if (this.#outstanding.size > OUTSTANDING_MAX) {
      for (const oldest of this.#outstanding.keys()) {
        this.#outstanding.delete(oldest);
        break;
      }
    }
    if (door === this.#challengedBy) this.#challengedBy = undefined;
    if (door !== this.endpoint) {
      // Any Bind at another door is the try that was due.
      if (this.#nextBetterTryMs !== undefined) this.#nextBetterTryMs = now + BETTER_RETRY_MS;
      return false;
    }
    if (this.state === "unbound") this.state = "binding";
    const retryMs = Math.max(RETRY_MIN_MS, 2 * (this.rtt.smoothedMs ?? 0));
    this.#lastSentMs = now;
    // Many sessions made at once bring many Binds within one round trip: only time makes silence, not their number.
    if (this.#unanswered > 0 && now - this.#lastCountedMs < SILENCE_PART * retryMs) {
      this.#nextBindMs = this.#lastCountedMs + retryMs;
      return false;
    }
    this.#unanswered++;
    this.#lastCountedMs = now;
    this.#nextBindMs = now + Math.min(retryMs * 2 ** Math.min(this.#rounds, 10), RETRY_MAX_MS);
    if (this.#unanswered <= (this.#rounds === 0 ? BINDS_PER_DOOR : 0)) return false;
    this.#nextDoor();
    const wasBound = this.state === "bound";
    this.state = "silent";
    return wasBound;
  }

  /** A Bound from one of our doors, opened. Undefined if it answers no Bind of ours; else RTT in ms. */
  answered(bound: Bound, from: Endpoint, now: number): number | undefined {
    const bind = this.#outstanding.get(bound.sequence);
    if (bind === undefined) return undefined;
    this.#outstanding.delete(bound.sequence);
    this.lastHeardMs = now;
    const rttMs = now - bind.sentMs;
    this.#cookies.set(from, bound.cookie.slice());
    const isHere = from === this.endpoint;
    const { observed, sequence } = bound;
    if (!isDoor(from) && this.sighting?.observed !== observed) {
      this.sighting = { observed, sequence, atMs: bind.sentMs };
    }
    if (isHere) {
      this.#unanswered = 0;
      this.rtt.sample(rttMs);
    }
    switch (bound.status) {
      case BindStatus.challenge:
        if (this.state !== "bound") this.state = "binding";
        this.#challengedAt(from, now);
        break;
      case BindStatus.bound:
      case BindStatus.draining:
        if (bound.sequence < this.#boundSequence && !isHere) break;
        this.#boundSequence = Math.max(bound.sequence, this.#boundSequence);
        for (const index of bind.declared) this.undeclared.delete(index);
        this.#boundAt(from, bound, now);
        break;
      case BindStatus.expired:
        this.state = "unbound";
        this.ticket = undefined;
        this.#nextBindMs = undefined;
        this.#expiries++;
        this.#expiredMs = now;
        break;
      case BindStatus.refused:
        this.state = "refused";
        this.#nextBindMs = now + RETRY_MAX_MS;
        break;
    }
    return rttMs;
  }

  /** Something authenticated came through this relay: it lives, but only a Bound says that it knows us. */
  heard(now: number): void {
    this.lastHeardMs = now;
  }

  /** Of the doors knocked at together, one that is no better than what answers already is left alone. */
  #challengedAt(door: Endpoint, now: number): void {
    const isHere = door === this.endpoint;
    const isBetter = this.#isBetter(door);
    if (isBetter ? this.#isChangingElsewhere(door, now) : !isHere && !this.#isInDoubt) return;
    this.#challenges++;
    if (this.#challenges > CHALLENGES_AT_ONCE) {
      this.#nextBindMs = now + RETRY_MAX_MS;
      return;
    }
    if (isBetter) {
      this.#challengedBy = door;
      this.#changingTo = door;
      this.#changingUntilMs = now + CHANGE_MS;
      return;
    }
    if (!isHere) {
      this.#door = this.#indexOf(door);
      this.#unanswered = 0;
    }
    this.#nextBindMs = now;
  }

  /** Of several better doors that answer together, the first is taken. */
  #isChangingElsewhere(door: Endpoint, now: number): boolean {
    return now < this.#changingUntilMs && door !== this.#changingTo;
  }

  #boundAt(door: Endpoint, bound: Bound, now: number): void {
    this.#door = this.#indexOf(door);
    this.#unanswered = 0;
    this.#rounds = 0;
    this.state = "bound";
    this.draining = bound.status === BindStatus.draining;
    // By WebSocket the relay sees its own loopback, which says nothing of us.
    this.observed = isDoor(door) ? undefined : bound.observed;
    const isBest = this.doorKind === DoorKind.ownPort;
    this.#nextBetterTryMs = isBest ? undefined : (this.#nextBetterTryMs ?? now + BETTER_RETRY_MS);
    this.#challenges = 0;
    this.#expiries = 0;
    this.#boundMs = now;
    this.#isUrgent = false;
    // Flows that one Bind had no room for follow at the same pace: relays count an agent's Binds.
    const wantsMore = this.rtt.samples < FIRST_SAMPLES || this.undeclared.size > 0;
    this.#nextBindMs = now + (wantsMore ? FIRST_SAMPLES_INTERVAL_MS : KEEPALIVE_MS);
  }

  #nextDoor(): void {
    this.#unanswered = 0;
    this.#lastSentMs = Number.NEGATIVE_INFINITY;
    // All UDP doors have been knocked at: next is WebSocket, which comes last, or all of it again.
    const last = this.#doors.length - 1;
    const hasWebsocket = this.#doors[last]?.kind === DoorKind.websocket;
    this.#door = hasWebsocket && !this.isWebsocket ? last : 0;
    if (this.#door === 0) this.#rounds++;
  }
}
