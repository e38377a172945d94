/** The operators' commands that could lock somebody out: the operator token made anew, and a file that cannot be. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Processes } from "./testing/processes.ts";

const processes = new Processes();
const at = () => ["--state", processes.state("coordinator")];
const kept = () =>
  JSON.parse(readFileSync(join(processes.state("coordinator"), "operator.json"), "utf8")) as {
    token: string;
  };
beforeAll(async () => {
  await processes.coordinator();
}, 30_000);
afterAll(() => processes.close());

test("a new operator token goes to a file or to standard output alone, and commands here find it by themselves", async () => {
  const before = kept().token;
  const file = join(processes.directory, "operator.token");
  const out = await processes.run(["operator", "rotate", "--out", file, ...at()]);
  expect(out).toMatchObject({ exitCode: 0, stdout: "" });
  expect(out.stderr).not.toContain("burrow_op_");
  expect(readFileSync(file, "utf8").trim()).toBe(kept().token);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(kept().token).not.toBe(before);
  const shown = await processes.run(["operator", "rotate", ...at()]);
  expect(shown.stdout).toBe(`${kept().token}\n`);
  expect(await processes.run(["token", "list", ...at()])).toMatchObject({ exitCode: 0 });
  const old = await processes.run(["agents", "--operator-token-file", file, ...at()]);
  expect(old).toMatchObject({ exitCode: 1 });
  expect(old.stderr).toMatch(/^error: the coordinator at http:\S+ does not take this operator token\n/);
  expect(old.stderr).toContain("operator.json");
});

test("where the new one could not be written, the old one stays", async () => {
  const before = kept().token;
  const { exitCode, stderr } = await processes.run([
    "operator",
    "rotate",
    "--out",
    "/no/where/at/all",
    ...at(),
  ]);
  expect([exitCode, kept().token]).toEqual([1, before]);
  expect(stderr).toContain("cannot write /no/where/at/all");
});
