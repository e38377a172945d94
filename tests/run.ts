/**
 * `bun run test`: every suite, one after another, each in a process of its own. Shows failures in full and skips
 * with their reasons, and ends with `N passed, N failed` alone on the last line. Exits with 1 if anything failed,
 * and also if a suite crashed, hung, or ran no test at all.
 */
import { chromiumUnavailable } from "./browser/available.ts";
import { labUnavailable } from "./lab/netns.ts";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** Why this machine cannot run it, if so: then it is skipped, except where CI=true. */
  readonly unavailable?: () => string | undefined;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const MINUTE_MS = 60_000;

/** For each test, on machines that others keep busy too; bun hears of no such setting in bunfig.toml. */
const PATIENCE = ["--timeout", "30000"];

const SUITES: readonly Suite[] = [
  {
    name: "unit",
    // With "./": bun takes bare words for parts of paths, and `cli` is in "client" too.
    command: [
      "bun",
      "test",
      ...PATIENCE,
      ...["protocol", "platform", "relay", "coordinator", "agent", "cli"].map((f) => `./${f}`),
    ],
    timeoutMs: 15 * MINUTE_MS,
  },
  {
    name: "house rules",
    command: ["bun", "test", ...PATIENCE, "./tests/tidy.test.ts"],
    timeoutMs: 2 * MINUTE_MS,
  },
  {
    name: "relay choice",
    command: ["bun", "test", ...PATIENCE, "./tests/sim"],
    timeoutMs: 15 * MINUTE_MS,
  },
  {
    name: "whole meshes",
    command: ["bun", "run", "sim:mesh", "--seeds", "15"],
    timeoutMs: 15 * MINUTE_MS,
  },
  {
    name: "infrastructure",
    command: ["bun", "run", "test:infra"],
    timeoutMs: 15 * MINUTE_MS,
  },
  {
    name: "lab's own parts",
    command: ["bun", "test", ...PATIENCE, "./tests/lab"],
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "operations",
    command: ["bun", "test", ...PATIENCE, "./tests/operations"],
    timeoutMs: 5 * MINUTE_MS,
  },
  {
    name: "bad input",
    command: ["bun", "test", ...PATIENCE, "./tests/bad-input"],
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "dashboard",
    command: ["bun", "run", "test:browser"],
    timeoutMs: 10 * MINUTE_MS,
    unavailable: chromiumUnavailable,
  },
  { name: "interop", command: ["bun", "run", "interop"], timeoutMs: 15 * MINUTE_MS },
  {
    name: "lab",
    command: ["bun", "run", "lab"],
    timeoutMs: 20 * MINUTE_MS,
    unavailable: labUnavailable,
  },
];

const ROOT = new URL("..", import.meta.url).pathname;
/** Grace between asking a suite to end and ending it. */
const KILL_AFTER_MS = 10_000;

let stopped = false;

/** What is worth showing while a suite runs: its failures, its skips, and why something is not tested here. */
const NOTEWORTHY = /^\s*(\(fail\)|\(skip\)|✗|FAIL\b|fail\b|SKIP\b|skip(ped)?\b)|not tested here|: skipped/;

/** Runs all suites, or those whose names are given. */
async function main(only: readonly string[]): Promise<number> {
  const unknown = only.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(`error: no suite is called ${unknown.join(", ")}`);
    console.error(`  try: one of ${SUITES.map((suite) => `"${suite.name}"`).join(", ")}`);
    return 2;
  }
  const { CI } = process.env;
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  for (const suite of SUITES) {
    if (stopped) break;
    if (only.length > 0 && !only.includes(suite.name)) continue;
    const reason = suite.unavailable?.();
    if (reason !== undefined && CI !== "true") {
      total.skipped++;
      lines.push(`skip ${suite.name.padEnd(16)} ${reason}`);
      console.log(`${lines.at(-1)}\n`);
      continue;
    }
    const { counts, seconds, problem } = await runSuite(suite);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    lines.push(
      `${problem === undefined ? "ok  " : "FAIL"} ${suite.name.padEnd(16)} ${closing(counts)}  (${seconds} s)`,
    );
    if (problem !== undefined) lines.push(`     ${problem}`);
    console.log(`${lines.slice(problem === undefined ? -1 : -2).join("\n")}\n`);
  }
  console.log(lines.join("\n"));
  console.log(closing(total));
  if (stopped) return 130;
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

