/** A Debian system in a folder, and machines booted from it: systemd-nspawn, in a network namespace that is given. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inNamespace, type Namespace } from "../../platform/src/testing/namespaces.ts";

/** What a cloud's image has and these tests need. The package's own dependencies are among it: there is no network. */
const PACKAGES = [
  ...[
    "systemd",
    "systemd-sysv",
    "dbus",
    "cloud-init",
    "ca-certificates",
    "curl",
    "iproute2",
    "procps",
    "python3",
  ],
  ...["libstdc++6", "netbase", "systemd-resolved", "systemd-timesyncd"],
];
const DEBIAN = "bookworm";
/** What a minimal system without SSH and locales cannot do, and no cloud's image lacks. */
const TEST_CONFIG =
  "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: false\nssh_genkeytypes: []\n";
const POLL_MS = 250;

export async function makeRoot(path: string): Promise<void> {
  const child = Bun.spawn(
    ["mmdebstrap", "--quiet", "--variant=minbase", `--include=${PACKAGES.join(",")}`, DEBIAN, path],
    { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  const err = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`mmdebstrap: ${err}`);
  // In a machine without network, a list that cannot be fetched would fail `apt-get update`.
  writeFileSync(join(path, "etc/apt/sources.list"), "");
}

/** Runs a command in the root to its end: namespaces of its own, loopback alone. */
export function runInRoot(root: string, binds: readonly string[], command: readonly string[]) {
  const run = Bun.spawnSync(
    [
      ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--pipe"],
      ...[`--directory=${root}`, ...binds.map((bind) => `--bind-ro=${bind}`)],
      ...["--setenv=PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "--setenv=HOME=/root"],
      ...command,
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 60_000, killSignal: "SIGKILL" },
  );
  // The container's own remark on how it was unmounted.
  const stderr = run.stderr.toString().replace(/^Attempted to remove disk file system .*\n/gm, "");
  return { exitCode: run.exitCode, stdout: run.stdout.toString(), stderr };
}

/** A booted machine. Its first start finds user data as it would on a cloud without a network of its own. */
export class Machine {
  readonly #namespace: Namespace;
  readonly #child: Bun.Subprocess;
  readonly #console: Promise<string>;

  constructor(root: string, namespace: Namespace, userData: string) {
    const seed = {
      "var/lib/cloud/seed/nocloud/user-data": userData,
      // Another instance each time: what cloud-init does once, it does again.
      "var/lib/cloud/seed/nocloud/meta-data": `instance-id: ${crypto.randomUUID()}\nlocal-hostname: relay\n`,
      "etc/cloud/cloud.cfg.d/99-test.cfg": TEST_CONFIG,
    };
    for (const [path, text] of Object.entries(seed)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    this.#namespace = namespace;
    this.#child = Bun.spawn(
      [
        ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", `--directory=${root}`],
        ...["--machine=burrow-test", `--network-namespace-path=/run/netns/${namespace}`, "--console=pipe"],
        // What an agent needs, in a network of the machine's own.
        ...["--bind=/dev/net/tun", "--capability=CAP_NET_ADMIN"],
      ],
      { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    this.#console = new Response(this.#child.stdout as ReadableStream).text();
  }

  /** Its first process, as this system numbers it. */
  get #init(): string | undefined {
    const file = `/proc/${this.#child.pid}/task/${this.#child.pid}/children`;
    if (!existsSync(file)) return undefined;
    return readFileSync(file, "utf8").trim().split(" ")[0] || undefined;
  }

  /** Runs a command in the machine; what it printed, errors too. Throws when it fails, unless `mayFail`. */
  run(command: string, mayFail = false): string {
    const init = this.#init;
    if (init === undefined) throw new Error("the machine does not run");
    const run = Bun.spawnSync(["nsenter", "--target", init, "--all", "sh", "-c", `${command} 2>&1`], {
      stdin: "ignore",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8" },
      timeout: 150_000,
    });
    const out = run.stdout.toString().trim();
    if (run.exitCode !== 0 && !mayFail) throw new Error(`${command}: exit ${run.exitCode}: ${out}`);
    return out;
  }

  /** GET, from the machine's own network. */
  get(url: string): unknown {
    return JSON.parse(inNamespace(this.#namespace, "curl", "--silent", "--max-time", "5", url));
  }

  get up(): boolean {
    return this.#child.exitCode === null && this.#init !== undefined;
  }

  async powerOff(): Promise<string> {
    if (this.#child.exitCode === null) {
      this.#child.kill("SIGTERM");
      const killer = setTimeout(() => this.#child.kill("SIGKILL"), 30_000);
      await this.#child.exited;
      clearTimeout(killer);
    }
    return await this.#console;
  }
}

/** Asks again and again until the answer is not undefined; says what it waited for when time is up. */
export async function until<T>(what: string, timeoutMs: number, ask: () => T | undefined): Promise<T> {
  const end = performance.now() + timeoutMs;
  let last = "";
  while (performance.now() < end) {
    try {
      const answer = ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = `; last: ${(error as Error).message}`;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`waited ${timeoutMs / 1000} s for ${what}${last}`);
}

export function removeRoot(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
