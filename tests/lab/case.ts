/**
 * What a case of the lab is, and the bench it works at: it builds a network, says what it does step by step, checks,
 * and measures. Running cases and printing results is main.ts's business.
 */
import type { Lab } from "./netns.ts";
import type { Topology } from "./topology.ts";

export interface LabCase {
  readonly name: string;
  /** One line: what it proves. */
  readonly summary: string;
  run(bench: Bench): Promise<void>;
}

export interface Measurement {
  what: string;
  value: number | string;
  unit: string;
}

/** A check on which everything after it depends. */
export class CheckError extends Error {
  override readonly name = "CheckError";
}

export class Bench {
  readonly lab: Lab;
  readonly net: Topology;
  readonly measurements: Measurement[] = [];
  /** What was wrong, in words; a case without any has passed. */
  readonly failures: string[] = [];
  readonly #print: (line: string) => void;
  readonly #startedMs = performance.now();

  constructor(lab: Lab, net: Topology, print: (line: string) => void) {
    this.lab = lab;
    this.net = net;
    this.#print = print;
  }

  /** Announces what comes next. */
  step(what: string): void {
    this.#print(`${this.#clock()} ${what}`);
  }

  /** Records a failure and goes on. */
  check(holds: boolean, what: string): boolean {
    this.#print(`${this.#clock()}   ${holds ? "ok  " : "FAIL"} ${what}`);
    if (!holds) this.failures.push(what);
    return holds;
  }

  /** For what everything after it depends on. */
  must(holds: boolean, what: string): void {
    if (!this.check(holds, what)) throw new CheckError(what);
  }

  measure(what: string, value: number | string, unit = ""): void {
    const rounded = typeof value === "number" ? Math.round(value * 10) / 10 : value;
    this.measurements.push({ what, value: rounded, unit });
    this.#print(`${this.#clock()}   ${what}: ${rounded} ${unit}`.trimEnd());
  }

  /**
   * Asks `probe` again and again until it has an answer; how long that took, in ms, goes with it. A probe that throws
   * has none yet, unless it throws a {@link CheckError}: then there is no use in waiting. Throws one itself, with the
   * last it heard, when the time is up.
   */
  async until<Answer>(
    what: string,
    probe: () => Promise<Answer | undefined | false>,
    options: { timeoutMs?: number; everyMs?: number } = {},
  ): Promise<{ answer: Answer; tookMs: number }> {
    const { timeoutMs = 20_000, everyMs = 100 } = options;
    const startedMs = performance.now();
    let last: unknown;
    for (;;) {
      try {
        const answer = await probe();
        const tookMs = performance.now() - startedMs;
        if (answer !== undefined && answer !== false) {
          this.check(true, `${what} (after ${Math.round(tookMs)} ms)`);
          return { answer, tookMs };
        }
        last = undefined;
      } catch (error) {
        if (error instanceof CheckError) this.must(false, error.message);
        last = error;
      }
      if (performance.now() - startedMs > timeoutMs) break;
      await Bun.sleep(everyMs);
    }
    const why = last instanceof Error ? `: ${last.message}` : "";
    this.must(false, `${what}, within ${timeoutMs} ms${why}`);
    throw new CheckError(what);
  }

  #clock(): string {
    return `${((performance.now() - this.#startedMs) / 1_000).toFixed(1).padStart(6)}s`;
  }
}
