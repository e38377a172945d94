/**
 * `bun run bench:coordinator`: how many agents one coordinator holds, and what they cost it: memory for each, processor
 * time while they only keep their channels open, and how long until all have heard that a relay drains.
 *
 *   bun tests/bench/coordinator.ts [--agents 20000] [--network 20] [--relays 20] [--seconds 20] [--processes 4]
 *
 * The coordinator is the one that ships, with its store on disk; agents are real channels with real proofs, from processes
 * of their own, over loopback. The last line is JSON: {"bench":"coordinator","agents":…,"bytes_per_agent":…,…}.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { operatorClient, readOperatorFile } from "@burrow/coordinator";
import { TestClient } from "../../coordinator/src/testing/client.ts";
import { type Child, type Cost, costOf, Workshop } from "./processes.ts";

/** Files that the coordinator and a child have open beside their channels. */
const FILES_BESIDE = 500;
/** After the last one came: news that were gathered are told, and the collector has run. */
const SETTLE_MS = 10_000;
const CHANGES = 3;
const HEARTBEAT_MS = 1_000;

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "20000" },
    network: { type: "string", default: "20" },
    relays: { type: "string", default: "20" },
    seconds: { type: "string", default: "20" },
    processes: { type: "string", default: "4" },
  },
});
const perNetwork = Number(values.network);
const relayCount = Number(values.relays);
const idleMs = Number(values.seconds) * 1000;
const processes = Number(values.processes);

const shop = await Workshop.open();
try {
  await main();
} finally {
  await shop.close();
}

async function main(): Promise<void> {
  const asked = Number(values.agents);
  const files = filesFor(asked + FILES_BESIDE);
  const wanted = Math.min(asked, files - FILES_BESIDE);
  if (wanted < asked) console.log(`open files are limited to ${files}: ${wanted} agents instead of ${asked}`);
  const networks = Math.max(processes, Math.floor(wanted / perNetwork));
  const state = join(shop.directory, "coordinator");
  const command = `ulimit -n ${files}; exec "$0" "$@"`;
  const program = ["--preload", "./tests/bench/heap.preload.ts", "cli/src/main.ts"];
  const args = [...program, "coordinator", "--listen", "127.0.0.1:0", "--state", state, "--json"];
  const coordinator = shop.spawn(["sh", "-c", command, process.execPath, ...args, "--log-level", "warning"]);
  const { url } = JSON.parse(await coordinator.line()) as { url: string };
  const access = await readOperatorFile(state);
  if (access === undefined) throw new Error("the coordinator left no access");
  const operator = operatorClient(access);

  const relay = await startRelays(url, operator);
  const tokens = await Promise.all(
    Array.from({ length: networks }, async (_, n) => {
      const { token } = await operator.createToken({ for: "agent", network: `n${n}`, uses: perNetwork });
      return token;
    }),
  );
  const emptyLiveBytes = await liveBytesOf(coordinator);
  const empty = await lastingCostOf(coordinator.pid);

  const joinedFromMs = performance.now();
  const children = await startAgents(url, tokens);
  const counts = await Promise.all(children.map(async (child) => (await said(child, "in")).count ?? 0));
  const joinMs = performance.now() - joinedFromMs;
  const agents = counts.reduce((sum, count) => sum + count, 0);
  const joined = await lastingCostOf(coordinator.pid);
  console.log(`${agents} agents in ${(joinMs / 1000).toFixed(1)} s`);

  await Bun.sleep(SETTLE_MS);
  const before = await lastingCostOf(coordinator.pid);
  await Bun.sleep(idleMs);
  const after = await lastingCostOf(coordinator.pid);

  const pushMs: number[] = [];
  for (let n = 0; n < CHANGES; n++) {
    const fromMs = Date.now();
    const heard = Promise.all(children.map(async (child) => (await said(child, "told")).atMs ?? 0));
    await operator.drainRelay(relay, true);
    pushMs.push(Math.max(...(await heard)) - fromMs);
    await operator.drainRelay(relay, false);
    await Bun.sleep(2_000);
  }
  const pushed = await lastingCostOf(coordinator.pid);
  await Bun.sleep(SETTLE_MS);
  const end = await lastingCostOf(coordinator.pid);
  const liveBytes = await liveBytesOf(coordinator);
  const perAgent = (bytes: number) => Math.round((bytes - empty.residentBytes) / agents);
  const result = {
    bench: "coordinator",
    agents,
    networks,
    relays: relayCount,
    bytes_per_agent: perAgent(after.residentBytes),
    bytes_per_agent_just_joined: perAgent(joined.residentBytes),
    bytes_per_agent_just_told: perAgent(pushed.residentBytes),
    bytes_per_agent_at_end: perAgent(end.residentBytes),
    live_bytes_per_agent: Math.round((liveBytes - emptyLiveBytes) / agents),
    resident_mb: { empty: megabytes(empty.residentBytes), full: megabytes(after.residentBytes) },
    joins_per_s: Math.round(agents / (joinMs / 1000)),
    cpu_ms_per_join: round((joined.cpuNs - empty.cpuNs) / 1e6 / agents),
    idle_cores: round((after.cpuNs - before.cpuNs) / 1e6 / idleMs),
    push_ms: pushMs,
  };
  console.log(JSON.stringify(result));
}

