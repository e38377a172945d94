/**
 * No secret leaves the files that hold it: a mesh of real commands, talking at their loudest and made to fail in many
 * ways, then every key, token and ticket of it looked for in all that they wrote, answered and were started with.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConnectProxy } from "../../platform/src/testing/connect-proxy.ts";
import { type Daemon, Processes } from "./testing/processes.ts";

const PROXY_PASSWORD = "hunter2-of-the-proxy";
const processes = new Processes({ BURROW_LOG_LEVEL: "trace", BURROW_DEBUG: "1" });
const texts: { readonly where: string; readonly text: string }[] = [];
const secrets = new Map<string, string>();
let proxy: ConnectProxy;

const state = (name: string) => processes.state(name);
/** Of the files in the state directories, what is looked at here. */
interface StateFile {
  readonly token: string;
  readonly privateKey: string;
  readonly ticketKey: string;
  readonly key: string;
  readonly agent: { readonly id: string };
  readonly tickets: readonly { readonly ticket: string; readonly sessionKey: string }[];
}
const readJson = (path: string): StateFile => JSON.parse(readFileSync(path, "utf8"));

/** In every writing that somebody could log it in; `what` is only said when it is found. */
function secret(what: string, value: unknown): void {
  const text = String(value);
  if (text.length < 16) throw new Error(`${what} is no secret: too short`);
  secrets.set(text, what);
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < 16 || bytes.toString("base64") !== text) return;
  for (const form of ["hex", "base64url"] as const) secrets.set(bytes.toString(form), `${what} as ${form}`);
  secrets.set([...bytes].join(","), `${what} as numbers`);
}

function found(text: string): string[] {
  return [...secrets].filter(([value]) => text.includes(value)).map(([, what]) => what);
}

/** All files of the mesh. */
function files(directory = processes.directory): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.isFile() ? [path] : [];
  });
}

/** The argument lists of this test's processes, as every user of the machine can read them. */
function commandLines(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const line = readFileSync(join("/proc", pid, "cmdline"), "utf8");
      return line.includes(processes.directory) ? [line] : [];
    } catch {
      return [];
    }
  });
}

async function askAll(
  base: string,
  paths: readonly string[],
  headers: Record<string, string> = {},
): Promise<void> {
  for (const path of paths) {
    const response = await fetch(`${base}${path}`, { headers });
    texts.push({
      where: `${base}${path}`,
      text: `${JSON.stringify([...response.headers])}${await response.text()}`,
    });
  }
}

beforeAll(async () => {
  proxy = await ConnectProxy.open({ credentials: `me:${PROXY_PASSWORD}`, resolve: () => "127.0.0.1" });
  secrets.set(PROXY_PASSWORD, "the proxy's password");
  const coordinator = await processes.coordinator();
  const url = coordinator.ready.url;
  const relayToken = await processes.token("relay");
  const agentToken = await processes.token("agent", ["--uses", "2"]);
  const relay = await processes.relay("here", url, ["--token-file", relayToken, "--wss", "127.0.0.1:0"]);
  const by = { HTTP_PROXY: `http://me:${PROXY_PASSWORD}@127.0.0.1:${proxy.port}` };
  const far = url.replace("127.0.0.1", "coordinator.test");
  const [ann, bob] = [
    await processes.agent("ann", far, ["--token-file", agentToken], by),
    await processes.agent("bob", url, [], { BURROW_TOKEN: readFileSync(agentToken, "utf8").trim() }),
  ];
  // Maps are saved a moment after they came.
  const maps = ["ann", "bob"].map((name) => join(state(name), "netmap.json"));
  for (let tries = 0; tries < 50 && !maps.every((path) => existsSync(path)); tries++) await Bun.sleep(100);
  collectSecrets([relayToken, agentToken]);
  await look(url, relay.ready.httpUrl);
  for (const line of commandLines()) texts.push({ where: "an argument list", text: line });
  await provoke(url, relayToken, { coordinator, relay, ann, bob });
  // What was given since.
  for (const name of ["ann", "bob"]) collectTickets(name);
}, 90_000);

afterAll(async () => {
  proxy.close();
  await processes.close();
});

function collectSecrets(tokenFiles: readonly string[]): void {
  for (const file of tokenFiles) secret("an enrolment token", readFileSync(file, "utf8").trim());
  secret("the operator token", readJson(join(state("coordinator"), "operator.json")).token);
  for (const name of ["here", "ann", "bob"]) {
    secret(`${name}'s private key`, readJson(join(state(name), "identity.json")).privateKey);
  }
  secret("the ticket key", readJson(join(state("here"), "coordinator.json")).ticketKey);
  const pem = readJson(join(state("here"), "tls.json")).key;
  for (const line of pem.split("\n").filter((one) => one.length > 40)) secret("the door's private key", line);
  for (const name of ["ann", "bob"]) collectTickets(name);
}

function collectTickets(name: string): void {
  const { tickets } = readJson(join(state(name), "netmap.json"));
  for (const { ticket, sessionKey } of tickets) {
    secret(`${name}'s ticket`, ticket);
    secret(`${name}'s session key`, sessionKey);
  }
}

