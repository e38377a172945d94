/** Agents that the coordinator does not want, and one identity on two machines: said wherever one would look. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { AgentStatus } from "./client/shapes.ts";
import { type Daemon, Processes } from "./testing/processes.ts";

const processes = new Processes();
let coordinator: Daemon;
beforeAll(async () => {
  coordinator = await processes.coordinator();
  await processes.relay("here", coordinator.ready.url, ["--token-file", await processes.token("relay")]);
}, 40_000);
afterAll(() => processes.close());

const QUIET = ["--port-mapping", "off"];
const enrolled = async (name: string) =>
  processes.agent(name, coordinator.ready.url, [...QUIET, "--token-file", await processes.token("agent")]);

async function status(name: string): Promise<AgentStatus> {
  const { stdout } = await processes.run(["status", "--json", "--state", processes.state(name)]);
  return JSON.parse(stdout) as AgentStatus;
}

async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  let value = await ask();
  for (let tries = 0; tries < 100 && !holds(value); tries++) {
    await Bun.sleep(100);
    value = await ask();
  }
  return value;
}

async function doctor(name: string): Promise<string> {
  const { stdout, exitCode } = await processes.run(["doctor", "--state", processes.state(name)]);
  expect(exitCode).toBe(1);
  return stdout.replace(/\s+/g, " ");
}

test("an agent that is removed while it runs says so, and does not start again", async () => {
  const agent = await enrolled("ann");
  const access = ["--state", processes.state("coordinator")];
  await processes.run(["agent", "remove", agent.ready.id, ...access]);
  const told = await until(
    () => status("ann"),
    ({ coordinator: { refusal } }) => refusal !== undefined,
  );
  expect(told.coordinator).toMatchObject({ state: "down", refusal: { code: "revoked" } });
  const { stdout } = await processes.run(["status", "--state", processes.state("ann")]);
  expect(stdout).toMatch(/refuses this agent, .*: An operator has removed this agent[.;][\s\S]*try: To join/);
  expect(await doctor("ann")).toContain("the coordinator refuses this agent: An operator has removed");
  await processes.stop(agent);
  const up = ["up", "--coordinator", coordinator.ready.url, "--device", "none", ...QUIET];
  const again = await processes.run([...up, "--name", "ann", "--state", processes.state("ann")]);
  expect(again.exitCode).toBe(1);
  expect(again.stdout).toBe("");
  expect(again.stderr).toMatch(
    /error: the coordinator refuses this agent: An operator has removed this agent[.;][\s\S]*\n {2}try: To join/,
  );
  expect(again.stderr).not.toContain("no relay has answered");
  const away = await doctor("ann");
  expect(away).toContain("the coordinator refuses this agent: An operator has removed");
  expect(away).not.toContain("let UDP 21820 out");
}, 60_000);

test("a cloned machine: both stay away longer each time, and say why; the coordinator names them", async () => {
  await enrolled("original");
  cpSync(processes.state("original"), processes.state("clone"), {
    recursive: true,
    filter: (path) => !/agent\.sock|lock$/.test(path),
  });
  const clone = await processes.agent("clone", coordinator.ready.url, [...QUIET, "--name", "original"]);
  const rivals = await until(
    () => Promise.all([status("original"), status("clone")]),
    (both) => both.every(({ coordinator: { rival } }) => rival !== undefined),
  );
  for (const { coordinator: of } of rivals) expect(of.rival?.times).toBeLessThan(5);
  expect(clone.output()).toContain("Two machines have the same identity: delete identity.json on one");
  expect(await doctor("clone")).toContain("another machine has this agent's identity: it took our place");
  const { stdout } = await processes.run(["status", "--state", processes.state("original")]);
  expect(stdout).toContain("another machine has this agent's identity");
  const told = await until(
    async () => coordinator.output(),
    (text) => text.includes("by turns"),
  );
  expect(told).toMatch(/connects by turns from 127\.0\.0\.1 and 127\.0\.0\.1/);
  rmSync(join(processes.state("clone"), "identity.json"));
}, 60_000);
