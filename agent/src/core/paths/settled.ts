/** A yes or no that changes only when the other answer has held for a while: hysteresis in time. */
export class Settled {
  readonly #holdMs: number;
  #value = false;
  /** Since when the other answer has held. */
  #otherSinceMs: number | undefined;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** Takes in the answer of this moment, undefined where there is none; returns the settled one. */
  look(answer: boolean | undefined, now: number): boolean {
    if (answer === undefined) return this.#value;
    if (answer === this.#value) this.#otherSinceMs = undefined;
    else {
      this.#otherSinceMs ??= now;
      if (now - this.#otherSinceMs >= this.#holdMs) {
        this.#value = answer;
        this.#otherSinceMs = undefined;
      }
    }
    return this.#value;
  }

  reset(): void {
    this.#value = false;
    this.#otherSinceMs = undefined;
  }
}
