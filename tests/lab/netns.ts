/**
 * Network namespaces for one laboratory: made under names nobody else uses, wired with veth pairs, populated with
 * processes, and taken away again whatever happens. It knows namespaces, not networks: who routes and who translates
 * addresses is topology.ts's business.
 *
 * A namespace is called `burrow-lab-PID-START-SEQ-LABEL`: PID and START (its start time in clock ticks since boot) name
 * the owning process beyond doubt, even after the kernel reuses the pid, so that every lab can remove what a killed
 * one left behind and never touches a living neighbour's.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, type CommandResult, LabProcess, quote } from "./process.ts";

const PREFIX = "burrow-lab";
const NETNS_FOLDER = "/run/netns";

/** How long a command that is expected to end may take before it is killed. */
const COMMAND_TIMEOUT_MS = 15_000;

/** How long processes get to end by themselves when the lab closes. */
const GRACE_MS = 1_500;

export interface RunOptions {
  stdin?: string;
  env?: Record<string, string>;
  cwd?: string;
  timeoutMs?: number;
}

export interface SpawnOptions {
  /** Names the process in messages and its log file; the command's first word by default. */
  label?: string;
  env?: Record<string, string>;
  cwd?: string;
}

/** Why no lab can be built here, or `undefined` when one can. */
export function labUnavailable(): string | undefined {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const tool of ["ip", "nft", "sysctl"]) {
    if (Bun.which(tool) === null) return `the command \`${tool}\` is missing`;
  }
  return undefined;
}

export class Lab {
  /** Scratch folder: state directories and process logs. Removed with the lab unless `keepFiles` is set. */
  readonly directory: string;
  keepFiles = false;

  readonly #id: string;
  readonly #namespaces: Namespace[] = [];
  readonly #processes: LabProcess[] = [];
  #closed = false;

  private constructor(id: string) {
    this.#id = id;
    this.directory = join(tmpdir(), id);
    mkdirSync(this.directory, { recursive: true });
  }

  /** Removes what dead labs left, then opens a new one. Throws when the machine cannot have one. */
  static open(): Lab {
    const reason = labUnavailable();
    if (reason !== undefined) throw new Error(`no network laboratory here: ${reason}`);
    reapDeadLabs();
    watchForTheEnd();
    const lab = new Lab(`${PREFIX}-${process.pid}-${startTimeOf(process.pid)}-${nextSequence++}`);
    openLabs.add(lab);
    return lab;
  }

  /** Makes a namespace with its loopback up. `label` is unique within the lab. */
  async namespace(label: string): Promise<Namespace> {
    if (!/^[a-z0-9-]+$/.test(label)) throw new Error(`namespace label ${label}: use a-z, 0-9 and dashes`);
    const namespace = new Namespace(this, label, `${this.#id}-${label}`);
    // Known before it is made: an end in between must not leave it behind.
    this.#namespaces.push(namespace);
    await runCommand(["ip", "netns", "add", namespace.name]);
    await namespace.ip("link set dev lo up");
    return namespace;
  }

  /** Joins two namespaces by a veth pair, both ends up. */
  async wire(a: Namespace, aDevice: string, b: Namespace, bDevice: string): Promise<void> {
    // `name` spelled out: without it `a` reads as `address` and `br` as `broadcast`. The ends are born where they
    // belong, so that labs side by side never meet in the root namespace.
    await runCommand([
      ..."ip link add name".split(" "),
      ...[aDevice, "netns", a.name, "type", "veth", "peer", "name", bDevice, "netns", b.name],
    ]);
    await a.ip(`link set dev ${aDevice} up`);
    await b.ip(`link set dev ${bDevice} up`);
  }

  /** Processes started in this lab, the ended ones included; each with its output. */
  get processes(): readonly LabProcess[] {
    return this.#processes;
  }

  /** For {@link Namespace.spawn}. */
  adopt(child: LabProcess): void {
    this.#processes.push(child);
  }