/** Everything that anybody may ask. */
async function look(url: string, relayUrl: string): Promise<void> {
  for (const command of ["status", "peers", "relays", "netcheck", "doctor"]) {
    for (const more of [[], ["--json"]]) await processes.run([command, "--state", state("ann"), ...more]);
  }
  await processes.run(["ping", "bob", "-c", "2", "--state", state("ann")]);
  await processes.run(["why", "bob", "--state", state("ann")]);
  await processes.run(["agents", "--json", "--state", state("coordinator")]);
  const operator = {
    authorization: `Bearer ${readJson(join(state("coordinator"), "operator.json")).token}`,
  };
  const paths = ["/healthz", "/readyz", "/metrics", "/v1/relays", "/v1/agents", "/openapi.json", "/nowhere"];
  await askAll(url, paths);
  await askAll(url, paths, operator);
  await askAll(relayUrl, ["/healthz", "/readyz", "/metrics", "/v1/status"]);
}

interface Mesh {
  readonly coordinator: Daemon;
  readonly relay: Daemon;
  readonly ann: Daemon;
  readonly bob: Daemon;
}

/** A command that should fail; one that works all the same is stopped again. */
function attempt(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return processes.run(args, env, 3_000);
}

/** What goes wrong in a mesh's life, each failure with secrets at hand that it could tell. */
async function provoke(url: string, usedToken: string, mesh: Mesh): Promise<void> {
  const up = (name: string) => [
    "up",
    "--coordinator",
    url,
    "--name",
    name,
    "--device",
    "none",
    "--state",
    state(name),
  ];
  // A token that is used up, one that is nearly right, the operator's, and one where a key should be.
  await attempt([...up("late"), "--token-file", usedToken]);
  const wrong = join(processes.directory, "wrong.token");
  writeFileSync(wrong, `${readFileSync(usedToken, "utf8").trim()}x\n`, { mode: 0o600 });
  await attempt([...up("late"), "--token-file", wrong]);
  await attempt([...up("late"), "--token-file", join(state("coordinator"), "operator.json")]);
  await attempt([...up("late"), "--token-file", join(state("ann"), "identity.json")]);
  // The same key twice, a name that is taken, a coordinator's address with a password in it.
  await attempt(up("ann"));
  const password = "hunter2-of-the-coordinator";
  secrets.set(password, "a password in a URL");
  const withPassword = url.replace("://", `://me:${password}@`);
  await attempt(["up", "--device", "none", "--state", state("late")], {
    BURROW_COORDINATOR: withPassword,
  });
  await fetch(`${url}/v1/agents`, {
    headers: { authorization: `Bearer ${readFileSync(usedToken, "utf8").trim()}` },
  });
  // Broken files that hold secrets, read by those who need them.
  await processes.stop(mesh.bob);
  for (const [name, file] of [
    ["bob", "netmap.json"],
    ["bob", "identity.json"],
  ] as const) {
    const path = join(state(name), file);
    const whole = readFileSync(path, "utf8");
    writeFileSync(path, whole.slice(0, -12), { mode: 0o600 });
    await attempt(up(name));
    writeFileSync(path, whole, { mode: 0o600 });
  }
  // A revoked agent, a drained relay, and then everybody dies in turn.
  const { id } = readJson(join(state("ann"), "netmap.json")).agent;
  await processes.run(["agent", "remove", id, "--state", state("coordinator")]);
  await processes.run(["relay", "drain", mesh.relay.ready.id, "--state", state("coordinator")]);
  await Bun.sleep(500);
  mesh.coordinator.child.kill("SIGKILL");
  await Bun.sleep(500);
  for (const daemon of [mesh.relay, mesh.ann]) await processes.stop(daemon);
}

describe("the mesh", () => {
  test("had secrets of every kind, and was loud", () => {
    const kinds = [...secrets.values()].join("\n");
    for (const kind of [
      "enrolment token",
      "operator token",
      "private key",
      "ticket key",
      "ticket",
      "session key",
    ]) {
      expect(kinds).toContain(kind);
    }
    expect(processes.outputs.filter(({ text }) => text.includes('"level":"debug"')).length).toBeGreaterThan(
      2,
    );
    expect(processes.outputs.filter(({ text }) => text.includes("error: ")).length).toBeGreaterThan(5);
    expect(texts.filter(({ where }) => where === "an argument list").length).toBeGreaterThanOrEqual(4);
  });

  test("would be caught telling one", () => {
    expect(found(readFileSync(join(state("ann"), "identity.json"), "utf8"))).toContain("ann's private key");
    expect(found(readFileSync(join(state("bob"), "netmap.json"), "utf8")).length).toBeGreaterThanOrEqual(2);
  });

  test("wrote none: no log, no output, no error, no trace", () => {
    const told = processes.outputs.flatMap(({ command, text }) =>
      found(text).map((what) => `${command}: ${what}`),
    );
    expect(told).toEqual([]);
  });

  test("answered none, and was started with none", () => {
    expect(texts.flatMap(({ where, text }) => found(text).map((what) => `${where}: ${what}`))).toEqual([]);
  });

  test("keeps them in files that only their owner may use", () => {
    const open = files().filter((path) => (statSync(path).mode & 0o077) !== 0);
    expect(open).toEqual([]);
    for (const name of ["coordinator", "here", "ann", "bob"])
      expect(statSync(state(name)).mode & 0o077).toBe(0);
  });
});
