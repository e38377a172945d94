/** The daemons as processes: a small mesh by commands alone, and every mistake with its error, exit code and remedy. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = new URL("./main.ts", import.meta.url).pathname;
const READY_WAIT_MS = 15_000;

const directory = mkdtempSync(join(tmpdir(), "burrow-daemons-"));
const state = (name: string) => join(directory, name);
const daemons: Daemon[] = [];

afterAll(async () => {
  for (const daemon of daemons) daemon.child.kill("SIGKILL");
  await Promise.all(daemons.map(({ child }) => child.exited));
  rmSync(directory, { recursive: true, force: true });
});

function spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("BURROW_"));
  return Bun.spawn([process.execPath, MAIN, ...args], {
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Runs a command to its end. */
async function burrow(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(args, env);
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

interface Ready {
  readonly url?: string;
  readonly id?: string;
  readonly httpUrl?: string;
  readonly registered?: boolean;
}

interface Daemon {
  readonly child: ReturnType<typeof spawn>;
  readonly ready: Ready;
}

/** Starts a daemon and waits for its line that says it is ready. */
async function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Daemon> {
  const child = spawn([...args, "--json"], env);
  const errors = child.stderr.text();
  const reader = child.stdout.getReader();
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_WAIT_MS);
  const { value } = await reader.read();
  clearTimeout(timer);
  if (value === undefined) throw new Error(`burrow ${args.join(" ")} ended: ${await errors}`);
  const daemon = { child, ready: JSON.parse(new TextDecoder().decode(value)) as Ready };
  daemons.push(daemon);
  return daemon;
}

async function stop({ child }: Daemon): Promise<number> {
  child.kill("SIGTERM");
  return child.exited;
}

const LOOPBACK = "127.0.0.1:0";
let url = "";

async function token(kind: "agent" | "relay", ...more: readonly string[]): Promise<string> {
  const { stdout } = await burrow([
    "token",
    "create",
    "--for",
    kind,
    "--state",
    state("coordinator"),
    ...more,
  ]);
  return stdout.trim();
}

const relayArgs = (name: string) => [
  "relay",
  "--coordinator",
  url,
  "--region",
  name,
  "--listen",
  LOOPBACK,
  "--http",
  LOOPBACK,
  "--state",
  state(name),
];
const agentArgs = (name: string) => [
  "up",
  "--coordinator",
  url,
  "--name",
  name,
  "--device",
  "none",
  "--port-mapping",
  "off",
  "--state",
  state(name),
];

beforeAll(async () => {
  const { ready } = await start(["coordinator", "--listen", LOOPBACK, "--state", state("coordinator")]);
  url = String(ready.url);
}, READY_WAIT_MS);

