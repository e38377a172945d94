/**
 * Soundings: how far other relays' data ports are, and whether they work, by pings over the trunk. In a small mesh each
 * relay asks every other once a second; in a large one it goes round, so that it never sends more than its budget.
 * Whoever leaves a ping unanswered is asked again at once, so that a dead port is known within seconds all the same.
 *
 *   asked ─answer─▶ reached      asked ─silence─▶ in doubt ─again─▶ … ─LOST_MAX in a row─▶ silent
 */
import {
  encodeTrunkPing,
  type RelayId,
  type RelayReach,
  relayTagOf,
  TokenBucket,
  type Transaction,
  transactionOf,
  trunkPing,
} from "@burrow/protocol";
import { NO_ADDRESS } from "./addresses.ts";
import { DropReason } from "./drop-reason.ts";
import { SOUNDINGS } from "./limits.ts";
import type { Link, Links } from "./links.ts";

/** Each other relay is asked this often, or as often as the budget allows. */
export const SOUNDING_INTERVAL_MS = 1_000;
/** No path around the world takes as long. */
export const PONG_TIMEOUT_MS = 1_000;
/** One lost ping says nothing; three in a row, a second apart, do. */
export const LOST_MAX = 3;
/** The least of so many: queues only add to a round trip. */
const SAMPLES = 8;

/** What is known of one relay, and when it came to be known. */
export interface Sounding extends RelayReach {
  readonly atMs: number;
}

interface Target {
  readonly link: Link;
  dueMs: number;
  asked: { readonly transaction: Transaction; readonly atMs: number } | undefined;
  lost: number;
  /** The latest answers' round trips, the newest last. */
  readonly rttsMs: number[];
  concludedMs: number | undefined;
}

export interface SoundingsParts {
  readonly links: Links;
  readonly self: RelayId;
  readonly boot: number;
  readonly random: (length: number) => Uint8Array;
  readonly nextCounter: (link: Link) => number;
  send(bytes: Uint8Array, to: number): void;
}

export class Soundings {
  readonly #parts: SoundingsParts;
  readonly #targets = new Map<RelayId, Target>();
  readonly #budget: TokenBucket;
  #nextMs: number | undefined;

  constructor(parts: SoundingsParts, now: number) {
    this.#parts = parts;
    this.#budget = new TokenBucket(SOUNDINGS, now);
  }

  /** What is known, of those that are in the map. */
  get results(): Sounding[] {
    const results: Sounding[] = [];
    for (const [relay, { concludedMs, lost, rttsMs }] of this.#targets) {
      if (concludedMs === undefined) continue;
      const reached = lost < LOST_MAX && rttsMs.length > 0;
      results.push({ relay, atMs: concludedMs, ...(reached ? { rttMs: Math.min(...rttsMs) } : {}) });
    }
    return results;
  }

  /** The map of relays changed. Newcomers are asked as soon as the budget allows. */
  relaysChanged(): void {
    for (const [id, { link }] of this.#targets) if (!link.listed) this.#targets.delete(id);
    const { links } = this.#parts;
    for (let i = 0; i < links.size; i++) {
      const link = links.at(i);
      if (link === undefined || !link.listed || this.#targets.get(link.id)?.link === link) continue;
      const nothing = { asked: undefined, lost: 0, rttsMs: [], concludedMs: undefined };
      this.#targets.set(link.id, { link, dueMs: 0, ...nothing });
    }
    this.#schedule();
  }

  /** A ping, which is answered, or an answer to one of ours. */
  receive(datagram: Uint8Array, from: number, now: number): DropReason | undefined {
    const { links } = this.#parts;
    const ping = trunkPing(datagram);
    if (typeof ping === "string") return DropReason.malformed;
    const link = links.accept(datagram, ping, from, now);
    if (typeof link === "string") return link;
    if (ping.kind === "trunkPing") return this.#send("trunkPong", link, ping.transaction);
    const target = this.#targets.get(link.id);
    if (target?.asked?.transaction !== ping.transaction) return DropReason.trunkPongUnasked;
    target.rttsMs.push(Math.max(0, now - target.asked.atMs));
    if (target.rttsMs.length > SAMPLES) target.rttsMs.shift();
    target.asked = undefined;
    target.lost = 0;
    target.concludedMs = now;
    return undefined;
  }

  tick(now: number): void {
    if (this.#nextMs === undefined || now < this.#nextMs) return;
    const intervalMs = Math.max(SOUNDING_INTERVAL_MS, (this.#targets.size * 1000) / SOUNDINGS.perSecond);
    for (const target of this.#targets.values()) this.#judge(target, now);
    const due = [...this.#targets.values()].filter(({ asked, dueMs }) => asked === undefined && dueMs <= now);
    // Those in doubt first, then who has waited longest.
    due.sort((a, b) => Number(isInDoubt(b)) - Number(isInDoubt(a)) || a.dueMs - b.dueMs);
    for (const target of due) {
      if (!this.#budget.take(now)) break;
      const transaction = transactionOf(this.#parts.random(8));
      target.asked = { transaction, atMs: now };
      target.dueMs = now + intervalMs;
      this.#send("trunkPing", target.link, transaction);
    }
    this.#schedule();
  }

  /** When it wants `tick`. */
  nextDeadline(): number | undefined {
    return this.#nextMs;
  }

  #judge(target: Target, now: number): void {
    if (target.asked === undefined || now - target.asked.atMs < PONG_TIMEOUT_MS) return;
    target.asked = undefined;
    target.lost++;
    if (target.lost < LOST_MAX) {
      target.dueMs = now;
      return;
    }
    // What was measured before it fell silent may have been another way.
    target.rttsMs.length = 0;
    target.concludedMs = now;
  }

  #send(kind: "trunkPing" | "trunkPong", link: Link, transaction: Transaction): DropReason | undefined {
    const { links, self, boot, nextCounter, send } = this.#parts;
    const keys = link.listed ? links.keysOf(link) : undefined;
    if (keys === undefined || link.address === NO_ADDRESS) return DropReason.trunkUnreachable;
    const ping = { kind, boot, sender: relayTagOf(self), counter: nextCounter(link), transaction };
    send(encodeTrunkPing(ping, keys.send), link.address);
    return undefined;
  }

  #schedule(): void {
    let next: number | undefined;
    for (const { asked, dueMs } of this.#targets.values()) {
      const at = asked === undefined ? dueMs : asked.atMs + PONG_TIMEOUT_MS;
      if (next === undefined || at < next) next = at;
    }
    this.#nextMs = next;
  }
}

function isInDoubt({ lost }: Target): boolean {
  return lost > 0 && lost < LOST_MAX;
}
