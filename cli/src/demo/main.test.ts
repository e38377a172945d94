/** The demo from outside: every step comes to pass, the JSON is what docs/cli.md says, and nothing is left behind. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DemoReport } from "./report.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const TIMEOUT_MS = 30_000;

/** Runs the demo with a temporary directory of its own, and tells what it left there. */
async function run(args: readonly string[], during?: (child: Bun.Subprocess) => Promise<void>) {
  const directory = mkdtempSync(join(tmpdir(), "burrow-demo-test-"));
  try {
    const child = Bun.spawn([process.execPath, MAIN, "demo", ...args], {
      env: { ...process.env, TMPDIR: directory, NO_COLOR: "1" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), during?.(child)]);
    const exitCode = await child.exited;
    return { stdout, stderr, exitCode, left: readdirSync(directory) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test(
  "relay first, then direct, cut, relay again, direct again",
  async () => {
    const { stdout, stderr, exitCode, left } = await run(["--json"]);
    expect(stderr).toBe("");
    const report = JSON.parse(stdout) as DemoReport;
    expect(report.steps.map(({ step, happened }) => `${step} ${happened}`)).toEqual([
      "home-berlin true",
      "home-boston true",
      "first-byte true",
      "direct true",
      "cut true",
      "direct-again true",
    ]);
    // Whether the bounds hold depends on the machine; that the verdict follows from them does not.
    for (const { ok, measuredMs, boundMs } of report.steps)
      expect(ok).toBe((measuredMs ?? Infinity) <= boundMs);
    expect(report.ok).toBe(report.steps.every(({ ok }) => ok));
    expect(exitCode).toBe(report.ok ? 0 : 1);
    expect(report.elapsedMs).toBeLessThan(20_000);
    const times = report.timeline.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(left).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "Ctrl-C ends it, with nothing left behind",
  async () => {
    const { stdout, stderr, exitCode, left } = await run([], async (child) => {
      await Bun.sleep(1_500);
      child.kill("SIGINT");
    });
    expect(stdout).toContain("coordinator");
    expect(stdout.split("\n").filter((line) => line.length > 110)).toEqual([]);
    expect(stderr).toContain("interrupted");
    expect([exitCode, left]).toEqual([1, []]);
  },
  TIMEOUT_MS,
);
