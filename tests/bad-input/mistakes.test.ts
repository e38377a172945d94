/**
 * Every mistake that a person or a machine can make at the command: it ends at once with what is wrong and what to
 * do, exit code 1, and the state directory holds afterwards what it held before.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALONE, Daemon, type Ended, fingerprint, LOOPBACK, type RunOptions, run } from "./command.ts";

const TIMEOUT_MS = 40_000;
/** Ample for a process to start on a busy machine; nobody should look at a prompt that does nothing for longer. */
const TOLD_WITHIN_MS = 8_000;
const GEOIP = new URL("../data/geoip/GeoIP2-City-Test.mmdb", import.meta.url).pathname;

const directory = mkdtempSync(join(tmpdir(), "burrow-mistakes-"));
const state = (name: string) => join(directory, name);
const isRoot = process.getuid?.() === 0 && Bun.which("setpriv") !== null;

let coordinator: Daemon;
let url = "";
let relay: Daemon;
let ann: Daemon;
let taken: Server;
let takenPort = 0;

const agentArgs = (dir: string) => ["up", "--coordinator", url, ...ALONE, "--state", dir];
const relayArgs = (dir: string) => {
  const doors = ["--listen", LOOPBACK, "--http", LOOPBACK];
  return ["relay", "--coordinator", url, "--region", "here", ...doors, "--state", dir];
};
const coordinatorArgs = (dir: string) => ["coordinator", "--listen", LOOPBACK, "--state", dir];

async function token(kind: "agent" | "relay", ...more: readonly string[]): Promise<string> {
  const words = ["token", "create", "--for", kind, "--state", state("coordinator"), ...more];
  return (await run(words)).stdout.trim();
}

beforeAll(async () => {
  coordinator = await Daemon.start(coordinatorArgs(state("coordinator")));
  url = String(coordinator.ready.url);
  relay = await Daemon.start([...relayArgs(state("relay")), "--token", await token("relay")]);
  ann = await Daemon.start([...agentArgs(state("ann")), "--name", "ann", "--token", await token("agent")]);
  // State that a daemon wrote and left, for the mistakes to be made on copies of.
  const old = [
    await Daemon.start([...relayArgs(state("old-relay")), "--token", await token("relay")]),
    await Daemon.start([...agentArgs(state("old-agent")), "--name", "old", "--token", await token("agent")]),
    await Daemon.start(coordinatorArgs(state("old-coordinator"))),
  ];
  await Bun.sleep(1_500);
  for (const daemon of old) expect((await daemon.end()).exitCode).toBe(0);
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  takenPort = (taken.address() as { port: number }).port;
}, TIMEOUT_MS);

