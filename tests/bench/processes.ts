/** The benchmark's processes: C programs built at run time, the relay as it ships, and what they cost. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openUdp } from "@burrow/platform";
import type { RelayId } from "@burrow/protocol";
import { FakeCoordinator } from "../../relay/src/testing/fake-coordinator.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

export class Workshop {
  readonly directory: string;
  readonly #children: Bun.Subprocess[] = [];
  readonly #closers: (() => unknown)[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<Workshop> {
    return new Workshop(await mkdtemp(join(tmpdir(), "burrow-bench-")));
  }

  /** Compiles a program of reference/; throws when there is no compiler. */
  compile(name: string): string {
    const cc = Bun.which("cc");
    if (cc === null)
      throw new Error("the benchmark needs a C compiler `cc` (Debian: apt-get install gcc libc6-dev)");
    const target = join(this.directory, name);
    const source = `${import.meta.dir}/reference/${name}.c`;
    const run = Bun.spawnSync([cc, "-O2", "-o", target, source]);
    if (run.exitCode !== 0) throw new Error(`${source} does not compile:\n${run.stderr.toString()}`);
    return target;
  }

  /** `stdin`: "pipe" for one that is told what to do. */
  spawn(
    command: readonly string[],
    env: Record<string, string> = {},
    stdin: "ignore" | "pipe" = "ignore",
  ): Child {
    const child = Bun.spawn([...command], {
      cwd: ROOT,
      stdin,
      stdout: "pipe",
      stderr: "inherit",
      env: { ...process.env, ...env },
    });
    this.#children.push(child);
    return new Child(child);
  }

  atEnd(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(this.#children.map(({ exited }) => exited));
    for (const close of this.#closers) await close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

type Running = Bun.Subprocess<"ignore" | "pipe", "pipe", "inherit">;

/** A child process and its lines. */
export class Child {
  readonly pid: number;
  readonly exited: Promise<number>;
  readonly #child: Running;
  readonly #lines: AsyncIterator<string>;

  constructor(child: Running) {
    this.#child = child;
    this.pid = child.pid;
    this.exited = child.exited;
    this.#lines = linesOf(child.stdout);
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`a process of the benchmark ended (code ${await this.exited})`);
    return value;
  }

  /** A line to one that was spawned with a pipe. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
    this.#child.stdin?.flush();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let held = "";
  for await (const chunk of stream) {
    const parts = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = parts.pop() ?? "";
    yield* parts;
  }
}

export interface BenchRelay {
  readonly child: Child;
  readonly id: RelayId;
  readonly ticketKey: Uint8Array;
  readonly address: string;
  readonly port: number;
  readonly http: string;
  readonly coordinator: FakeCoordinator;
}

/** The relay as the command starts it, registered with a coordinator of this process. */
export async function startRelay(
  shop: Workshop,
  options: {
    readonly env?: Record<string, string>;
    readonly args?: readonly string[];
    readonly address?: string;
    /** Its packet threads go before nobody: for a comparison with a program that does not either. */
    readonly isPlain?: boolean;
    /** To start the same one again. */
    readonly like?: BenchRelay;
  } = {},
): Promise<BenchRelay> {
  const { like } = options;
  const coordinator = like?.coordinator ?? new FakeCoordinator();
  if (like === undefined) shop.atEnd(() => coordinator.stop());
  const port = like?.port ?? (await freePort());
  const httpPort = like === undefined ? await freePort() : Number(new URL(like.http).port);
  const address = like?.address ?? options.address ?? "127.0.0.1";
  const command = [
    ...(options.isPlain === true ? WITHOUT_PRIORITY : []),
    ...[process.execPath, "cli/src/main.ts", "relay"],
    ...["--coordinator", coordinator.url, "--region", "bench", "--log-level", "warning"],
    ...["--listen", `${address}:${port}`, "--http", `127.0.0.1:${httpPort}`],
    ...["--state", join(shop.directory, `relay-${port}`)],
    ...(options.args ?? []),
  ];
  const child = shop.spawn(command, { BURROW_TOKEN: "right", ...options.env });
  const http = `http://127.0.0.1:${httpPort}`;
  const id = await untilServing(http);
  return { child, id, ticketKey: coordinator.ticketKey, address, port, http, coordinator };
}

/** Takes the right to go before others from whoever has it, as root. */
const WITHOUT_PRIORITY: readonly string[] =
  process.getuid?.() === 0 && Bun.which("setpriv") !== null
    ? ["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"]
    : [];

async function untilServing(http: string): Promise<RelayId> {
  for (let tries = 0; tries < 200; tries++) {
    const status = await fetch(`${http}/v1/status`).then(
      async (response) => (await response.json()) as { id: RelayId; registered: boolean },
      () => undefined,
    );
    if (status?.registered === true) return status.id;
    await Bun.sleep(20);
  }
  throw new Error("the relay did not start");
}

export async function freePort(): Promise<number> {
  const socket = await openUdp({ address: "127.0.0.1", port: 0, family: 4, onBatch() {} });
  const { port } = socket;
  socket.close();
  return port;
}

export interface Cost {
  /** Processor time of all its threads. */
  readonly cpuNs: number;
  readonly residentBytes: number;
}

export async function costOf(pid: number): Promise<Cost> {
  let cpuNs = 0;
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const text = await readFile(`/proc/${pid}/task/${task}/schedstat`, "utf8").catch(() => "0");
    cpuNs += Number(text.split(" ")[0]);
  }
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const residentKb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  return { cpuNs, residentBytes: residentKb * 1024 };
}