async function runSuite(
  suite: Suite,
): Promise<{ counts: Counts; seconds: string; problem: string | undefined }> {
  console.log(`── ${suite.name}: ${suite.command.join(" ")}`);
  const started = performance.now();
  const child = Bun.spawn([process.execPath, ...suite.command.slice(1)], {
    cwd: ROOT,
    // A process group of its own, so that what the suite started can be ended with it.
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" },
  });
  let late = false;
  let killer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    signalGroup(child.pid, "SIGTERM");
    killer ??= setTimeout(() => signalGroup(child.pid, "SIGKILL"), KILL_AFTER_MS);
  };
  const timer = setTimeout(() => {
    late = true;
    end();
  }, suite.timeoutMs);
  const interrupted = () => {
    stopped = true;
    end();
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  const output: string[] = [];
  await Promise.all([follow(child.stdout, output), follow(child.stderr, output)]);
  const exitCode = await child.exited;
  clearTimeout(timer);
  clearTimeout(killer);
  process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const told = parseCounts(output);
  const problem = problemOf(suite, told, exitCode, late);
  if (problem !== undefined) console.log(output.join("\n"));
  // A crash is at least one failure, whatever the suite managed to count before.
  const failed = Math.max(told.failed, problem === undefined ? 0 : 1);
  return { counts: { ...told, failed }, seconds, problem };
}

function problemOf(suite: Suite, counts: Counts, exitCode: number, late: boolean): string | undefined {
  if (late) return `still running after ${suite.timeoutMs / MINUTE_MS} minutes, and ended`;
  if (counts.failed > 0) return `${counts.failed} failed`;
  if (exitCode !== 0) return `exited with ${exitCode}`;
  if (counts.passed + counts.skipped === 0) return "ran no test at all";
  return undefined;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already, which is what was wanted.
  }
}

/** Keeps every line, and shows the noteworthy ones at once. */
async function follow(stream: ReadableStream<Uint8Array>, output: string[]): Promise<void> {
  const decoder = new TextDecoder();
  const shown = new Set<string>();
  let held = "";
  const take = (line: string) => {
    output.push(line);
    // Runners repeat failures and skips at their end.
    if (!NOTEWORTHY.test(line) || shown.has(withoutTime(line))) return;
    shown.add(withoutTime(line));
    console.log(`   ${line.trim()}`);
  };
  for await (const chunk of stream) {
    const parts = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = parts.pop() ?? "";
    parts.forEach(take);
  }
  if (held !== "") take(held);
}

function withoutTime(line: string): string {
  return line.replace(/\[[0-9.]+ ?m?s\]\s*$/, "").trim();
}

/** The counts at the end of an output: bun test's (` 10 pass`, each on its line), or one `N passed, N failed`. */
export function parseCounts(output: readonly string[]): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const line of output) {
    const closing = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(line.trim());
    if (closing !== null) {
      counts.passed = Number(closing[1]);
      counts.failed = Number(closing[2]);
      counts.skipped = Number(closing[3] ?? 0);
    }
    const one = /^ *(\d+) (pass|fail|skip|todo|errors?)$/.exec(line);
    if (one === null) continue;
    const n = Number(one[1]);
    if (one[2] === "pass") counts.passed = n;
    else if (one[2] === "fail") counts.failed += n;
    else if (one[2]?.startsWith("error")) counts.failed += n;
    else counts.skipped += n;
  }
  return counts;
}

function closing({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
