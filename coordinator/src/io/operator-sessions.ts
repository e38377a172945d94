/**
 * Logins of browsers, which cannot send a bearer token with every request. A session is a signed text in a cookie:
 * it outlives restarts of the coordinator without being stored, ends by itself, and ends for ever with the operator's
 * token, from which its key is made.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { RandomBytes } from "../core/ticket-office.ts";

export const SESSION_COOKIE = "burrow_session";
export const SESSION_LIFE_MS = 7 * 24 * 60 * 60 * 1000;
/** Ended ones are remembered until they would have ended by themselves; more than this many nobody ends by hand. */
const ENDED_MAX = 10_000;

export class OperatorSessions {
  readonly #key: Buffer;
  readonly #random: RandomBytes;
  /** Ids of those that were ended, and when they may be forgotten. */
  readonly #ended = new Map<string, number>();

  constructor(operatorToken: string, random: RandomBytes) {
    this.#key = createHmac("sha256", operatorToken).update("burrow operator session v1").digest();
    this.#random = random;
  }

  /** `ID.EXPIRY.SIGNATURE`: letters that a cookie holds without quoting. */
  begin(now: number): { readonly cookie: string; readonly expiresAtMs: number } {
    const expiresAtMs = now + SESSION_LIFE_MS;
    const claim = `${Buffer.from(this.#random(16)).toString("base64url")}.${expiresAtMs}`;
    return { cookie: `${claim}.${this.#sign(claim).toString("base64url")}`, expiresAtMs };
  }

  /** When it ends, or undefined when it is none or has ended. Time tells nothing of how near a forgery came. */
  check(cookie: string | undefined, now: number): number | undefined {
    const [id = "", expiry = "", signature = "", ...more] = (cookie ?? "").split(".");
    const given = Buffer.from(signature, "base64url");
    const right = this.#sign(`${id}.${expiry}`);
    if (more.length > 0 || given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    const expiresAtMs = Number(expiry);
    return expiresAtMs > now && !this.#ended.has(id) ? expiresAtMs : undefined;
  }

  end(cookie: string, now: number): void {
    const expiresAtMs = this.check(cookie, now);
    if (expiresAtMs === undefined) return;
    for (const [id, forgetMs] of this.#ended) if (forgetMs <= now) this.#ended.delete(id);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size >= ENDED_MAX && oldest !== undefined) this.#ended.delete(oldest);
    this.#ended.set(cookie.split(".")[0] ?? "", expiresAtMs);
  }

  #sign(claim: string): Buffer {
    return createHmac("sha256", this.#key).update(claim).digest();
  }
}
