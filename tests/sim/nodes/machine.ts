/** A machine with inputs and deadlines on the virtual clock: what every shell does, once. */
import type { Clock } from "../clock.ts";

/** After a tick a machine asks for a later moment. So often it may be a little early, as timers are. */
const TICKS_AT_ONCE_MAX = 50;

export class Driver {
  readonly #clock: Clock;
  readonly #name: string;
  readonly #nextDeadline: () => number | undefined;
  readonly #tick: (now: number) => void;
  /** How far this machine's clock is ahead of the world's. */
  readonly #skewMs: number;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #ticksAtOnce = 0;
  #lastTickMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(
    clock: Clock,
    name: string,
    skewMs: number,
    machine: { readonly nextDeadline: () => number | undefined; readonly tick: (now: number) => void },
  ) {
    this.#clock = clock;
    this.#name = name;
    this.#skewMs = skewMs;
    this.#nextDeadline = machine.nextDeadline;
    this.#tick = machine.tick;
  }

  /** The machine's own idea of the time. */
  get nowMs(): number {
    return this.#clock.nowMs + this.#skewMs;
  }

  /** Gives the machine an input, then sets its alarm. */
  run(input: (now: number) => void): void {
    if (this.#stopped) return;
    input(this.nowMs);
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
  }

  #schedule(): void {
    const deadline = this.#nextDeadline();
    if (deadline === undefined || this.#stopped) return;
    const atMs = Math.max(deadline - this.#skewMs, this.#clock.nowMs);
    if (atMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    this.#clock.at(atMs, () => this.#wake(atMs));
  }

  #wake(atMs: number): void {
    if (this.#wakeAtMs !== atMs || this.#stopped) return;
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    const now = this.#clock.nowMs;
    this.#ticksAtOnce = now === this.#lastTickMs ? this.#ticksAtOnce + 1 : 0;
    this.#lastTickMs = now;
    if (this.#ticksAtOnce > TICKS_AT_ONCE_MAX) {
      throw new Error(`${this.#name} asks again and again to be ticked at ${this.nowMs}`);
    }
    this.run(this.#tick);
  }
}
