/**
 * When to ask the coordinator to introduce both sides once more: soon after news, ever more rarely while it does not
 * help, and never often, whatever happens. An introduction that the peer asked for counts as well as one of ours.
 */

/** Pauses after each introduction; the last one for ever. By the third, routers have forgotten strays (path.ts). */
const PAUSES_MS = [3_000, 8_000, 30_000, 60_000] as const;
/** A path that flaps begins anew each time: then introductions come from a bucket. */
const TOKENS_MAX = 4;
const TOKEN_EVERY_MS = 2_500;
/** An introduction this soon after our own request is its result. */
const RESULT_WITHIN_MS = 2_000;

export class Introductions {
  #nextMs: number | undefined;
  #count = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  #tokens: number = TOKENS_MAX;
  #tokensAtMs = 0;

  /** When the next request is due; undefined while none is wanted. */
  get deadlineMs(): number | undefined {
    return this.#nextMs;
  }

  /** Something is new: what did not help before may help now. */
  begin(now: number): void {
    this.#count = 0;
    this.#nextMs = now;
  }

  stop(): void {
    this.#nextMs = undefined;
  }

  /** Goes on where it stopped, if it did. */
  resume(now: number): void {
    this.#nextMs ??= now;
  }

  /** Both sides were introduced, by whosever wish. */
  happened(now: number): void {
    if (this.#nextMs === undefined) return;
    if (now - this.#askedMs > RESULT_WITHIN_MS) this.#count++;
    this.#nextMs = Math.max(this.#nextMs, now + this.#pauseMs());
  }

  /** Whether to ask now. If so the caller does. */
  take(now: number): boolean {
    if (this.#nextMs === undefined || now < this.#nextMs) return false;
    const earned = Math.floor((now - this.#tokensAtMs) / TOKEN_EVERY_MS);
    if (this.#tokens + earned >= TOKENS_MAX) this.#tokensAtMs = now;
    else this.#tokensAtMs += earned * TOKEN_EVERY_MS;
    this.#tokens = Math.min(TOKENS_MAX, this.#tokens + earned);
    if (this.#tokens === 0) {
      this.#nextMs = this.#tokensAtMs + TOKEN_EVERY_MS;
      return false;
    }
    this.#tokens--;
    this.#count++;
    this.#askedMs = now;
    this.#nextMs = now + this.#pauseMs();
    return true;
  }

  #pauseMs(): number {
    return PAUSES_MS[Math.min(this.#count, PAUSES_MS.length) - 1] ?? PAUSES_MS[0];
  }
}
