/** What happened and when: printed as it happens, kept for the report, and waited for with a bound. */
import { wrap } from "../print/table.ts";
import { COLUMNS, type Paint, type Terminal } from "../terminal.ts";

export interface Entry {
  /** Since the demo began. */
  readonly atMs: number;
  /** Who saw it: a part's name, or "demo" for what the demo itself does. */
  readonly who: string;
  readonly event: string;
  readonly text: string;
}

/** The demo was told to stop. */
export class Interrupted extends Error {}

export class Timeline {
  readonly entries: Entry[] = [];
  readonly #startMs = performance.now();
  readonly #print: ((entry: Entry) => void) | undefined;
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal, print?: (entry: Entry) => void) {
    this.#signal = signal;
    this.#print = print;
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** `atClockMs`: on the clock of `performance.timeOrigin + performance.now()`, if the event carries its time. */
  note(who: string, event: string, text: string, atClockMs?: number): void {
    const atMs = atClockMs === undefined ? this.nowMs : atClockMs - performance.timeOrigin - this.#startMs;
    const entry = { atMs, who, event, text };
    this.entries.push(entry);
    this.#print?.(entry);
  }

  /** The value of `look` as soon as it is not undefined, or undefined when that takes too long. */
  async until<T>(
    timeoutMs: number,
    look: () => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.#signal.aborted) throw new Interrupted();
      const found = await look();
      if (found !== undefined || performance.now() >= deadline) return found;
      await Bun.sleep(POLL_MS);
    }
  }

  /** Lets time pass. */
  async pause(ms: number): Promise<void> {
    await this.until(ms, () => undefined);
  }
}

/** What is waited for carries its own time; this only bounds how soon the demo goes on. */
const POLL_MS = 4;

/** A printer of entries: elapsed time, who, what. */
export function entryPrinter(terminal: Terminal, whoWidth: number): (entry: Entry) => void {
  const { outStyle: style } = terminal;
  const paintOf = (entry: Entry): Paint => {
    if (entry.who === "demo") return style.yellow;
    return entry.event === "direct" ? style.green : entry.event === "relay" ? style.cyan : (text) => text;
  };
  return (entry) => {
    const time = `${Math.round(entry.atMs)} ms`.padStart(9);
    const before = time.length + whoWidth + 4;
    const paint = paintOf(entry);
    const [first = "", ...rest] = wrap(entry.text, COLUMNS - before).map(paint);
    terminal.out(`${style.dim(time)}  ${style.bold(entry.who.padEnd(whoWidth))}  ${first}\n`);
    for (const line of rest) terminal.out(`${" ".repeat(before)}${line}\n`);
  };
}
