/** The only place where logging is configured: pretty for a person, JSON lines for a machine; always to stderr. */
import {
  configureSync,
  getAnsiColorFormatter,
  getTextFormatter,
  type LogLevel,
  type LogRecord,
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
  if (!terminal.errIsTerminal) return jsonLine;
  const shape = {
    timestamp: "time",
    level: "ABBR",
    category: (parts: readonly string[]) => parts.slice(1).join("."),
    value: "bare",
  } as const;
  const isColoured = terminal.errStyle.bold("x") !== "x";
  return isColoured ? getAnsiColorFormatter(shape) : getTextFormatter(shape);
}

/** `{"time", "level", "logger", "message", "fields"}`, documented in docs/cli.md. */
export function jsonLine({ timestamp, level, category, message, properties }: LogRecord): string {
  const line = {
    time: new Date(timestamp).toISOString(),
    level,
    logger: category.join("."),
    message: message.map((part) => (typeof part === "string" ? part : plain(part))).join(""),
    fields: properties,
  };
  return `${JSON.stringify(line, (_, value: unknown) => (value instanceof Error || typeof value === "bigint" ? String(value) : value))}\n`;
}

function plain(value: unknown): string {
  return typeof value === "object" && value !== null && !(value instanceof Error)
    ? JSON.stringify(value)
    : String(value);
}
