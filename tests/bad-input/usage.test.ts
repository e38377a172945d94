/** Flags and arguments that mean nothing: told in one line, exit code 2, before anything is touched. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./command.ts";

const TIMEOUT_MS = 40_000;

describe("bad usage: exit code 2", () => {
  const usages: readonly (readonly string[])[] = [
    ["up", "--coordinator", "http://127.0.0.1:9", "--port", "many"],
    ["up", "--coordinator", "http://127.0.0.1:9", "--port", "70000"],
    ["up", "--coordinator", "not a url"],
    ["up", "--coordinator", "ftp://127.0.0.1"],
    ["up", "--coordinator", "http://user:secret@127.0.0.1"],
    ["up"],
    ["up", "--coordinator", "http://127.0.0.1:9", "--device", "tap:x"],
    ["up", "--coordinator", "http://127.0.0.1:9", "--device", "tun:a-name-that-is-too-long"],
    ["up", "--coordinator", "http://127.0.0.1:9", "--wg-client", "nokey=100.64.9.1"],
    ["up", "--coordinator", "http://127.0.0.1:9", "--name", "Not A Name!"],
    ["relay", "--coordinator", "http://127.0.0.1:9"],
    ["relay", "--coordinator", "http://127.0.0.1:9", "--region", "x", "--listen", "somewhere"],
    ["relay", "--coordinator", "http://127.0.0.1:9", "--region", "x", "--listen", "0.0.0.0:99999"],
    ["relay", "--coordinator", "http://127.0.0.1:9", "--region", "x", "--at", "91,0"],
    ["relay", "--coordinator", "http://127.0.0.1:9", "--region", "x", "--advertise", "nonsense"],
    ["coordinator", "--listen", "::::"],
    ["coordinator", "--store", "paper"],
    ["token", "create", "--for", "nobody"],
    ["token", "create", "--for", "agent", "--uses", "0"],
    ["token", "create", "--for", "agent", "--expires", "never"],
    ["relay", "drain", "xyz"],
    ["token", "remove", "xyz"],
    ["why", ""],
    ["ping", " "],
    ["token", "remove"],
    ["operator", "rotate", "now"],
    ["coordinator", "backup"],
    ["coordinator", "restore"],
    ["fly"],
    ["status", "--loud"],
  ];
  for (const words of usages) {
    test(
      words.join(" "),
      async () => {
        const usageState = join(tmpdir(), `burrow-usage-${process.pid}`);
        const { exitCode, stdout, stderr } = await run(words, { env: { XDG_STATE_HOME: usageState } });
        expect(stderr).toMatch(/^error: .+/);
        expect(stderr).not.toMatch(/unexpected|\n\s+at /);
        expect([exitCode, stdout]).toEqual([2, ""]);
        expect(() => readdirSync(usageState)).toThrow();
      },
      TIMEOUT_MS,
    );
  }

  test("a variable with the same garbage is told by its name", async () => {
    const { exitCode, stderr } = await run(["up", "--coordinator", "http://127.0.0.1:9"], {
      env: { BURROW_PORT: "many" },
    });
    expect(stderr).toContain("BURROW_PORT");
    expect(exitCode).toBe(2);
  });
});
