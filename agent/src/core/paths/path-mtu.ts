/**
 * How large a datagram a path carries, found by padded probes (RFC 8899, Packetization Layer Path MTU Discovery for
 * Datagram Transports; its PLPMTU is our `bytes`, all of the UDP payload). Nothing is asked of routers, whose ICMP may
 * be filtered or forged: what is acked arrived, and what is lost three times, while small probes are acked, did not fit.
 * Where small ones are lost too, by chance, it takes more than three.
 *
 *   unknown ──whole acked──▶ whole ──its size lost 3 times──▶ searching
 *      └──whole lost 3 times──▶ searching ──▶ narrow ──now and then: whole acked──▶ whole
 *
 * It begins with the largest size of interest, which nearly every path carries: the search costs one probe there. That
 * size is a full packet of the tunnel. More would hold on one path and not on the next, and a flow must be able to
 * change its path at any moment without losing packets.
 */
import { type Transaction, TUNNEL_MTU_BYTES, WireGuardTransport } from "@burrow/protocol";

/** WireGuard fills a packet up to a multiple of this (WireGuard §5.4.6). */
const STEP_BYTES = 16;
const OVERHEAD_BYTES = WireGuardTransport.lengthMin;
/** The largest datagram of the tunnel. */
export const WHOLE_BYTES = TUNNEL_MTU_BYTES + OVERHEAD_BYTES;
/** With less than IPv6's smallest MTU (RFC 8200 §5) inside, a path does not carry all that the tunnel is for. */
const FIT_BYTES = 1280 + OVERHEAD_BYTES;
/** RFC 8899 §5.1.2, BASE_PLPMTU: fits nearly everywhere. */
const BASE_BYTES = 1_200;
/** RFC 8899 §5.1.2, MAX_PROBES. */
const PROBES_PER_SIZE = 3;
/** Under loss so many more that chance takes all of them once in a thousand times, and no more than … */
const ALL_BY_CHANCE = 0.001;
const PROBES_PER_SIZE_MAX = 12;
/** An ack takes a round trip; so many are waited for, and at least … */
const PATIENCE_RTTS = 3;
const PATIENCE_MIN_MS = 200;
/**
 * Under large packets the size is confirmed this often, since a route may have changed: soon after as many of them as
 * TCP sends at its start (RFC 6928), so that a probe is a tenth of them at most, and in any case now and then.
 */
const CONFIRM_INTERVAL_MIN_MS = 1_000;
const CONFIRM_AFTER_PACKETS = 10;
const CONFIRM_INTERVAL_MS = 5_000;
/** A narrow path in use may have become wide (RFC 8899 §5.1.1, PMTU_RAISE_TIMER: 600 s), or was misjudged. */
const RAISE_AFTER_MIN_MS = 30_000;
const RAISE_AFTER_MAX_MS = 600_000;

/** What the path is good for. `cramped`: not even for IPv6's smallest MTU inside. */
export type MtuVerdict = "unknown" | "whole" | "narrow" | "cramped";

interface Question {
  readonly bytes: number;
  /** Lost so far. */
  lost: number;
  /** When the latest probe left; undefined while one is due. */
  sentAtMs: number | undefined;
}

export class PathMtu {
  /** The largest datagram that is known to arrive; undefined while nothing is known. */
  bytes: number | undefined;
  #question: Question | undefined;
  #dueMs: number | undefined;
  #patienceMs = PATIENCE_MIN_MS;
  /** Of the search: the largest that arrived, the smallest that did not. */
  #arrives = 0;
  #fails = WHOLE_BYTES + STEP_BYTES;
  #confirmedMs = Number.NEGATIVE_INFINITY;
  /** Packets that left since, in runs with a large one. */
  #unconfirmed = 0;
  #raiseAtMs = 0;
  #raiseAfterMs = RAISE_AFTER_MIN_MS;
  readonly #asked = new Map<Transaction, number>();

  get verdict(): MtuVerdict {
    if (this.bytes === undefined) return "unknown";
    if (this.bytes >= WHOLE_BYTES) return "whole";
    return this.bytes >= FIT_BYTES ? "narrow" : "cramped";
  }

  /** The largest packet inside the tunnel that is known to fit; undefined while nothing is known. */
  get innerBytes(): number | undefined {
    return this.bytes === undefined ? undefined : Math.max(0, this.bytes - OVERHEAD_BYTES);
  }

  /** What senders inside the tunnel must keep to; undefined while nothing says that not all packets fit. */
  get limitBytes(): number | undefined {
    if (this.bytes === undefined || this.bytes >= WHOLE_BYTES) return undefined;
    return Math.max(this.bytes, BASE_BYTES) - OVERHEAD_BYTES;
  }

  /** When `due` wants to be asked. */
  get deadlineMs(): number | undefined {
    return this.#dueMs;
  }

