/** What a failure prints, and the exit code that goes with it. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { reportFailure } from "./failure.ts";
import { burrow, captured } from "./testing.ts";

test("a user's error: what is wrong, what to do, exit 1", () => {
  const terminal = captured();
  const remedy =
    "a remedy that is long enough to be broken into two lines, as the terminal has only 80 columns";
  expect(reportFailure(new UserError("the port is taken", remedy), terminal, false)).toBe(1);
  expect(terminal.stderr()).toBe(
    "error: the port is taken\n  try: a remedy that is long enough to be broken into two lines, as the terminal\n       has only 80 columns\n",
  );
  expect(terminal.stdout()).toBe("");
});

test("an unexpected error: one line and the way to its trace", () => {
  const terminal = captured();
  expect(reportFailure(new Error("two\nlines"), terminal, false)).toBe(1);
  expect(terminal.stderr()).toStartWith("unexpected error: two lines\n  try: set BURROW_DEBUG=1");
  expect(terminal.stderr()).not.toContain("failure.test.ts");
});

test("BURROW_DEBUG=1 shows the trace, causes too", () => {
  const terminal = captured();
  reportFailure(new Error("outer", { cause: new Error("inner") }), terminal, true);
  expect(terminal.stderr()).toContain("failure.test.ts");
  expect(terminal.stderr()).toContain("caused by: Error: inner");
});

test("asking an agent that does not run", async () => {
  const dir = mkdtempSync(join(tmpdir(), "burrow-cli-"));
  try {
    for (const command of [["status"], ["peers"], ["relays"], ["ping", "bob"], ["why", "bob"]]) {
      const { exitCode, stdout, stderr } = await burrow([...command, "--state", dir]);
      expect(stderr).toBe(
        `error: no agent is running with state in ${dir}\n  try: start it with \`burrow up\`, or name another agent's directory with --state\n       DIR\n`,
      );
      expect([exitCode, stdout]).toEqual([1, ""]);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("operators' commands: no coordinator here, none at the address, a broken file, a missing secret", async () => {
  const dir = mkdtempSync(join(tmpdir(), "burrow-cli-"));
  const create = ["token", "create", "--for", "agent", "--state", dir];
  try {
    const none = await burrow(create);
    expect([none.exitCode, none.stdout]).toEqual([1, ""]);
    expect(none.stderr).toMatch(/^error: no coordinator keeps its state in .*\n {2}try: /);
    const noToken = await burrow([...create, "--coordinator", "http://127.0.0.1:9"]);
    expect(noToken.stderr).toMatch(
      /^error: no operator token was given for http:\S+\n {2}try: set BURROW_OPERATOR_TOKEN/,
    );
    const away = await burrow([...create, "--coordinator", "http://127.0.0.1:9"], {
      BURROW_OPERATOR_TOKEN: "x",
    });
    expect(away.exitCode).toBe(1);
    expect(away.stderr).toMatch(/^error: the coordinator at http:\/\/127.0.0.1:9 does not answer\n {2}try: /);
    writeFileSync(join(dir, "operator.json"), '{"url": 3', { mode: 0o600 });
    expect((await burrow(create)).stderr).toMatch(/operator\.json is damaged\.\n {2}try: /);
    const file = join(dir, "secret");
    const fromFile = [...create, "--coordinator", "http://127.0.0.1:9", "--operator-token-file", file];
    expect((await burrow(fromFile)).stderr).toMatch(/cannot read the secret in .*: there is none/);
    writeFileSync(file, "\n");
    chmodSync(file, 0o600);
    expect((await burrow(fromFile)).stderr).toMatch(/holds no secret/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("token files: what is no token is said at once, and nothing hangs", async () => {
  const dir = mkdtempSync(join(tmpdir(), "burrow-cli-"));
  const file = join(dir, "file");
  const told = async (path: string) => {
    const up = [
      "up",
      "--coordinator",
      "http://127.0.0.1:9",
      "--device",
      "none",
      "--state",
      join(dir, "state"),
    ];
    const { exitCode, stderr } = await burrow([...up, "--token-file", path]);
    expect(exitCode).toBe(1);
    return stderr.split("\n")[0];
  };
  const holding = (text: string) => {
    writeFileSync(file, text);
    return told(file);
  };
  try {
    expect(await told("/dev/zero")).toEndWith("it is no regular file");
    expect(Bun.spawnSync(["mkfifo", join(dir, "fifo")]).exitCode).toBe(0);
    expect(await told(join(dir, "fifo"))).toEndWith("it is no regular file");
    expect(await told(dir)).toEndWith("it is no regular file");
    expect(await holding("x".repeat(2_000))).toEndWith("it has more than 1024 bytes");
    expect(await holding("burrow_one\nburrow_two\n")).toEndWith("holds more than a token");
    expect(await holding("-----BEGIN")).toEndWith("holds something that is no enrolment token");
    expect(await holding("burrow_op_abc\n")).toContain("holds the operator's token");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
