/** Where output goes and how it may look: colour only where a person reads it. Leaves wording to the commands. */

/** The process's outside, as the commands see it; tests put their own in its place. */
export interface Terminal {
  /** Standard output: results, and nothing else. */
  out(text: string): void;
  /** Standard error: errors, logs, hints. */
  err(text: string): void;
  readonly outStyle: Style;
  readonly errStyle: Style;
  /** Whether a person is reading standard output, so that a line may be drawn over. */
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
}

export type Paint = (text: string) => string;
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly blue: Paint;
  readonly cyan: Paint;
}

/** All output is laid out for this many columns, whatever the window has. */
export const COLUMNS = 80;

const plain: Paint = (text) => text;
/** SGR codes (ECMA-48 §8.3.117); each pair is "on" and the "off" that undoes that and nothing else. */
const sgr =
  (on: number, off: number): Paint =>
  (text) =>
    text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`;

export const PLAIN: Style = {
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  blue: plain,
  cyan: plain,
};

export const COLOURED: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  blue: sgr(34, 39),
  cyan: sgr(36, 39),
};

/** NO_COLOR (no-color.org) and a dumb terminal forbid colour; FORCE_COLOR wants it even in a pipe. */
export function styleFor(isTerminal: boolean, env: NodeJS.ProcessEnv): Style {
  const { NO_COLOR = "", FORCE_COLOR = "", TERM } = env;
  if (NO_COLOR !== "") return PLAIN;
  if (FORCE_COLOR !== "" && FORCE_COLOR !== "0") return COLOURED;
  return isTerminal && TERM !== "dumb" ? COLOURED : PLAIN;
}

/** What a shell reports for a process that SIGPIPE ended: its reader has seen enough. */
const READER_GONE_EXIT = 141;

function outputFailed(error: NodeJS.ErrnoException): never {
  if (error.code === "EPIPE") process.exit(READER_GONE_EXIT);
  try {
    process.stderr.write(
      `error: cannot write the output: ${error.message}\n  try: give standard output a place that takes it\n`,
    );
  } catch {}
  process.exit(1);
}

export function processTerminal(): Terminal {
  const outIsTerminal = process.stdout.isTTY === true;
  const errIsTerminal = process.stderr.isTTY === true;
  process.stdout.on("error", outputFailed);
  // There is nowhere left to say it; a daemon goes on without its log.
  process.stderr.on("error", () => {});
  return {
    out: (text) => {
      try {
        process.stdout.write(text);
      } catch (error) {
        outputFailed(error as NodeJS.ErrnoException);
      }
    },
    err: (text) => {
      try {
        process.stderr.write(text);
      } catch {}
    },
    outStyle: styleFor(outIsTerminal, process.env),
    errStyle: styleFor(errIsTerminal, process.env),
    outIsTerminal,
    errIsTerminal,
  };
}
