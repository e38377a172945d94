/** The only place where logging is configured: pretty for a person, JSON lines for a machine; always to stderr. */
import {
  configureSync,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogLevel,
  type TextFormatter,
} from "@logtape/logtape";
import type { Terminal } from "./terminal.ts";

export function configureLogging(terminal: Terminal, level: LogLevel): void {
  const format = formatterFor(terminal);
  configureSync({
    reset: true,
    sinks: { stderr: (record) => terminal.err(format(record)) },
    loggers: [
      { category: "burrow", lowestLevel: level, sinks: ["stderr"] },
      // LogTape's own complaints (a sink that throws); it asks for this category to be set.
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}

function formatterFor(terminal: Terminal): TextFormatter {
  if (!terminal.errIsTerminal) return getJsonLinesFormatter();
  const shape = {
    timestamp: "time",
    level: "ABBR",
    category: (parts: readonly string[]) => parts.slice(1).join("."),
  } as const;
  const isColoured = terminal.errStyle.bold("x") !== "x";
  return isColoured ? getAnsiColorFormatter(shape) : getTextFormatter(shape);
}