afterAll(async () => {
  taken?.close();
  for (const daemon of [ann, relay, coordinator]) await daemon?.end("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

let copies = 0;
/** A copy of what an earlier daemon left, damaged perhaps. */
function copyOf(part: "agent" | "relay" | "coordinator", damage: (dir: string) => void = () => {}): string {
  const copy = state(`copy-${copies++}`);
  cpSync(state(`old-${part}`), copy, { recursive: true });
  chmodSync(copy, 0o700);
  damage(copy);
  return copy;
}

const breaking =
  (file: string, text: string | Uint8Array = "{ not whole") =>
  (dir: string) =>
    writeFileSync(join(dir, file), text, { mode: 0o600 });

function expectTold(ended: Ended, message: RegExp): void {
  expect(ended.stderr).toMatch(/(^|\n)error: [^\n]+\n {2}try: \S/);
  expect(ended.stderr).toMatch(message);
  expect(ended.stderr).not.toMatch(/unexpected error|\n\s+at /);
  expect(ended.stdout).toBe("");
  expect(ended.exitCode).toBe(1);
  expect(ended.tookMs).toBeLessThan(TOLD_WITHIN_MS);
}

interface Mistake {
  readonly what: string;
  readonly told: RegExp;
  readonly args: () => readonly string[] | Promise<readonly string[]>;
  /** The directory that must hold afterwards what it held before, if it was there. */
  readonly keeps?: () => string;
  readonly options?: RunOptions;
}

function mistakes(list: readonly Mistake[]): void {
  for (const { what, told, args, options = {} } of list) {
    test.skipIf(options.withoutRights === true && !isRoot)(
      what,
      async () => {
        const words = await args();
        const dir = words[words.indexOf("--state") + 1] ?? "";
        const before = snapshot(dir);
        expectTold(await run(words, options), told);
        if (before !== undefined) expect(snapshot(dir)).toEqual(before);
        else expectNothingHalf(dir);
      },
      TIMEOUT_MS,
    );
  }
}

/** Undefined for a directory that is not there, or that is empty. */
function snapshot(dir: string): Record<string, string> | undefined {
  try {
    const { "boot.json": _, ...found } = fingerprint(dir);
    return Object.keys(found).length === 0 ? undefined : found;
  } catch {
    return undefined;
  }
}

/** A first start that failed may have made a key; it must be whole, private, and without half of anything beside it. */
function expectNothingHalf(dir: string): void {
  const files = snapshot(dir) ?? {};
  expect(Object.keys(files).filter((file) => file.endsWith(".tmp"))).toEqual([]);
  for (const [file, print] of Object.entries(files)) {
    expect(print).toStartWith("600 ");
    if (file.endsWith(".json")) JSON.parse(readFileSync(join(dir, file), "utf8"));
  }
}

describe("tokens and names", () => {
  mistakes([
    {
      what: "a wrong token",
      args: () => [...agentArgs(state("t1")), "--token", "burrow_wrong"],
      told: /token/,
    },
    { what: "no token", args: () => agentArgs(state("t2")), told: /token/ },
    {
      what: "an expired token",
      args: async () => {
        const words = [...agentArgs(state("t3")), "--token", await token("agent", "--expires", "1s")];
        await Bun.sleep(1_100);
        return words;
      },
      told: /expired/,
    },
    {
      what: "a token that is used up",
      args: async () => {
        const once = await token("agent");
        const first = await Daemon.start([...agentArgs(state("t4a")), "--token", once]);
        await first.end();
        return [...agentArgs(state("t4")), "--token", once];
      },
      told: /once|used/,
    },
    {
      what: "an agent's token for a relay",
      args: async () => [...relayArgs(state("t5")), "--token", await token("agent")],
      told: /for an agent/,
    },
    {
      what: "a relay's token for an agent",
      args: async () => [...agentArgs(state("t6")), "--token", await token("relay")],
      told: /for a relay/,
    },
    {
      what: "a name taken twice",
      args: async () => [...agentArgs(state("t7")), "--name", "ann", "--token", await token("agent")],
      told: /ann/,
    },
    {
      what: "a token file that is not there",
      args: () => [...agentArgs(state("t8")), "--token-file", state("absent")],
      told: /absent/,
    },
  ]);

  test(
    "a token that was refused is not used up by it",
    async () => {
      const once = await token("agent");
      const clash = await run([...agentArgs(state("u1")), "--name", "ann", "--token", once]);
      expect(clash.exitCode).toBe(1);
      const relayTry = await run([...relayArgs(state("u2")), "--token", once]);
      expect(relayTry.exitCode).toBe(1);
      const agent = await Daemon.start([...agentArgs(state("u1")), "--name", "bea", "--token", once]);
      expect((await agent.end()).exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );
});

test.skipIf(!isRoot)(
  "a token is not used up by an agent that then has no right to its TUN",
  async () => {
    const once = await token("agent");
    const words = [...agentArgs(state("v1")), "--name", "cid", "--token", once];
    expectTold(await run([...words, "--device", "tun:bwbad1"], { withoutRights: true }), /no right to/);
    const elsewhere = [...agentArgs(state("v2")), "--name", "cid", "--token", once];
    const agent = await Daemon.start(elsewhere);
    expect((await agent.end()).exitCode).toBe(0);
  },
  TIMEOUT_MS,
);

describe("nobody there, and doors that are taken", () => {
  mistakes([
    {
      what: "a coordinator that is not there",
      args: () => [
        ...["up", "--coordinator", "http://127.0.0.1:9", ...ALONE],
        ...["--state", state("n1"), "--token", "burrow_any"],
      ],
      told: /127\.0\.0\.1:9 does not answer/,
    },
    {
      what: "a coordinator's address at which another server answers",
      args: () => [
        ...["up", "--coordinator", String(relay.ready.httpUrl), ...ALONE],
        ...["--state", state("n2"), "--token", "burrow_any"],
      ],
      told: /does not answer/,
    },
    {
      what: "a relay's port in use",
      args: () => [
        ...relayArgs(copyOf("relay")),
        "--listen",
        String(relay.ready.endpoints?.[0]?.replace(/^.*:/, "127.0.0.1:")),
      ],
      told: /port is in use/,
    },
    {
      what: "a relay's HTTP port in use",
      args: () => [...relayArgs(copyOf("relay")), "--http", `127.0.0.1:${takenPort}`],
      told: /port|in use/,
    },
    {
      what: "a coordinator's port in use",
      args: () => ["coordinator", "--listen", `127.0.0.1:${takenPort}`, "--state", copyOf("coordinator")],
      told: /another program has the port/,
    },
    {
      what: "an agent's port in use",
      args: () => [
        ...agentArgs(copyOf("agent")),
        "--port",
        String(relay.ready.endpoints?.[0]?.replace(/^.*:/, "")),
      ],
      told: /port is in use/,
    },
    {
      what: "an address of another machine",
      args: () => [...relayArgs(copyOf("relay")), "--listen", "192.0.2.1:21820"],
      told: /no address 192\.0\.2\.1/,
    },
  ]);

  test(
    "a relay whose coordinator is not there yet stays, says so, and keeps trying",
    async () => {
      const words = [
        "relay",
        "--coordinator",
        "http://127.0.0.1:9",
        "--region",
        "here",
        "--token",
        "burrow_any",
      ];
      const doors = ["--listen", LOOPBACK, "--http", LOOPBACK];
      const early = await Daemon.start([...words, ...doors, "--state", state("n3")]);
      const ready = await fetch(`${early.ready.httpUrl}/readyz`);
      expect(ready.status).toBe(503);
      expect((await fetch(`${early.ready.httpUrl}/healthz`)).status).toBe(200);
      const { exitCode, log } = await early.end();
      expect(log).toMatch(/127\.0\.0\.1:9.*next try/);
      expect(exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );
});

describe("state that is broken, in use, or out of reach", () => {
  const flip = (file: string) => (dir: string) => truncateSync(join(dir, file), 40);
  mistakes([
    {
      what: "an agent's identity that is broken",
      args: () => agentArgs(copyOf("agent", breaking("identity.json"))),
      told: /identity\.json is not an identity/,
    },
    {
      what: "an agent's identity that is cut short",
      args: () => agentArgs(copyOf("agent", flip("identity.json"))),
      told: /identity\.json is not an identity/,
    },
    {
      what: "an agent's identity that others may read",
      args: () => agentArgs(copyOf("agent", (dir) => chmodSync(join(dir, "identity.json"), 0o644))),
      told: /others than its owner may/,
    },
    ...(["identity.json", "boot.json", "coordinator.json"] as const).map((file) => ({
      what: `a relay's ${file} that is broken`,
      args: () => relayArgs(copyOf("relay", breaking(file))),
      told: new RegExp(`${file.replace(".", "\\.")} is broken`),
    })),
    {
      what: "a relay's identity without its count of starts",
      args: () => relayArgs(copyOf("relay", (dir) => rmSync(join(dir, "boot.json")))),
      told: /boot\.json is missing/,
    },
    {
      what: "a coordinator's database that is none",
      args: () => coordinatorArgs(copyOf("coordinator", breaking("coordinator.db", "not a database at all"))),
      told: /coordinator\.db cannot be used/,
    },
    {
      what: "a coordinator's database that was emptied",
      args: () => coordinatorArgs(copyOf("coordinator", breaking("coordinator.db", ""))),
      told: /coordinator\.db cannot be used: it is empty/,
    },
    {
      what: "a directory in place of an agent's identity",
      args: () =>
        agentArgs(
          copyOf("agent", (dir) => {
            rmSync(join(dir, "identity.json"));
            mkdirSync(join(dir, "identity.json"));
          }),
        ),
      told: /identity\.json: it is a directory/,
    },
    {
      what: "a directory in place of a coordinator's database",
      args: () =>
        coordinatorArgs(
          copyOf("coordinator", (dir) => {
            rmSync(join(dir, "coordinator.db"));
            mkdirSync(join(dir, "coordinator.db"));
          }),
        ),
      told: /coordinator\.db cannot be used: it is a directory/,
    },
    {
      what: "a coordinator's database with a damaged page",
      args: () =>
        coordinatorArgs(
          copyOf("coordinator", (dir) => {
            const file = join(dir, "coordinator.db");
            const bytes = readFileSync(file);
            writeFileSync(file, bytes.fill(0xa5, 100, Math.min(bytes.length, 8_000)));
          }),
        ),
      told: /coordinator\.db cannot be used/,
    },
    {
      what: "a coordinator's operator.json that is broken",
      args: () => coordinatorArgs(copyOf("coordinator", breaking("operator.json"))),
      told: /operator\.json is damaged/,
    },
    {
      what: "operator.json broken, asked for a token",
      args: () => [
        "token",
        "create",
        "--for",
        "agent",
        "--state",
        copyOf("coordinator", breaking("operator.json")),
      ],
      told: /operator\.json is damaged/,
    },
    { what: "an agent's state in use", args: () => agentArgs(state("ann")), told: /is in use by/ },
    { what: "a relay's state in use", args: () => relayArgs(state("relay")), told: /is in use by/ },
    {
      what: "a coordinator's state in use",
      args: () => coordinatorArgs(state("coordinator")),
      told: /is in use by/,
    },
    {
      what: "a state directory that is a file",
      args: () => {
        writeFileSync(state("file"), "");
        return agentArgs(state("file"));
      },
      told: /no directory is in the way/,
    },
    {
      what: "a state directory below one that may not be entered",
      args: () => {
        mkdirSync(state("closed"), { mode: 0 });
        return agentArgs(join(state("closed"), "agent"));
      },
      told: /no permission/,
      options: { withoutRights: true },
    },
    ...(["agent", "relay", "coordinator"] as const).map((part) => ({
      what: `a state directory in which the ${part} may not write`,
      args: () => {
        const dir = copyOf(part, (copy) => {
          rmSync(join(copy, "lock"));
          chmodSync(copy, 0o500);
        });
        return { agent: agentArgs, relay: relayArgs, coordinator: coordinatorArgs }[part](dir);
      },
      told: /cannot lock .*no permission/,
      options: { withoutRights: true },
    })),
  ]);

  test(
    "a saved network map that is broken is done without, and replaced",
    async () => {
      const dir = copyOf("agent", breaking("netmap.json"));
      const agent = await Daemon.start(agentArgs(dir));
      await Bun.sleep(1_500);
      const { exitCode, log } = await agent.end();
      expect(log).toMatch(/network map is not readable/);
      expect(exitCode).toBe(0);
      expect(JSON.parse(readFileSync(join(dir, "netmap.json"), "utf8"))).toMatchObject({ type: "welcome" });
    },
    TIMEOUT_MS,
  );
});

describe("GeoIP databases", () => {
  const geoip = (file: string) => [...coordinatorArgs(copyOf("coordinator")), "--geoip", file];
  mistakes([
    { what: "one that is missing", args: () => geoip(state("x.mmdb")), told: /x\.mmdb cannot be read/ },
    {
      what: "a file that is none",
      args: () => {
        writeFileSync(state("bad.mmdb"), "not a database");
        return geoip(state("bad.mmdb"));
      },
      told: /bad\.mmdb is not a GeoIP database/,
    },
    {
      what: "half of one",
      args: () => {
        const bytes = readFileSync(GEOIP);
        writeFileSync(state("half.mmdb"), bytes.subarray(0, bytes.length / 2));
        return geoip(state("half.mmdb"));
      },
      told: /half\.mmdb is not a GeoIP database/,
    },
    { what: "a directory", args: () => geoip(directory), told: /cannot be read/ },
  ]);
});

describe("devices", () => {
  mistakes([
    {
      what: "no right to open a TUN",
      args: () => [...agentArgs(copyOf("agent")), "--device", "tun:bwbad0"],
      told: /no right to .*bwbad0/,
      options: { withoutRights: true },
    },
    {
      what: "a WireGuard interface that does not exist",
      args: () => [...agentArgs(copyOf("agent")), "--device", "wireguard:bwnone0"],
      told: /bwnone0|`wg` command is missing/,
    },
  ]);
});
