/** A token bucket: how often something may happen. What everybody's limits are made of; the limits are their owners'. */

/** Tokens a second, and at once. */
export interface Budget {
  readonly perSecond: number;
  readonly burst: number;
}

export class TokenBucket {
  readonly #budget: Budget;
  #tokens: number;
  #at: number;

  /** Full. `now`: milliseconds of a clock of the caller's choice. */
  constructor(budget: Budget, now: number) {
    this.#budget = budget;
    this.#tokens = budget.burst;
    this.#at = now;
  }

  /** Takes so many tokens, if there are as many. */
  take(now: number, count = 1): boolean {
    // A clock that goes back adds nothing and takes nothing away.
    const elapsedMs = Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(this.#budget.burst, this.#tokens + (elapsedMs * this.#budget.perSecond) / 1000);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
