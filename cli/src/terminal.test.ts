/** Standard output that takes no more: a reader that has gone, a disk that is full. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";

const MAIN = new URL("./main.ts", import.meta.url).pathname;

async function shell(script: string) {
  const child = Bun.spawn(["bash", "-c", script, process.execPath, MAIN], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { stdout, stderr };
}

test("a reader that has gone ends the command in silence, as SIGPIPE would", async () => {
  const { stdout, stderr } = await shell('"$0" "$1" demo | head -2; echo $PIPESTATUS');
  expect(stderr).toBe("");
  expect(stdout.trim().split("\n").at(-1)).toBe("141");
}, 20_000);

test.skipIf(!existsSync("/dev/full"))(
  "a full disk is an error of one line, not a trace",
  async () => {
    const { stdout, stderr } = await shell(
      '"$0" "$1" --version > /dev/full; echo $?; "$0" "$1" --help > /dev/full; echo $?',
    );
    expect(stderr).toMatch(/^(error: cannot write the output: [^\n]*ENOSPC[^\n]*\n {2}try: [^\n]*\n){2}$/);
    expect(stdout).toBe("1\n1\n");
  },
  20_000,
);
