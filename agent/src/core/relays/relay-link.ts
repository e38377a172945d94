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

export type LinkState = "unbound" | "binding" | "bound" | "silent" | "refused";

/** Idle bindings are renewed this often: below the 30 s for which the strictest common NATs keep a mapping. */
const KEEPALIVE_MS = 15_000;
/** The first round trips after binding come quickly, so that the choice among relays rests on more than one. */
const FIRST_SAMPLES = 3;
const FIRST_SAMPLES_INTERVAL_MS = 120;
/** A Bind is repeated after 2 round trips, at least this … */
const RETRY_MIN_MS = 150;
/** … and ever more rarely while nothing comes back. */
const RETRY_MAX_MS = 10_000;
/** So many Binds without an answer make a relay silent. */
const SILENT_AFTER_BINDS = 3;
/** Binds whose answers are still believed. */
const OUTSTANDING_MAX = 16;

export class RelayLink {
  info: RelayInfo;
  ticket:
    | { readonly sealed: Uint8Array; readonly sessionKey: Uint8Array; readonly expiresAtMs: number }
    | undefined;
  /** Place in the coordinator's ranking; lower is expected to be nearer. */
  rank: number;
  expectedRttMs: number | undefined;
  rankReason = "";

  state: LinkState = "unbound";
  draining = false;
  readonly rtt = new RttEstimator();
  /** How we look to this relay. */
  observed: Endpoint | undefined;
  lastHeardMs: number | undefined;
  cookie = new Uint8Array(COOKIE_LENGTH);

  #endpointIndex = 0;
  #unanswered = 0;
  #nextBindMs: number | undefined;
  readonly #outstanding = new Map<number, number>();

  constructor(info: RelayInfo, rank: number) {
    this.info = info;
    this.rank = rank;
  }

  /** The door of the relay that is knocked at now; another one after silence. */
  get endpoint(): Endpoint | undefined {
    return this.info.endpoints[this.#endpointIndex % this.info.endpoints.length];
  }

  get isBound(): boolean {
    return this.state === "bound";
  }

  get isUsable(): boolean {
    return this.state === "bound" && this.info.state !== "down";
  }

  get deadlineMs(): number | undefined {
    return this.ticket === undefined ? undefined : this.#nextBindMs;
  }

  grant(ticket: GrantedTicket, now: number): void {
    const sealed = fromBase64(ticket.ticket);
    const sessionKey = fromBase64(ticket.sessionKey);
    if (sealed === undefined || sessionKey === undefined) return;
    this.ticket = { sealed, sessionKey, expiresAtMs: ticket.expiresAtMs };
    if (this.state === "refused") this.state = "unbound";
    this.bindNow(now);
  }

  bindNow(now: number): void {
    this.#nextBindMs = Math.min(this.#nextBindMs ?? now, now);
  }

  /** The socket or the network changed: whatever we knew of our outside is old. */
  rebind(now: number): void {
    this.#unanswered = 0;
    this.#outstanding.clear();
    this.bindNow(now);
  }

  isBindDue(now: number): boolean {
    return this.ticket !== undefined && this.#nextBindMs !== undefined && this.#nextBindMs <= now;
  }

  /** A Bind of this sequence leaves now. True if that made the relay silent. */
  bindSent(sequence: number, now: number): boolean {
    this.#outstanding.set(sequence, now);
    if (this.#outstanding.size > OUTSTANDING_MAX) {
      for (const oldest of this.#outstanding.keys()) {
        this.#outstanding.delete(oldest);
        break;
      }
    }
    if (this.state === "unbound") this.state = "binding";
    this.#unanswered++;
    const retryMs = Math.max(RETRY_MIN_MS, 2 * (this.rtt.smoothedMs ?? 0));
    const doublings = Math.max(0, this.#unanswered - SILENT_AFTER_BINDS);
    this.#nextBindMs = now + Math.min(retryMs * 2 ** doublings, RETRY_MAX_MS);
    if (this.#unanswered <= SILENT_AFTER_BINDS || this.state === "silent") return false;
    this.#endpointIndex++;
    const wasBound = this.state === "bound";
    this.state = "silent";
    return wasBound;
  }

  /** A Bound that opened under this link's session key. Undefined if it answers no Bind of ours; else RTT in ms. */
  answered(bound: Bound, now: number): number | undefined {
    const sentAt = this.#outstanding.get(bound.sequence);
    if (sentAt === undefined) return undefined;
    this.#outstanding.delete(bound.sequence);
    this.#unanswered = 0;
    this.lastHeardMs = now;
    const rttMs = now - sentAt;
    this.rtt.sample(rttMs);
    this.observed = bound.observed;
    this.cookie = bound.cookie.slice();
    switch (bound.status) {
      case BindStatus.challenge:
        if (this.state !== "bound") this.state = "binding";
        this.#nextBindMs = now;
        break;
      case BindStatus.bound:
      case BindStatus.draining:
        this.state = "bound";
        this.draining = bound.status === BindStatus.draining;
        this.#nextBindMs =
          now + (this.rtt.samples < FIRST_SAMPLES ? FIRST_SAMPLES_INTERVAL_MS : KEEPALIVE_MS);
        break;
      case BindStatus.expired:
        this.state = "unbound";
        this.ticket = undefined;
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
}
