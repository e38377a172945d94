/**
 * A machine on which the document's commands mean what they say: `burrow`, `sudo` and `systemctl` are small scripts
 * before all others, the units are the real daemons with the settings that the document wrote, and paths, ports and
 * names are this test's own.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = new URL("../../cli/src/main.ts", import.meta.url).pathname;
/** A block that waits for more than this waits for ever. */
const BLOCK_MS = 60_000;
const STOP_MS = 20_000;

const UNITS = { coordinator: "coordinator", relay: "relay", agent: "up" } as const;
type Unit = keyof typeof UNITS;

/** What the units' own files would set, and what keeps a test from touching the machine that it runs on. */
const UNIT_ENV: Readonly<Record<Unit, Readonly<Record<string, string>>>> = {
  coordinator: {},
  relay: { BURROW_FURTHER_PORTS: "none" },
  agent: { BURROW_DEVICE: "none", BURROW_PORT_MAPPING: "off" },
};

export interface Ran {
  readonly exitCode: number;
  readonly output: string;
}

export class Machine {
  readonly directory = mkdtempSync(join(tmpdir(), "burrow-operations-"));
  /** What the document's names stand for here, the longest first. */
  readonly names: Map<string, string>;
  readonly #units = new Map<Unit, Bun.Subprocess>();
  readonly #control: ReturnType<typeof Bun.serve>;
  readonly #httpPort: number;
  logs = "";

  private constructor(ports: readonly number[]) {
    const [coordinator = 0, relay = 0, http = 0, door = 0] = ports;
    this.#httpPort = http;
    this.names = new Map([
      ["https://burrow.example.net", `http://127.0.0.1:${coordinator}`],
      ["BURROW_LISTEN=127.0.0.1:8080", `BURROW_LISTEN=127.0.0.1:${coordinator}`],
      ["BURROW_LISTEN=0.0.0.0:21820", `BURROW_LISTEN=127.0.0.1:${relay}\nBURROW_WSS=127.0.0.1:${door}`],
      ["203.0.113.7:21820", `127.0.0.1:${relay}`],
      ["127.0.0.1:8090", `127.0.0.1:${http}`],
      ["/var/lib/burrow", join(this.directory, "lib")],
      ["/etc/burrow", join(this.directory, "etc")],
      ["/var/backups/burrow", join(this.directory, "backups")],
    ]);
    for (const part of ["lib", "etc", "bin"]) mkdirSync(join(this.directory, part), { mode: 0o700 });
    this.#control = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => this.#systemctl(request),
    });
    this.#writeTools();
  }

  static async make(): Promise<Machine> {
    return new Machine(await freePorts(4));
  }

  get url(): string {
    return this.names.get("https://burrow.example.net") ?? "";
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  /** Runs a script of the document to its end, with every command's failure the script's. */
  async run(script: string): Promise<Ran> {
    const { PATH = "" } = process.env;
    const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", this.#here(script)], {
      env: { ...plainEnvironment(), PATH: `${this.path("bin")}:${PATH}` },
      cwd: this.directory,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), BLOCK_MS);
    const [stdout, stderr, exitCode] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    clearTimeout(timer);
    return { exitCode, output: `${stdout}${stderr}` };
  }

  async end(): Promise<void> {
    for (const unit of ["agent", "relay", "coordinator"] as const) await this.#stop(unit);
    await this.#control.stop(true);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #here(script: string): string {
    let here = script;
    for (const [there, name] of this.names) here = here.replaceAll(there, name);
    return here;
  }

  #writeTools(): void {
    const write = (name: string, text: string) =>
      writeFileSync(this.path("bin", name), `#!/bin/bash\nset -eu\n${text}\n`, { mode: 0o755 });
    write("sudo", '[ "$1" != -u ] || shift 2\nexec "$@"');
    const { port } = this.#control;
    write("systemctl", `exec curl -fsS --max-time 30 "http://127.0.0.1:${port}/$1/$2"`);
    const coordinators =
      "coordinator:*|token:*|operator:*|agents:*|agent:*|relay:list|relay:drain|relay:remove|relay:set";
    write(
      "burrow",
      `case "$1:\${2-}" in ${coordinators}) part=coordinator;; *) part=agent;; esac
BURROW_STATE="${this.path("lib")}/$part" exec "${process.execPath}" "${MAIN}" "$@"`,
    );
  }

  async #systemctl(request: Request): Promise<Response> {
    const [, verb, name = ""] = new URL(request.url).pathname.split("/");
    const unit = name.replace(/^burrow-/, "");
    if (!isUnit(unit)) return new Response(`Unit ${name} not found.\n`, { status: 404 });
    if (verb === "stop" || verb === "restart") await this.#stop(unit);
    if (verb === "start" || verb === "restart") this.#start(unit);
    return new Response("");
  }

  /** With the settings in its file, and its token as a file, as the unit does it. */
  #start(unit: Unit): void {
    const settings = readFileSync(this.path("etc", `${unit}.env`), "utf8");
    const env = Object.fromEntries(
      settings.split("\n").flatMap((line) => {
        const at = line.indexOf("=");
        return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
      }),
    );
    const token = this.path("etc", `${unit}.token`);
    const child = Bun.spawn([process.execPath, MAIN, UNITS[unit], "--state", this.path("lib", unit)], {
      env: {
        ...plainEnvironment(),
        ...(existsSync(token) ? { BURROW_TOKEN_FILE: token } : {}),
        ...(unit === "relay" ? { BURROW_HTTP: `127.0.0.1:${this.#httpPort}` } : {}),
        ...UNIT_ENV[unit],
        ...env,
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    this.#units.set(unit, child);
    void this.#keepLog(unit, child.stderr);
  }

  async #keepLog(unit: Unit, stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.logs += `${unit}: ${decoder.decode(bytes, { stream: true })}`;
  }

  async #stop(unit: Unit): Promise<void> {
    const child = this.#units.get(unit);
    if (child === undefined) return;
    this.#units.delete(unit);
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await child.exited;
    clearTimeout(timer);
  }
}

function isUnit(name: string): name is Unit {
  return name in UNITS;
}

function plainEnvironment(): Record<string, string> {
  const plain = Object.entries(process.env).filter(([name]) => !/^BURROW_|_PROXY$/i.test(name));
  return { ...Object.fromEntries(plain), NO_COLOR: "1" };
}

/** Free for TCP a moment ago; that they are for UDP as well is nearly as sure. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) await new Promise((done) => server.close(done));
  return ports;
}
