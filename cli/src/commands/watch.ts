/** Answers that are shown again and again: drawn over on a terminal, one after another elsewhere. */
import { StopSignal } from "../daemon.ts";
import type { Terminal } from "../terminal.ts";

const EVERY_MS = 1_000;
const ROWS_DEFAULT = 24;
/** ECMA-48: cursor home; erase to the end of the line, and of the screen. */
const HOME = "\x1b[H";
const TO_LINE_END = "\x1b[K";
const TO_SCREEN_END = "\x1b[J";

export interface Shown {
  /** Whole lines. */
  readonly text: string;
  /** The same without clocks and ages, which change when nothing has. */
  readonly told: string;
}

/** Until SIGINT or SIGTERM; rejects as `render` does. */
export async function watch(
  render: () => Promise<Shown>,
  terminal: Terminal,
  isDrawnOver: boolean,
  everyMs: number = EVERY_MS,
): Promise<void> {
  const wake = Promise.withResolvers<void>();
  const signal = new StopSignal(() => wake.resolve());
  let before: string | undefined;
  try {
    while (!signal.received) {
      const { text, told } = await render();
      if (isDrawnOver) terminal.out(drawnOver(text, before === undefined, rowsOf(process.stdout)));
      else if (told !== before) terminal.out(before === undefined || isJson(text) ? text : `\n${text}`);
      before = told;
      await Promise.race([Bun.sleep(everyMs), wake.promise]);
    }
  } finally {
    signal.close();
  }
}

/** A terminal may not know, and say 0. */
function rowsOf({ rows }: { readonly rows?: number }): number {
  return rows === undefined || rows === 0 ? ROWS_DEFAULT : rows;
}

/** Over what stood there, without a flicker, and no longer than the window. */
export function drawnOver(text: string, isFirst: boolean, rows: number): string {
  const lines = text.trimEnd().split("\n");
  const shown = lines.length < rows ? lines : [...lines.slice(0, rows - 2), "…"];
  const clear = isFirst ? `${HOME}${TO_SCREEN_END}` : HOME;
  return `${clear}${shown.map((line) => `${line}${TO_LINE_END}\n`).join("")}${TO_SCREEN_END}`;
}

function isJson(text: string): boolean {
  return text.startsWith("{") || text.startsWith("[");
}
