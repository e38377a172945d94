/** For tests: the real command as processes, each with its whole output kept, and a directory for all their state. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
export const READY_WAIT_MS = 15_000;
const RUN_LIMIT_MS = 15_000;
const LOOPBACK = "127.0.0.1:0";

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Each part says some of it. */
export interface Ready {
  readonly id: string;
  readonly url: string;
  readonly httpUrl: string;
  readonly registered: boolean;
}

export interface Daemon {
  readonly child: Bun.Subprocess;
  readonly ready: Ready;
  /** All that it has written so far. */
  output(): string;
}

export class Processes {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  /** What every process wrote, by its command line. */
  readonly #outputs: { readonly command: string; text: string }[] = [];
  readonly #children: Bun.Subprocess[] = [];

  readonly #within: readonly string[];

  /** `env`: for all of them; `within`: what runs each, say `ip netns exec NAME`. */
  constructor(env: Readonly<Record<string, string>> = {}, within: readonly string[] = []) {
    this.directory = mkdtempSync(join(tmpdir(), "burrow-processes-"));
    this.env = env;
    this.#within = within;
  }

  state(name: string): string {
    return join(this.directory, name);
  }

  get outputs(): readonly { readonly command: string; readonly text: string }[] {
    return this.#outputs;
  }

  /** Runs a command to its end, which comes by a signal if it does not come by itself. */
  async run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    limitMs = RUN_LIMIT_MS,
  ): Promise<Finished> {
    const child = this.#spawn(args, env);
    const kept = this.#keep(args);
    const timer = setTimeout(() => child.kill("SIGTERM"), limitMs);
    const [stdout, stderr, exitCode] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    clearTimeout(timer);
    kept.text = `${stdout}${stderr}`;
    return { stdout, stderr, exitCode };
  }

  /** Starts a daemon with --json and waits for its line that says it is ready. */
  async start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Daemon> {
    const { child, output, firstLine } = this.launch([...args, "--json"], env);
    const late = Promise.withResolvers<string>();
    const timer = setTimeout(() => late.reject(new Error(`never ready: ${output()}`)), READY_WAIT_MS);
    try {
      const ready = JSON.parse(await Promise.race([firstLine, late.promise])) as Ready;
      return { child, ready, output };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Starts a command and waits for nothing; `firstLine` rejects when it ends without one. */
  launch(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = this.#spawn(args, env);
    const kept = this.#keep(args);
    const first = Promise.withResolvers<string>();
    first.promise.catch(() => {});
    const read = async (stream: ReadableStream<Uint8Array>, isOut: boolean) => {
      const decoder = new TextDecoder();
      let held = "";
      for await (const chunk of stream) {
        const text = decoder.decode(chunk, { stream: true });
        kept.text += text;
        if (!isOut) continue;
        held += text;
        const [line, rest] = held.split("\n");
        if (rest !== undefined) first.resolve(line ?? "");
      }
      if (isOut) first.reject(new Error(`burrow ${args.join(" ")} ended: ${kept.text}`));
    };
    void read(child.stdout, true);
    void read(child.stderr, false);
    return { child, output: () => kept.text, firstLine: first.promise };
  }

  /** A coordinator on a free port of loopback; its state is `coordinator`. */
  coordinator(more: readonly string[] = []): Promise<Daemon> {
    return this.start(["coordinator", "--listen", LOOPBACK, "--state", this.state("coordinator"), ...more]);
  }

  relay(name: string, url: string, more: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const ports = ["--listen", LOOPBACK, "--http", LOOPBACK, "--further-ports", "none"];
    const who = ["--coordinator", url, "--region", name, "--state", this.state(name)];
    return this.start(["relay", ...who, ...ports, ...more], env);
  }

  agent(name: string, url: string, more: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const who = ["--coordinator", url, "--name", name, "--device", "none", "--state", this.state(name)];
    return this.start(["up", ...who, ...more], env);
  }

  /** A token, in a file that only its owner may read: the file. */
  async token(kind: "agent" | "relay", more: readonly string[] = []): Promise<string> {
    const file = join(this.directory, `${kind}-${this.#outputs.length}.token`);
    const args = ["token", "create", "--for", kind, "--state", this.state("coordinator"), "--out", file];
    const { exitCode, stderr } = await this.run([...args, ...more]);
    if (exitCode !== 0) throw new Error(`no token: ${stderr}`);
    return file;
  }

  async stop({ child }: Daemon): Promise<number> {
    child.kill("SIGTERM");
    return await child.exited;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(this.#children.map(({ exited }) => exited));
    rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(args: readonly string[], env: Readonly<Record<string, string>>) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^BURROW_|_PROXY$/i.test(name));
    const child = Bun.spawn([...this.#within, process.execPath, MAIN, ...args], {
      env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...this.env, ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#children.push(child);
    return child;
  }

  #keep(args: readonly string[]): { readonly command: string; text: string } {
    const kept = { command: args.join(" "), text: "" };
    this.#outputs.push(kept);
    return kept;
  }
}
