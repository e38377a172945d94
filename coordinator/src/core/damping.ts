/**
 * Flap damping: a relay that falls again and again must hold out ever longer before it counts as up. The first return
 * is free, so that a restart or an upgrade costs nothing.
 */

/** Falls within this time count. */
export const FALLS_WINDOW_MS = 10 * 60_000;
/** What the second return takes, and twice as much each further one, … */
const HOLD_FIRST_MS = 5_000;
/** … up to this. */
export const HOLD_MAX_MS = 300_000;
/** More would not make it longer. */
const FALLS_KEPT = 10;

export class Damping {
  #fallsMs: number[] = [];
  /** Since when all has been well again; undefined while it is not. */
  #wellSinceMs: number | undefined;

  fell(now: number): void {
    this.#fallsMs.push(now);
    if (this.#fallsMs.length > FALLS_KEPT) this.#fallsMs.shift();
    this.#wellSinceMs = undefined;
  }

  /** Not well, still or again. */
  ill(): void {
    this.#wellSinceMs = undefined;
  }

  /** All is well at this moment: how much longer that must last before it is believed, 0 for no longer. */
  well(now: number): number {
    this.#wellSinceMs = Math.min(this.#wellSinceMs ?? now, now);
    return Math.max(0, this.#wellSinceMs + this.#holdMs(now) - now);
  }

  falls(now: number): number {
    this.#fallsMs = this.#fallsMs.filter((atMs) => now - atMs < FALLS_WINDOW_MS);
    return this.#fallsMs.length;
  }

  #holdMs(now: number): number {
    const falls = this.falls(now);
    return falls < 2 ? 0 : Math.min(HOLD_MAX_MS, HOLD_FIRST_MS * 2 ** (falls - 2));
  }
}