describe("a mesh by commands alone", () => {
  let relay: Daemon;
  let ann: Daemon;
  let bob: Daemon;

  test("relay and agents join: tokens by file, variable and flag", async () => {
    const file = join(directory, "relay.token");
    writeFileSync(file, `${await token("relay")}\n`, { mode: 0o600 });
    relay = await start([...relayArgs("here"), "--at", "50.1,8.7", "--token-file", file]);
    expect(relay.ready).toMatchObject({ event: "ready", region: "here", registered: true });
    ann = await start(agentArgs("ann"), { BURROW_TOKEN: await token("agent") });
    bob = await start([...agentArgs("bob"), "--token", await token("agent")]);
    expect(ann.ready).toMatchObject({ event: "ready", stateDir: state("ann") });
    const health = await fetch(`${relay.ready.httpUrl}/healthz`);
    expect(health.status).toBe(200);
    expect(statSync(join(state("coordinator"), "operator.json")).mode & 0o777).toBe(0o600);
  }, 30_000);

  test("ping, by name", async () => {
    // Until both are bound there is no way; that takes moments.
    let answered = await burrow(["ping", "bob", "-c", "1", "--json", "--state", state("ann")]);
    for (let tries = 0; answered.exitCode !== 0 && tries < 10; tries++) {
      answered = await burrow([
        "ping",
        "bob",
        "-c",
        "1",
        "--timeout",
        "1s",
        "--json",
        "--state",
        state("ann"),
      ]);
    }
    expect(answered.stderr).toBe("");
    const lines = answered.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ path: { kind: expect.stringMatching(/^(relay|direct)$/) } });
    expect(lines.at(-1)).toMatchObject({ summary: { sent: 1, received: 1, lossPercent: 0 } });
    const text = await burrow(["ping", "bob", "-c", "2", "-i", "50ms", "--state", state("ann")]);
    expect(text.stdout).toMatch(/\nbob: 2 sent, 2 answered, 0% lost; min /);
  }, 30_000);

  for (const [command, text] of [
    [["status"], /^agent +ann \([0-9a-f]{16}\) in network default\n/],
    [["peers"], /\nbob +100\.64\.0\.\d+ +(direct|relay here)/],
    [["relays"], /\nhere +[0-9a-f]{16} +healthy +home /],
    [["netcheck"], /SEES US AS/],
    [["why", "bob"], /^bob: (direct|relay)/],
  ] as const) {
    test(`${command.join(" ")}, as text and as JSON`, async () => {
      const plain = await burrow([...command, "--state", state("ann")]);
      expect(plain.stdout).toMatch(text);
      expect(plain.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
      const json = await burrow([...command, "--state", state("ann"), "--json"]);
      expect(typeof JSON.parse(json.stdout)).toBe("object");
      expect([plain.exitCode, json.exitCode, plain.stderr, json.stderr]).toEqual([0, 0, "", ""]);
    });
  }

  test("a peer that nobody knows", async () => {
    for (const command of ["ping", "why"]) {
      const { exitCode, stderr } = await burrow([command, "zoe", "--state", state("ann")]);
      expect(stderr).toMatch(/^error: no peer is called zoe\n {2}try: `burrow peers` lists them/);
      expect(exitCode).toBe(1);
    }
  });

  test("relay list: as a table, and as the coordinator's API has it", async () => {
    const access = { BURROW_COORDINATOR: url, BURROW_OPERATOR_TOKEN: operatorToken() };
    const shown = await burrow(["relay", "list"], access);
    expect([shown.stderr, shown.exitCode]).toEqual(["", 0]);
    expect(shown.stdout).toMatch(new RegExp(`^REGION .*\\n.* ${relay.ready.id} +healthy`));
    const { stdout } = await burrow(["relay", "list", "--json"], access);
    expect(JSON.parse(stdout)).toMatchObject([{ id: relay.ready.id, state: "healthy" }]);
  });

  test("drain, and undo", async () => {
    const id = String(relay.ready.id);
    const access = { BURROW_COORDINATOR: url, BURROW_OPERATOR_TOKEN: operatorToken() };
    const drained = await burrow(["relay", "drain", id], access);
    expect([drained.stderr, drained.exitCode]).toEqual(["", 0]);
    expect(drained.stdout).toContain("draining");
    const undone = await burrow(["relay", "drain", id, "--undo", "--json"], access);
    expect(JSON.parse(undone.stdout)).toMatchObject({ id });
    const unknown = await burrow(["relay", "drain", "0011223344556677"], access);
    expect(unknown.stderr).toMatch(/^error: .*no relay.*\n {2}try: `burrow relay list` lists them/i);
    expect(unknown.exitCode).toBe(1);
  });

  test("agents without a name of their own take the host's, or one like it, and keep it", async () => {
    const unnamed = (name: string) => agentArgs(name).toSpliced(3, 2);
    const nameOf = async (name: string) => {
      const { stdout } = await burrow(["status", "--state", state(name), "--json"]);
      return (JSON.parse(stdout) as { readonly name: string }).name;
    };
    const tokens = await token("agent", "--uses", "2");
    const first = await start([...unnamed("u1"), "--token", tokens]);
    const second = await start([...unnamed("u2"), "--token", tokens]);
    const name = await nameOf("u1");
    expect(await nameOf("u2")).toBe(`${name}-2`);
    expect([await stop(first), await stop(second)]).toEqual([0, 0]);
    rmSync(join(state("u2"), "netmap.json"));
    const again = await start(unnamed("u2"));
    expect(await nameOf("u2")).toBe(`${name}-2`);
    expect(await stop(again)).toBe(0);
    const access = ["--state", state("coordinator")];
    const listed = await burrow(["agents", ...access]);
    expect(listed.stdout).toMatch(/^NAME +ID +NETWORK +ADDRESS +ONLINE +HOME +MOVES\n/);
    const removed = await burrow(["agent", "remove", String(second.ready.id), ...access]);
    expect(removed).toMatchObject({
      exitCode: 0,
      stdout: `agent ${second.ready.id} (${name}-2) is removed\n`,
    });
    const left = await burrow(["agents", ...access, "--json"]);
    expect(JSON.parse(left.stdout)).not.toContainEqual(expect.objectContaining({ id: second.ready.id }));
    const refused = await burrow(["agent", "remove", "0011223344556677", ...access]);
    expect(refused.stderr).toMatch(
      /^error: There is no agent of this id.\n {2}try: `burrow agents` lists them/,
    );
  }, 30_000);

  test("a relay that is gone for good is removed", async () => {
    const gone = await start([...relayArgs("gone"), "--token", await token("relay")]);
    expect(await stop(gone)).toBe(0);
    const access = ["--state", state("coordinator")];
    const removed = await burrow(["relay", "remove", String(gone.ready.id), ...access]);
    expect(removed).toMatchObject({ exitCode: 0, stdout: `relay ${gone.ready.id} in gone is removed\n` });
    expect((await burrow(["relay", "remove", String(gone.ready.id), ...access])).exitCode).toBe(1);
  }, 30_000);

  test("a ping to oneself is told to be that", async () => {
    const { exitCode, stderr } = await burrow(["ping", "ann", "--state", state("ann")]);
    expect(stderr).toMatch(/^error: ann is this agent itself\n/);
    expect(exitCode).toBe(1);
  });

  test.skipIf(process.getuid?.() !== 0 || !existsSync("/dev/net/tun"))(
    "a TUN name that is in use is told before the token is spent",
    async () => {
      const once = await token("agent", "--uses", "2");
      const onTun = (name: string) => [...agentArgs(name), "--device", "tun:bwtaken0", "--token", once];
      const holder = await start(onTun("holder"));
      const { exitCode, stderr } = await burrow(onTun("late"));
      expect(stderr).toMatch(/error: the interface bwtaken0 is in use/);
      expect(exitCode).toBe(1);
      expect(await stop(holder)).toBe(0);
      const late = await start(onTun("late"));
      expect(await stop(late)).toBe(0);
    },
    30_000,
  );

  test("a name that is taken", async () => {
    const args = [...agentArgs("ann"), "--state", state("impostor")];
    const { exitCode, stderr } = await burrow([...args, "--token", await token("agent")]);
    expect(stderr).toMatch(/error: .*called ann.*\n {2}try: .*--name/);
    expect(exitCode).toBe(1);
  });

  test("a state directory that is in use", async () => {
    for (const args of [
      agentArgs("ann"),
      relayArgs("here"),
      ["coordinator", "--listen", LOOPBACK, "--state", state("coordinator")],
    ]) {
      const { exitCode, stderr } = await burrow(args);
      expect(stderr).toMatch(/(^|\n)error: .*\n {2}try: /);
      expect(exitCode).toBe(1);
    }
  }, 30_000);

  test("SIGTERM stops each cleanly, and a second start needs no token", async () => {
    expect(await stop(bob)).toBe(0);
    expect(await stop(relay)).toBe(0);
    relay = await start(relayArgs("here"));
    expect(relay.ready.registered).toBe(true);
    bob = await start(agentArgs("bob"));
    expect([await stop(bob), await stop(ann), await stop(relay)]).toEqual([0, 0, 0]);
    const { stderr } = await burrow(["status", "--state", state("ann")]);
    expect(stderr).toMatch(/^error: no agent is running/);
  }, 30_000);
});