/** Threads come and go here, and the system forgets what one has cost: the process's own sum, in ticks (USER_HZ, 100). */
async function lastingCostOf(pid: number): Promise<Cost> {
  const { residentBytes } = await costOf(pid);
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  // proc(5): utime and stime are the 14th and 15th of all.
  return { cpuNs: (Number(fields[11]) + Number(fields[12])) * 1e7, residentBytes };
}

/** Without garbage, which resident memory holds until the collector comes by. */
async function liveBytesOf(coordinator: Child): Promise<number> {
  coordinator.kill("SIGUSR2");
  const { liveBytes } = JSON.parse(await coordinator.line()) as { liveBytes: number };
  return liveBytes;
}

/** What the system grants, at most `wanted`. */
function filesFor(wanted: number): number {
  const asked = Bun.spawnSync(["sh", "-c", `ulimit -n ${wanted} 2>/dev/null; ulimit -n`]);
  const granted = Number(asked.stdout.toString().trim());
  return Number.isFinite(granted) ? Math.min(wanted, granted) : wanted;
}

/** Relays that speak and carry nothing; their ports are nobody's, so the coordinator's own probe must not find them. */
async function startRelays(url: string, operator: ReturnType<typeof operatorClient>): Promise<string> {
  let first = "";
  for (let n = 0; n < relayCount; n++) {
    const { token } = await operator.createToken({ for: "relay" });
    const client = new TestClient(url);
    const at = { lat: 50 - n, lon: 8 + n };
    const { relay } = await client.asRelay({ token, region: `region-${n}`, at, port: 21_820 + n });
    const beat = setInterval(() => client.heartbeat(), HEARTBEAT_MS);
    shop.atEnd(() => {
      clearInterval(beat);
      client.close();
    });
    if (n === 0) first = relay;
  }
  return first;
}

async function startAgents(url: string, tokens: readonly string[]): Promise<Child[]> {
  const children: Child[] = [];
  const share = Math.ceil(tokens.length / processes);
  for (let n = 0; n < processes; n++) {
    const file = join(shop.directory, `tokens-${n}`);
    await writeFile(file, tokens.slice(n * share, (n + 1) * share).join("\n"), { mode: 0o600 });
    children.push(
      shop.spawn([process.execPath, "tests/bench/coordinator.child.ts", url, file, String(perNetwork)]),
    );
  }
  return children;
}

interface Said {
  readonly event: string;
  readonly count?: number;
  readonly atMs?: number;
  readonly reason?: string;
}

async function said(child: Child, event: string): Promise<Said> {
  const line = JSON.parse(await child.line()) as Said;
  if (line.event !== event) throw new Error(`an agent lost its channel: ${JSON.stringify(line)}`);
  return line;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
