/** The `burrow` command as a process on loopback: run to its end, or as a daemon; and what it did to its state. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MAIN = new URL("../../cli/src/main.ts", import.meta.url).pathname;
const READY_WAIT_MS = 15_000;
/** A command that should have failed by then hangs. */
const END_WAIT_MS = 20_000;
/** Capabilities of root that users do not have: what they forbid is then forbidden to root as well. */
const WITHOUT_RIGHTS = "-net_admin,-sys_admin,-dac_override,-dac_read_search";

export const LOOPBACK = "127.0.0.1:0";

/** Flags of an agent that touches nothing of the machine it is tried on, nor the router before that. */
export const ALONE = ["--device", "none", "--port-mapping", "off"] as const;

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Keeps the user, and takes away what makes root more than others. Needs root and setpriv. */
  readonly withoutRights?: boolean;
}

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

function spawn(args: readonly string[], { env = {}, withoutRights = false }: RunOptions) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("BURROW_"));
  const poor = ["setpriv", `--bounding-set=${WITHOUT_RIGHTS}`, `--inh-caps=${WITHOUT_RIGHTS}`];
  return Bun.spawn([...(withoutRights ? poor : []), process.execPath, MAIN, ...args], {
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Runs a command to its end; one that does not come to an end is killed, which shows as exit code 137. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const startedMs = performance.now();
  const child = spawn(args, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), END_WAIT_MS);
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  clearTimeout(timer);
  return { stdout, stderr, exitCode, tookMs: performance.now() - startedMs };
}

/** What daemons print when they are ready, with `--json`. */
export interface Ready {
  readonly url?: string;
  readonly id?: string;
  readonly httpUrl?: string;
  readonly endpoints?: readonly string[];
}

export class Daemon {
  readonly ready: Ready;
  readonly #child: ReturnType<typeof spawn>;
  readonly #stderr: Promise<string>;

  private constructor(child: ReturnType<typeof spawn>, stderr: Promise<string>, ready: Ready) {
    this.#child = child;
    this.#stderr = stderr;
    this.ready = ready;
  }

  static async start(args: readonly string[], options: RunOptions = {}): Promise<Daemon> {
    const child = spawn([...args, "--json"], options);
    const stderr = child.stderr.text();
    const timer = setTimeout(() => child.kill("SIGKILL"), READY_WAIT_MS);
    const { value } = await child.stdout.getReader().read();
    clearTimeout(timer);
    if (value === undefined) throw new Error(`burrow ${args.join(" ")} ended: ${await stderr}`);
    return new Daemon(child, stderr, JSON.parse(new TextDecoder().decode(value)) as Ready);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it with a signal; its exit code and all it logged. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<{ exitCode: number; log: string }> {
    this.#child.kill(signal);
    return { exitCode: await this.#child.exited, log: await this.#stderr };
  }
}

/** Every file below, with its mode and the hash of its bytes. What is no state (the lock, sockets) is left out. */
export function fingerprint(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of readdirSync(directory, { recursive: true }).map(String).sort()) {
    const file = join(directory, path);
    const stat = lstatSync(file);
    if (path === "lock" || !stat.isFile()) continue;
    const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
    found[path] = `${(stat.mode & 0o777).toString(8)} ${hash}`;
  }
  return found;
}