describe("mistakes: what is wrong, what to do, exit 1", () => {
  const cases: readonly (readonly [string, () => Promise<readonly string[]>, RegExp])[] = [
    ["a wrong token", async () => [...agentArgs("w"), "--token", "nonsense"], /token/],
    ["no token", async () => agentArgs("n"), /token/],
    [
      "a relay's token for an agent",
      async () => [...agentArgs("r"), "--token", await token("relay")],
      /for a relay/,
    ],
    ["a wrong token for a relay", async () => [...relayArgs("wr"), "--token", "nonsense"], /token/],
    [
      "an expired token",
      async () => {
        const expired = await token("agent", "--expires", "1s");
        await Bun.sleep(1_100);
        return [...agentArgs("e"), "--token", expired];
      },
      /expired/,
    ],
    [
      "a token file that is not there",
      async () => [...agentArgs("f"), "--token-file", state("none")],
      /there is none/,
    ],
    [
      "no database there",
      async () => ["coordinator", "--listen", LOOPBACK, "--state", state("g"), "--geoip", state("x.mmdb")],
      /x\.mmdb/,
    ],
    [
      "a file that is no database",
      async () => {
        writeFileSync(state("bad.mmdb"), "not a database");
        return ["coordinator", "--listen", LOOPBACK, "--state", state("h"), "--geoip", state("bad.mmdb")];
      },
      /bad\.mmdb/,
    ],
    [
      "a port in use",
      async () => ["coordinator", "--listen", new URL(url).host, "--state", state("p")],
      /another program has the port/,
    ],
    [
      "an address of another machine",
      async () => ["coordinator", "--listen", "192.0.2.1:80", "--state", state("a")],
      /192\.0\.2\.1/,
    ],
    [
      "a WireGuard interface that does not exist",
      async () => [...agentArgs("i"), "--device", "wireguard:bwnone0"],
      /bwnone0|WireGuard/,
    ],
  ];
  for (const [what, args, message] of cases) {
    test(what, async () => {
      const { exitCode, stdout, stderr } = await burrow(await args());
      expect(stderr).toMatch(/(^|\n)error: .*\n {2}try: /);
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain("unexpected error");
      expect([exitCode, stdout]).toEqual([1, ""]);
    }, 30_000);
  }

  test("a token used up", async () => {
    const once = await token("agent");
    const first = await start([...agentArgs("first"), "--token", once]);
    const { exitCode, stderr } = await burrow([...agentArgs("second"), "--token", once]);
    expect(stderr).toMatch(/error: .*once.*\n {2}try: /);
    expect(exitCode).toBe(1);
    await stop(first);
  }, 30_000);

  test("a broken state file", async () => {
    const { child } = await start([...agentArgs("broken"), "--token", await token("agent")]);
    child.kill("SIGTERM");
    await child.exited;
    const files = [...new Bun.Glob("*").scanSync(state("broken"))];
    const identity = files.find((file) => file.includes("identity") || file.includes("key"));
    expect(identity).toBeDefined();
    const path = join(state("broken"), identity ?? "");
    writeFileSync(path, "{ not whole", { mode: 0o600 });
    const { exitCode, stderr } = await burrow(agentArgs("broken"));
    expect(stderr).toMatch(/(^|\n)error: .*\n {2}try: /);
    expect(exitCode).toBe(1);
    expect(readFileSync(path, "utf8")).toBe("{ not whole");
  }, 30_000);

  test("the last words of a part that no signal stops in time", async () => {
    const daemon = await start(["coordinator", "--listen", LOOPBACK, "--state", state("twice")]);
    daemon.child.kill("SIGINT");
    daemon.child.kill("SIGINT");
    expect([0, 130]).toContain(await daemon.child.exited);
  });
});

function operatorToken(): string {
  const file = JSON.parse(readFileSync(join(state("coordinator"), "operator.json"), "utf8")) as {
    token: string;
  };
  return file.token;
}