  /** The path has come to life: what fits through it? What was seen a moment ago is not asked again. */
  begin(now: number): void {
    if (now - this.#confirmedMs >= CONFIRM_INTERVAL_MS) this.#search(WHOLE_BYTES, now);
    else if (this.bytes !== undefined && this.bytes < WHOLE_BYTES) this.#dueMs = this.#raiseAtMs;
  }

  /** The path does not work at the moment, or nobody needs it. What was found stands until it is asked again. */
  pause(): void {
    this.#question = undefined;
    this.#dueMs = undefined;
    this.#asked.clear();
  }

  /** So many packets of the tunnel left by this path, the longest this long. */
  used(packets: number, longestBytes: number, now: number): void {
    if (this.#question !== undefined || this.bytes === undefined) return;
    if (longestBytes < BASE_BYTES || this.bytes < BASE_BYTES) return;
    this.#unconfirmed += packets;
    const isFew = this.#unconfirmed < CONFIRM_AFTER_PACKETS;
    const intervalMs = isFew ? CONFIRM_INTERVAL_MS : CONFIRM_INTERVAL_MIN_MS;
    if (now - this.#confirmedMs >= intervalMs) this.#search(this.bytes, now);
  }

  /**
   * What should leave now, if anything: a padded probe of this length, or a small one, to tell a size that did not fit
   * from a path that is silent.
   *
   * @param aliveMs when the latest small probe left that was acked: a padded one from before that is lost
   * @param lossShare of small probes, 0 to 1
   */
  due(aliveMs: number, lossShare: number, now: number): number | "small" | undefined {
    if (this.#dueMs === undefined || now < this.#dueMs) return undefined;
    // Nobody may use a narrow path while there is another: so it is not left to its use to ask again.
    if (this.#question === undefined) this.#search(WHOLE_BYTES, now);
    const question = this.#question;
    if (question === undefined) return undefined;
    if (question.sentAtMs !== undefined) {
      if (aliveMs < question.sentAtMs) {
        this.#dueMs = now + this.#patienceMs;
        return "small";
      }
      question.sentAtMs = undefined;
      question.lost++;
      if (question.lost >= probesPerSize(lossShare)) this.#failed(question.bytes, now);
    }
    return this.#question?.bytes;
  }

  /** The padded probe that was due left. */
  probed(transaction: Transaction, rttMs: number, now: number): void {
    const question = this.#question;
    if (question === undefined) return;
    question.sentAtMs = now;
    this.#asked.set(transaction, question.bytes);
    this.#patienceMs = Math.max(PATIENCE_MIN_MS, PATIENCE_RTTS * rttMs);
    this.#dueMs = now + this.#patienceMs;
  }

  isWaitingFor(transaction: Transaction): boolean {
    return this.#asked.has(transaction);
  }

  /** An ack: true if it was of one of these probes. */
  acked(transaction: Transaction, now: number): boolean {
    const bytes = this.#asked.get(transaction);
    if (bytes === undefined) return false;
    this.#asked.delete(transaction);
    // A late one may be of a size that was given up: then its loss was chance.
    if (bytes >= this.#fails) this.#fails = bytes + STEP_BYTES;
    this.#arrives = Math.max(this.#arrives, bytes);
    if (bytes === WHOLE_BYTES) this.#raiseAfterMs = RAISE_AFTER_MIN_MS;
    // Something in between is better than nothing, and is known already.
    if (this.bytes === undefined || this.bytes < bytes || this.#fails <= this.bytes) this.bytes = bytes;
    this.#next(now);
    return true;
  }

  /** For what is as large as `bytes`, and less if that does not arrive. */
  #search(bytes: number, now: number): void {
    this.#arrives = 0;
    this.#fails = bytes + STEP_BYTES;
    this.#asked.clear();
    this.#ask(bytes, now);
  }

  #failed(bytes: number, now: number): void {
    this.#fails = Math.min(this.#fails, bytes);
    this.#next(now);
  }

  /** Whole first, then what is worth a path of its own, then the base; then by halves between. */
  #next(now: number): void {
    if (this.#arrives === 0 && this.#fails > FIT_BYTES) return this.#ask(FIT_BYTES, now);
    if (this.#arrives === 0 && this.#fails > BASE_BYTES) return this.#ask(BASE_BYTES, now);
    const between = Math.floor((this.#fails - this.#arrives) / STEP_BYTES / 2) * STEP_BYTES;
    if (this.#arrives > 0 && between > 0 && this.#arrives + between < this.#fails) {
      return this.#ask(this.#arrives + between, now);
    }
    this.#finish(now);
  }

  #finish(now: number): void {
    this.#question = undefined;
    this.#dueMs = undefined;
    this.bytes = this.#arrives;
    this.#confirmedMs = now;
    this.#unconfirmed = 0;
    if (this.bytes >= WHOLE_BYTES) return;
    if (this.#raiseAtMs <= now) {
      this.#raiseAtMs = now + this.#raiseAfterMs;
      this.#raiseAfterMs = Math.min(2 * this.#raiseAfterMs, RAISE_AFTER_MAX_MS);
    }
    this.#dueMs = this.#raiseAtMs;
  }

  #ask(bytes: number, now: number): void {
    this.#question = { bytes, lost: 0, sentAtMs: undefined };
    this.#dueMs = now;
  }
}

function probesPerSize(lossShare: number): number {
  if (lossShare <= 0) return PROBES_PER_SIZE;
  const needed = Math.ceil(Math.log(ALL_BY_CHANCE) / Math.log(Math.min(lossShare, 0.99)));
  return Math.min(Math.max(needed, PROBES_PER_SIZE), PROBES_PER_SIZE_MAX);
}
