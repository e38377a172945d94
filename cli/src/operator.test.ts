/** The operators' commands that could lock somebody out: the operator token made anew, and a file that cannot be. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { needs } from "../../platform/src/testing/needs.ts";
import { Processes } from "./testing/processes.ts";

const processes = new Processes();
const at = () => ["--state", processes.state("coordinator")];
const kept = () =>
  JSON.parse(readFileSync(join(processes.state("coordinator"), "operator.json"), "utf8")) as {
    url: string;
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

const tokens = async () => (await processes.run(["token", "list", "--json", ...at()])).stdout;
const create = (out: string) => processes.run(["token", "create", "--for", "agent", "--out", out, ...at()]);

test("an enrolment token that no file can take is not made", async () => {
  const before = await tokens();
  const folder = join(processes.directory, "folder");
  mkdirSync(folder);
  for (const out of ["/no/where/at/all", folder]) {
    const { exitCode, stdout, stderr } = await create(out);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toStartWith(`error: cannot write ${out}: `);
  }
  expect(await tokens()).toBe(before);
  expect(readdirSync(folder)).toEqual([]);
});

test.skipIf(!needs("tokens written to a full device", { root: true, commands: ["mknod"] }))(
  "nor does one stay that a device did not take after all; the device does",
  async () => {
    const before = await tokens();
    const full = join(processes.directory, "full");
    expect(Bun.spawnSync(["mknod", full, "c", "1", "7"]).exitCode).toBe(0);
    const { exitCode, stderr } = await create(full);
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith(`error: cannot write ${full}: the disk is full`);
    expect(lstatSync(full).isCharacterDevice()).toBe(true);
    expect(await tokens()).toBe(before);
    const rotated = await processes.run(["operator", "rotate", "--out", full, ...at()]);
    expect(rotated.exitCode).toBe(1);
    expect(rotated.stderr.replace(/\s+/g, " ")).toMatch(/made anew all the same .*`burrow operator token`/);
    expect(await tokens()).toBe(before);
  },
);

test("a symbolic link stays, and what it leads to holds the token", async () => {
  const target = join(processes.directory, "target.token");
  const link = join(processes.directory, "link.token");
  writeFileSync(target, "old");
  symlinkSync(target, link);
  expect(await create(link)).toMatchObject({ exitCode: 0, stdout: "" });
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(target, "utf8")).toMatch(/^burrow_[\w-]+\n$/);
});

test("the token that is kept here goes to the coordinator here alone, whatever URL is given", async () => {
  const heard: (string | null)[] = [];
  const other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      heard.push(request.headers.get("authorization"));
      return Response.json([]);
    },
  });
  try {
    const url = `http://127.0.0.1:${other.port}`;
    for (const [args, env] of [
      [["--coordinator", url], {}],
      [[], { BURROW_COORDINATOR: url }],
    ] as const) {
      const { exitCode, ...told } = await processes.run(["agents", ...args, ...at()], env);
      const stderr = told.stderr.replace(/\s+/g, " ");
      expect([exitCode, heard]).toEqual([1, []]);
      expect(stderr).toContain(`error: no operator token was given for ${url}`);
      expect(stderr).toMatch(/BURROW_OPERATOR_TOKEN .*--operator-token-file/);
      expect(stderr).toContain(`leave --coordinator out to ask the one here, at ${kept().url}`);
      expect(stderr).not.toContain(kept().token);
    }
    // What was given goes where it was told to.
    const given = await processes.run(["agents", "--json", "--coordinator", url, ...at()], {
      BURROW_OPERATOR_TOKEN: "burrow_op_of_another_coordinator_far_away",
    });
    expect([given.exitCode, heard]).toEqual([0, ["Bearer burrow_op_of_another_coordinator_far_away"]]);
  } finally {
    await other.stop(true);
  }
});

test("operator.json itself will do for a token file, and its token goes to its own coordinator alone", async () => {
  const file = join(processes.directory, "copy-of-operator.json");
  writeFileSync(file, JSON.stringify(kept()), { mode: 0o600 });
  const elsewhere = ["--state", join(processes.directory, "nobody"), "--operator-token-file", file];
  for (const more of [[], ["--coordinator", kept().url]]) {
    const { exitCode, stderr } = await processes.run(["agents", ...elsewhere, ...more]);
    expect([exitCode, stderr]).toEqual([0, ""]);
  }
  let asked = 0;
  const other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      asked++;
      return Response.json([]);
    },
  });
  try {
    const url = `http://127.0.0.1:${other.port}`;
    const { exitCode, ...told } = await processes.run(["agents", ...elsewhere, "--coordinator", url]);
    const stderr = told.stderr.replace(/\s+/g, " ");
    expect([exitCode, asked]).toEqual([1, 0]);
    expect(stderr).toContain(`is for the coordinator at ${kept().url}, and was not sent to ${url}`);
    expect(stderr).toContain("burrow operator token --out FILE");
    expect(stderr).not.toContain(kept().token);
  } finally {
    await other.stop(true);
  }
  writeFileSync(file, JSON.stringify({ url: kept().url, key: kept().token }, null, 1));
  expect((await processes.run(["agents", ...elsewhere])).stderr).toContain("holds more than a token");
});

test("the operator token is shown where it is kept, alone on standard output or in a file, and nowhere else", async () => {
  const shown = await processes.run(["operator", "token", ...at()]);
  expect(shown).toEqual({ exitCode: 0, stdout: `${kept().token}\n`, stderr: "" });
  const file = join(processes.directory, "shown.token");
  const out = await processes.run(["operator", "token", "--out", file, ...at()]);
  expect(out).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  expect([readFileSync(file, "utf8"), statSync(file).mode & 0o777]).toEqual([`${kept().token}\n`, 0o600]);
  const { stdout } = await processes.run(["operator", "token", "--json", ...at()]);
  expect(JSON.parse(stdout)).toEqual({ token: kept().token });
  const nobody = await processes.run(["operator", "token", "--state", join(processes.directory, "nobody")]);
  expect(nobody).toMatchObject({ exitCode: 1, stdout: "" });
  expect(nobody.stderr).toStartWith("error: no coordinator keeps its state in ");
});

test("the coordinator here may be named as well, and as localhost", async () => {
  const { port } = new URL(kept().url);
  for (const url of [kept().url, `${kept().url}/`, `http://localhost:${port}`]) {
    const { exitCode, stderr } = await processes.run(["agents", "--coordinator", url, ...at()]);
    expect([exitCode, stderr]).toEqual([0, ""]);
  }
  const { exitCode } = await processes.run(["agents", "--coordinator", `https://localhost:${port}`, ...at()]);
  expect(exitCode).toBe(1);
});

test("the next step names the coordinator as other machines reach it, if it is to be reached by any", async () => {
  const next = async (state: string) => {
    const { stderr } = await processes.run(["token", "create", "--for", "relay", "--state", state]);
    return /--coordinator (\S+)/.exec(stderr)?.[1];
  };
  expect(await next(processes.state("coordinator"))).toBe(kept().url);
  for (const [listen, loopback] of [
    ["0.0.0.0:0", "127.0.0.1"],
    ["[::]:0", "[::1]"],
  ] as const) {
    const state = processes.state(`everywhere-${loopback}`);
    const open = await processes.start(["coordinator", "--listen", listen, "--state", state]);
    const url = new URL(open.ready.url);
    expect(url.hostname).toBe(loopback);
    expect(await next(state)).toMatch(new RegExp(`^http://(?!127\\.|\\[::1).+:${url.port}$`));
    await processes.stop(open);
  }
});

test("a redirect is told and not followed: the token goes nowhere else", async () => {
  const elsewhere = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json([]) });
  const other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.redirect(`http://127.0.0.1:${elsewhere.port}/v1/agents?page=1`),
  });
  try {
    const url = `http://127.0.0.1:${other.port}`;
    const env = { BURROW_OPERATOR_TOKEN: kept().token };
    const { exitCode, ...told } = await processes.run(["agents", "--coordinator", url], env);
    const stderr = told.stderr.replace(/\s+/g, " ");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`error: ${url} sends its callers on to http://127.0.0.1:${elsewhere.port}`);
    expect(stderr).toContain("try: if that is the coordinator, give its URL");
  } finally {
    await Promise.all([elsewhere.stop(true), other.stop(true)]);
  }
});
