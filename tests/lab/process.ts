/** A process of the lab with its output kept: wait for a line, read it all, stop it. Also how a command's failure looks. */
import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";

/** Lines of output kept in memory per process; the log file has all of them. */
const LINES_MAX = 20_000;

export interface CommandResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** A command that did not do its work: says which, how it ended, and what it printed. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly result: CommandResult;

  constructor(command: readonly string[], result: CommandResult, how: string) {
    const said = result.stderr.trim() || result.stdout.trim() || "(no output)";
    super(`${quote(command)}\n  ${how}: ${said.slice(-2_000).replaceAll("\n", "\n  ")}`);
    this.result = result;
  }
}

/** A command as one could type it into a shell. */
export function quote(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

export interface OutputLine {
  stream: "stdout" | "stderr";
  text: string;
  /** Wall clock, in milliseconds, when the line was read here. */
  at: number;
}

export interface StartOptions {
  label: string;
  logFolder: string;
  env: Record<string, string>;
  cwd?: string;
}

type Child = Bun.Subprocess<"pipe", "pipe", "pipe">;

export class LabProcess {
  readonly label: string;
  readonly command: readonly string[];
  readonly logFile: string;

  readonly #child: Child;
  readonly #log: WriteStream;
  readonly #lines: OutputLine[] = [];
  readonly #listeners = new Set<(line: OutputLine) => void>();
  readonly #ended: Promise<void>;

  private constructor(child: Child, command: readonly string[], options: StartOptions) {
    this.#child = child;
    this.label = options.label;
    this.command = command;
    this.logFile = join(options.logFolder, `${options.label.replaceAll("/", "-")}.${child.pid}.log`);
    this.#log = createWriteStream(this.logFile);
    this.#log.write(`$ ${quote(command)}\n`);
    const pumps = [this.#pump("stdout"), this.#pump("stderr")];
    this.#ended = Promise.all([child.exited, ...pumps]).then(() => void this.#log.end());
  }

  static start(command: readonly string[], options: StartOptions): LabProcess {
    const child = Bun.spawn([...command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: options.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    return new LabProcess(child, command, options);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with the exit code once the process is gone and all it printed has been read. */
  async exited(): Promise<number> {
    await this.#ended;
    return this.#child.exitCode ?? -1;
  }

  get lines(): readonly OutputLine[] {
    return this.#lines;
  }

  /** Everything kept of one stream, or of both in the order it was read. */
  text(stream?: OutputLine["stream"]): string {
    const chosen = stream === undefined ? this.#lines : this.#lines.filter((line) => line.stream === stream);
    return chosen.map((line) => line.text).join("\n");
  }

  write(text: string): void {
    this.#child.stdin.write(text);
    this.#child.stdin.flush();
  }

  /** Calls `listener` for each line from now on; returns how to stop that. */
  onLine(listener: (line: OutputLine) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The first line, past or future, that matches. Throws when the process ends or the time is up before one comes. */
  async waitForLine(pattern: RegExp, timeoutMs = 10_000): Promise<string> {
    const past = this.#lines.find((line) => pattern.test(line.text));
    if (past !== undefined) return past.text;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const forget = this.onLine((line) => pattern.test(line.text) && resolve(line.text));
    const timer = setTimeout(
      () => reject(this.#failure(`no line ${pattern} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.#ended.then(() => reject(this.#failure(`ended without a line ${pattern}`)));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      forget();
    }
  }

  /** Asks it to end (SIGTERM), insists after `graceMs` (SIGKILL), and returns when it is gone. */
  async stop(graceMs = 2_000): Promise<void> {
    if (this.running) {
      this.kill("SIGTERM");
      const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
      await this.#child.exited;
      clearTimeout(timer);
    }
    // A grandchild that inherited the pipes would keep them open: read what there is, then leave.
    await Promise.race([this.#ended, Bun.sleep(200)]);
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child.kill(signal);
  }

  #failure(how: string): CommandError {
    const result = {
      stdout: this.text("stdout"),
      stderr: this.text("stderr"),
      exitCode: this.#child.exitCode ?? -1,
    };
    return new CommandError(this.command, result, `${this.label} ${how}`);
  }

  async #pump(stream: OutputLine["stream"]): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#child[stream]) {
      const pieces = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = pieces.pop() ?? "";
      for (const text of pieces) this.#keep({ stream, text, at: Date.now() });
    }
    if (rest !== "") this.#keep({ stream, text: rest, at: Date.now() });
  }

  #keep(line: OutputLine): void {
    this.#log.write(
      `${new Date(line.at).toISOString()} ${line.stream === "stderr" ? "!" : " "} ${line.text}\n`,
    );
    this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) this.#lines.splice(0, LINES_MAX / 2);
    for (const listener of this.#listeners) listener(line);
  }
}