  /** Ends every process (politely, then not), removes every namespace and the scratch folder. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.all(this.#processes.map((child) => child.stop(GRACE_MS)));
    this.closeNow();
  }

  /** The same without waiting, for exits and signals. */
  closeNow(): void {
    if (this.#closed) return;
    this.#closed = true;
    openLabs.delete(this);
    for (const namespace of this.#namespaces) destroyNamespace(namespace.name);
    if (!this.keepFiles) rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const HANDED_ON = ["BURROW_SOCKET", "BURROW_OFFLOADS"] as const;

export class Namespace {
  readonly label: string;
  /** As `ip netns` knows it. */
  readonly name: string;
  readonly #lab: Lab;

  constructor(lab: Lab, label: string, name: string) {
    this.#lab = lab;
    this.label = label;
    this.name = name;
  }

  /** A file that stands for this namespace, for `setns(2)`. */
  get path(): string {
    return join(NETNS_FOLDER, this.name);
  }

  /** `ip` inside this namespace; the words of `command` are separated by single spaces. */
  async ip(command: string): Promise<string> {
    return (await runCommand(["ip", "-n", this.name, ...command.split(" ")])).stdout;
  }

  /** Loads an nftables script, all of it or nothing. */
  async nft(script: string): Promise<string> {
    return (await this.run(["nft", "-f", "-"], { stdin: script })).stdout;
  }

  async sysctl(settings: Record<string, string | number>): Promise<void> {
    const assignments = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    await this.run(["sysctl", "-q", "-w", ...assignments]);
  }

  /** Runs a command to its end. Throws {@link CommandError} when it fails or takes too long. */
  async run(command: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return runCommand(this.#inside(command), { ...options, env: this.#environment(options.env) });
  }

  /** Starts a process that stays until it ends, is stopped, or the lab closes. */
  spawn(command: readonly string[], options: SpawnOptions = {}): LabProcess {
    const child = LabProcess.start(this.#inside(command), {
      label: `${this.label}/${options.label ?? command[0] ?? "?"}`,
      logFolder: this.#lab.directory,
      env: this.#environment(options.env),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.#lab.adopt(child);
    return child;
  }

  // `ip netns exec` becomes the command without a fork: the pid we hold is the pid of the command itself.
  #inside(command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.name, ...command];
  }

  // Nothing of the caller's environment but the way to programs, and by which sockets daemons move packets: a proxy set
  // outside does not exist in here.
  #environment(extra: Record<string, string> = {}): Record<string, string> {
    const { PATH = "" } = process.env;
    const handedOn = HANDED_ON.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return { PATH, HOME: this.#lab.directory, LC_ALL: "C.UTF-8", ...Object.fromEntries(handedOn), ...extra };
  }
}

/** Runs a command in the caller's own namespace. */
export async function runCommand(
  command: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const timeoutMs = options.timeoutMs ?? COMMAND_TIMEOUT_MS;
  const child = Bun.spawn([...command], {
    stdin: options.stdin === undefined ? "ignore" : new TextEncoder().encode(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const result = { stdout, stderr, exitCode };
  if (child.signalCode !== null)
    throw new CommandError(command, result, `killed by ${child.signalCode} (${timeoutMs} ms allowed)`);
  if (exitCode !== 0) throw new CommandError(command, result, `exit code ${exitCode}`);
  return result;
}

// --- the end of labs: ours on exit and signals, other people's when their owner is gone ---

const openLabs = new Set<Lab>();
let nextSequence = 1;
let watching = false;

function watchForTheEnd(): void {
  if (watching) return;
  watching = true;
  const closeAll = () => {
    for (const lab of openLabs) lab.closeNow();
  };
  // Exceptions and process.exit() arrive here as well.
  process.on("exit", closeAll);
  for (const [signal, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      closeAll();
      process.exit(exitCode);
    });
  }
}

/** Removes namespaces and scratch folders whose owning process is no more. Returns the names removed. */
export function reapDeadLabs(): string[] {
  const dead = (folder: string) => (existsSync(folder) ? readdirSync(folder).filter(ownerIsDead) : []);
  const namespaces = dead(NETNS_FOLDER);
  for (const name of namespaces) destroyNamespace(name);
  for (const name of dead(tmpdir())) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  return namespaces;
}

function ownerIsDead(name: string): boolean {
  const owner = new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-\\d+(-|$)`).exec(name);
  return owner !== null && startTimeOf(Number(owner[1])) !== owner[2];
}

/** When a process started, in clock ticks since boot; `undefined` when there is none. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // proc(5): the name may hold spaces and brackets, so count from the last bracket: state is field 3, this is 22.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[22 - 3];
  } catch {
    return undefined;
  }
}

/** Kills what runs inside, then removes the namespace and with it every device, route and rule. */
function destroyNamespace(name: string): void {
  const pids = Bun.spawnSync(["ip", "netns", "pids", name], { stderr: "ignore" }).stdout.toString();
  for (const pid of pids.split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Ended by itself meanwhile.
    }
  }
  const removed = Bun.spawnSync(["ip", "netns", "del", name]);
  // Two labs may reap the same leftovers at once: the later one finds nothing, and that is fine.
  if (removed.exitCode !== 0 && existsSync(join(NETNS_FOLDER, name))) {
    console.error(`lab: ${quote(["ip", "netns", "del", name])}: ${removed.stderr.toString().trim()}`);
  }
}
