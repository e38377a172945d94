/**
 * Notices when this process was not given the processor: the demo does the work of seven hosts in one, and a busy
 * machine must not look like a slow mesh. What is found is shown with the bound that it is added to.
 */
const TICK_MS = 5;
/** Timers are this late on idle machines, too. */
const USUAL_LATENESS_MS = 5;

export class StallWatch {
  readonly #stalls: { readonly fromMs: number; readonly lengthMs: number }[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  readonly startedMs = now();
  #lastMs = now();

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** How long, between the two moments, nothing could run. On the clock of `timeOrigin + performance.now()`. */
  stalledMs(fromMs: number, toMs: number): number {
    let sum = 0;
    for (const stall of this.#stalls) {
      const overlap = Math.min(toMs, stall.fromMs + stall.lengthMs) - Math.max(fromMs, stall.fromMs);
      sum += Math.max(0, overlap);
    }
    return sum;
  }

  #tick(): void {
    const atMs = now();
    const lengthMs = atMs - this.#lastMs - TICK_MS;
    if (lengthMs > USUAL_LATENESS_MS) this.#stalls.push({ fromMs: this.#lastMs + TICK_MS, lengthMs });
    this.#lastMs = atMs;
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
