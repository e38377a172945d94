/** A daemon in which something breaks that nobody catches ends, with a trace and exit code 1, for its service to start it again. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE_MS = 20_000;

test("an exception that nobody caught ends a daemon", async () => {
  const state = mkdtempSync(join(tmpdir(), "burrow-uncaught-"));
  const path = (file: string) => join(import.meta.dir, file);
  const command = [process.execPath, "--preload", path("testing/break-soon.ts"), path("main.ts")];
  const daemon = ["coordinator", "--listen", "127.0.0.1:0", "--state", state];
  const child = Bun.spawn([...command, ...daemon], { stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  try {
    const [exitCode, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("broken inside");
  } finally {
    clearTimeout(timer);
    rmSync(state, { recursive: true, force: true });
  }
});
