/** How a failure is told: one line of what is wrong, one of what to do; and the exit code that goes with it. */
import { UserError } from "@burrow/protocol";
import { CommanderError } from "commander";
import { wrap } from "./print/table.ts";
import { COLUMNS, type Terminal } from "./terminal.ts";

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** Names and passwords in URLs, cut out. */
export function withoutPasswords(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#'"]*@/gi, "$1…@");
}

/** A command that did its work and found that the answer is "no": already printed, only the exit code is left. */
export class Negative extends Error {}

/** Prints what went wrong, and returns the process's exit code. */
export function reportFailure(error: unknown, terminal: Terminal, debug: boolean): number {
  if (error instanceof Negative) return EXIT.failed;
  if (error instanceof CommanderError) {
    // Commander has printed its message already, or help or version, as asked.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  const { errStyle: style } = terminal;
  const [label, message, remedy] =
    error instanceof UserError
      ? ["error:", error.message, error.remedy]
      : [
          "unexpected error:",
          oneLine(error),
          "set BURROW_DEBUG=1 and run it again for the trace; please report it",
        ];
  terminal.err(`${style.red(style.bold(label))} ${message}\n${hint(remedy, terminal)}`);
  if (debug) terminal.err(`${style.dim(traceOf(error))}\n`);
  return EXIT.failed;
}

/** The line that says what to do, broken before column 80. Commands in it are never cut in two lines' middle words. */
function hint(remedy: string, terminal: Terminal): string {
  const label = "  try: ";
  const [first = "", ...rest] = wrap(remedy, COLUMNS - label.length);
  const lines = [
    `${terminal.errStyle.cyan(label)}${first}`,
    ...rest.map((line) => " ".repeat(label.length) + line),
  ];
  return `${lines.join("\n")}\n`;
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s*\n\s*/g, " ");
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${traceOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
