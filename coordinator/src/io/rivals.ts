/**
 * Which keys are proven from two places by turns: a machine was cloned with its identity, or two processes share one.
 * One replaced channel says nothing (a network changed, and the old connection is a corpse), several in a row do.
 */

/** Agents that are thrown out come back after 5, 10, 20, … seconds: both of them, so within a minute there are these. */
const TIMES = 3;
const WITHIN_MS = 60_000;
const WARN_EVERY_MS = 10 * 60_000;
/** Keys that are remembered; the oldest goes first. */
const KEYS_MAX = 1_000;

interface Replaced {
  times: number;
  sinceMs: number;
  warnedMs: number;
}

export class Rivals {
  readonly #replaced = new Map<string, Replaced>();

  /** A channel of this key was replaced by a newer one. Returns whether an operator should be told now. */
  replaced(key: string, now: number): boolean {
    const known = this.#replaced.get(key) ?? { times: 0, sinceMs: now, warnedMs: Number.NEGATIVE_INFINITY };
    if (now - known.sinceMs > WITHIN_MS) Object.assign(known, { times: 0, sinceMs: now });
    known.times++;
    this.#replaced.delete(key);
    this.#replaced.set(key, known);
    const [oldest] = this.#replaced.keys();
    if (this.#replaced.size > KEYS_MAX && oldest !== undefined) this.#replaced.delete(oldest);
    if (known.times < TIMES || now - known.warnedMs < WARN_EVERY_MS) return false;
    known.warnedMs = now;
    return true;
  }
}
