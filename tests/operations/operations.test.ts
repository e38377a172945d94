/** Every command of docs/operations.md, from top to bottom, and whether what each section promises is so afterwards. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { operatorClient, readOperatorFile } from "@burrow/coordinator";
import { blocksOf } from "./document.ts";
import { Machine } from "./machine.ts";

const DOCUMENT = new URL("../../docs/operations.md", import.meta.url).pathname;
const blocks = blocksOf(readFileSync(DOCUMENT, "utf8"));
/** Installing a package is all that this test may leave to others. */
const ELSEWHERE_MAX = 1;
const TIMEOUT_MS = 120_000;
const COME_BACK_MS = 20_000;

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.make();
});
afterAll(() => machine.end());

const state = () => machine.path("lib", "coordinator");
async function operator() {
  const access = await readOperatorFile(state());
  if (access === undefined) throw new Error("no coordinator has been here");
  return operatorClient(access);
}

/** Waits until it is so; fails with what it is otherwise. */
async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean, what: string): Promise<T> {
  const deadline = Date.now() + COME_BACK_MS;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error(`not ${what}: ${JSON.stringify(value)}\n${machine.logs}`);
    await Bun.sleep(100);
  }
}

const relays = async () => (await operator()).relays();
const agents = async () => (await operator()).agents();
const allUp = () =>
  until(relays, (all) => all.length === 1 && all[0]?.state === "healthy", "one healthy relay");
const allOnline = () =>
  until(agents, (all) => all.length === 1 && all[0]?.online === true, "one agent online");
async function allWell() {
  await allUp();
  return (await allOnline())[0];
}
const operatorToken = async () => (await readOperatorFile(state()))?.token;
const ticketKey = () => readFileSync(machine.path("lib", "relay", "coordinator.json"), "utf8");

/** Names of things that are there by now. */
async function nameThings(): Promise<void> {
  if ((await operatorToken()) === undefined) return;
  const [[relay], [agent], tokens] = [await relays(), await agents(), await (await operator()).tokens()];
  const names = {
    RELAY_ID: relay?.id,
    AGENT_ID: agent?.id,
    TOKEN_ID: tokens.find(({ state }) => state === "usable")?.id,
  };
  for (const [name, id] of Object.entries(names)) if (id !== undefined) machine.names.set(name, id);
}

let before = { operator: "", relay: "", agent: "", ticketKey: "", certificate: 0 };
async function remember(): Promise<void> {
  if (!existsSync(machine.path("lib", "relay", "coordinator.json"))) return;
  before = {
    operator: (await operatorToken()) ?? "",
    relay: (await relays())[0]?.id ?? "",
    agent: (await agents())[0]?.id ?? "",
    ticketKey: ticketKey(),
    certificate: statSync(machine.path("lib", "relay", "tls.json")).mtimeMs,
  };
}

/** What holds when all commands under a heading have run. A heading without one would only be known not to fail. */
const AFTER: Readonly<Record<string, (output: string) => Promise<unknown>>> = {
  Deploy: async () => {
    expect(await allWell()).toMatchObject({ name: "laptop", network: "office" });
  },
  Look: async (output) => {
    for (const told of ["its UDP port answers", '"rttMs"', "laptop", "used-up", "eu-central"]) {
      expect(output).toContain(told);
    }
  },
  Watch: async (output) => {
    expect(output).toMatch(/^burrow_coordinator_relay_up\{[^}]*\} 1$/m);
    expect(output).toMatch(/^burrow_coordinator_agents\{online="true"\} 1$/m);
    expect(output).toMatch(/^burrow_relay_registered 1$/m);
  },
  Drain: async (output) => {
    expect(output).toContain('"state":"draining"');
    expect(await allUp()).toMatchObject([{ weightMs: 0, avoid: false }]);
  },
  Upgrade: async () => {
    expect(await allWell()).toMatchObject({ id: before.agent });
    expect((await relays())[0]?.id).toBe(before.relay);
    expect(statSync(machine.path("backups", "before-upgrade.db")).mode & 0o777).toBe(0o600);
  },
  "Back up and restore": async (output) => {
    expect(output).toContain("1 agent and 1 relay");
    expect(existsSync(machine.path("lib", "coordinator", "coordinator.db.replaced"))).toBe(true);
    expect(await allWell()).toMatchObject({ id: before.agent });
  },
  "Rotate keys": async () => {
    const agent = await allWell();
    const now = await operatorToken();
    expect(now).not.toBe(before.operator);
    expect(readFileSync(machine.path("etc", "operator.token"), "utf8").trim()).toBe(now ?? "");
    const old = { authorization: `Bearer ${before.operator}` };
    expect((await fetch(`${machine.url}/v1/agents`, { headers: old })).status).toBe(401);
    expect(ticketKey()).not.toBe(before.ticketKey);
    expect((await relays())[0]?.id).not.toBe(before.relay);
    expect(agent?.id).not.toBe(before.agent);
    expect((await (await operator()).tokens()).map(({ id }) => id)).not.toContain(
      machine.names.get("TOKEN_ID"),
    );
    expect(statSync(machine.path("lib", "relay", "tls.json")).mtimeMs).toBeGreaterThan(before.certificate);
  },
  "A relay is down": async (output) => {
    expect(output).toContain('"ok":true');
    await allWell();
  },
  "The coordinator is lost": async (output) => {
    expect(output).toContain("restored");
    expect(await operatorToken()).not.toBe(before.operator);
  },
  "A clock is wrong": async (output) => {
    expect(output).toMatch(/clock/i);
  },
  "The disk is full": async (output) => {
    expect(output).toContain('"status":"ready"');
  },
};

describe("docs/operations.md", () => {
  test("leaves nearly nothing to others, and no command of ours", () => {
    const elsewhere = blocks.filter(({ isElsewhere }) => isElsewhere);
    expect(elsewhere.length).toBeLessThanOrEqual(ELSEWHERE_MAX);
    for (const { script } of elsewhere) expect(script).not.toMatch(/\bburrow (?!_)|systemctl|curl/);
    expect(blocks.length - elsewhere.length).toBeGreaterThanOrEqual(15);
  });

  const sections = [
    ...Map.groupBy(
      blocks.filter(({ isElsewhere }) => !isElsewhere),
      ({ heading }) => heading,
    ),
  ];

  test("each section with commands has what must be so afterwards, and none is forgotten", () => {
    expect(sections.map(([heading]) => heading).toSorted()).toEqual(Object.keys(AFTER).toSorted());
  });

  for (const [heading, ofHeading] of sections) {
    test(
      heading,
      async () => {
        if (heading === "Rotate keys") await (await operator()).createToken({ for: "agent", uses: 5 });
        await remember();
        let output = "";
        for (const { line, script } of ofHeading) {
          await nameThings();
          const ran = await machine.run(script);
          const told = ran.exitCode === 0 ? "" : `line ${line}: ${ran.output}\n${machine.logs.slice(-4_000)}`;
          expect(told).toBe("");
          output += ran.output;
        }
        await AFTER[heading]?.(output);
      },
      TIMEOUT_MS,
    );
  }
});
