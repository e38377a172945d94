/** `burrow doctor` as people run it: on a machine that is well, and on one that is not. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Processes } from "./testing/processes.ts";

const processes = new Processes();
afterAll(() => processes.close());

interface Answer {
  readonly ok: boolean;
  readonly findings: readonly { readonly check: string; readonly status: string; readonly remedy?: string }[];
}

test("an agent that runs, then one whose key others may read", async () => {
  const { ready } = await processes.coordinator();
  const url = ready.url;
  await processes.relay("here", url, ["--token-file", await processes.token("relay")]);
  const agent = await processes.agent("laptop", url, ["--token-file", await processes.token("agent")]);
  const doctor = ["doctor", "--state", processes.state("laptop")];
  const well = JSON.parse((await processes.run([...doctor, "--json"])).stdout) as Answer;
  const of = (check: string) => well.findings.find((finding) => finding.check === check)?.status;
  expect([of("state"), of("http"), of("udp"), of("clock"), of("udp-socket")]).toEqual(Array(5).fill("ok"));
  const said = await processes.run(doctor);
  expect(said.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  await processes.stop(agent);
  chmodSync(join(processes.state("laptop"), "identity.json"), 0o644);
  const ill = await processes.run(doctor);
  expect(ill.exitCode).toBe(1);
  expect(ill.stdout).toMatch(/state +broken +.*identity\.json/);
  expect(ill.stdout).toContain("try: `chmod 600");
}, 40_000);

test("an empty state directory that others may use is well: a start closes it", async () => {
  const state = processes.state("empty");
  mkdirSync(state);
  chmodSync(state, 0o755);
  const doctor = ["doctor", "--state", state, "--coordinator", "http://127.0.0.1:1", "--json"];
  const { findings } = JSON.parse((await processes.run(doctor)).stdout) as Answer;
  expect(findings.find(({ check }) => check === "state")).toMatchObject({ status: "ok" });
});

test("a coordinator that is away, and a proxy that is none", async () => {
  const doctor = [
    "doctor",
    "--state",
    processes.state("nobody"),
    "--coordinator",
    "http://127.0.0.1:1",
    "--json",
  ];
  const { stdout, exitCode } = await processes.run(doctor, { HTTPS_PROXY: "socks5://u:hunter2@127.0.0.1:1" });
  expect(exitCode).toBe(1);
  const { ok, findings } = JSON.parse(stdout) as Answer;
  expect(ok).toBe(false);
  const broken = findings.filter(({ status }) => status === "broken");
  expect(broken.map(({ check }) => check)).toEqual(expect.arrayContaining(["proxies", "http"]));
  for (const { remedy } of broken) expect(remedy).toBeTruthy();
  expect(stdout).not.toContain("hunter2");
});
