/** `burrow netcheck` as people run it: with an agent, without one, and in networks where something is in the way. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ConnectProxy } from "../../platform/src/testing/connect-proxy.ts";
import { type Daemon, Processes } from "./testing/processes.ts";

const processes = new Processes();
const servers: { stop(force: boolean): unknown }[] = [];
let url: string;
let agent: Daemon;

interface Answer {
  readonly verdict: string;
  readonly agent: string;
  readonly udp: boolean | null;
  readonly findings: readonly { readonly check: string; readonly status: string; readonly text: string }[];
}

beforeAll(async () => {
  const { ready } = await processes.coordinator();
  url = ready.url;
  await processes.relay("here", url, ["--token-file", await processes.token("relay")]);
  agent = await processes.agent("laptop", url, ["--token-file", await processes.token("agent")]);
}, 40_000);

afterAll(async () => {
  for (const server of servers) server.stop(true);
  await processes.close();
});

async function netcheck(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { stdout, stderr, exitCode } = await processes.run(["netcheck", "--json", ...args], env);
  expect([stderr, exitCode]).toEqual(["", 0]);
  return JSON.parse(stdout);
}

const nobody = (): readonly string[] => ["--state", processes.state("nobody")];

/** An HTTP server that answers everything alike. */
function stranger(answer: () => Response): string {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

test("with the agent running, and, when it has stopped, with its key", async () => {
  const laptop = ["--state", processes.state("laptop")];
  expect(await netcheck(laptop)).toMatchObject({ verdict: "fine", agent: "running", udp: true });
  await processes.stop(agent);
  expect(await netcheck(laptop)).toMatchObject({ verdict: "fine", agent: "tried", udp: true });
  const { stdout } = await processes.run(["netcheck", ...laptop]);
  expect(stdout).toStartWith("nothing is in the way\n");
  expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
}, 30_000);

test("with nothing but a coordinator's address", async () => {
  const seen = await netcheck([...nobody(), "--coordinator", url]);
  expect(seen).toMatchObject({ verdict: "udp-unknown", agent: "none", udp: null });
  expect(seen.findings.find(({ check }) => check === "http")).toMatchObject({ status: "ok" });
  const { stderr, exitCode } = await processes.run(["netcheck", ...nobody()]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("--coordinator URL");
});

test.each([
  ["a page", () => new Response("<h1>Welcome to our hotel</h1>"), "captive-portal"],
  ["a redirection", () => Response.redirect("http://hotel.invalid/login", 302), "captive-portal"],
  ["a sign-in", () => new Response(null, { status: 511 }), "captive-portal"],
  ["an empty page without our words", () => new Response(null, { status: 204 }), "coordinator-down"],
  ["another server", () => new Response(null, { status: 404 }), "coordinator-down"],
  ["a proxy", () => new Response(null, { status: 407 }), "proxy-needed"],
] as const)("in the coordinator's place: %s", async (_, answer, verdict) => {
  expect(await netcheck([...nobody(), "--coordinator", stranger(answer)])).toMatchObject({ verdict });
});

test("a coordinator that is down, and a name that is none", async () => {
  expect(await netcheck([...nobody(), "--coordinator", "http://127.0.0.1:1"])).toMatchObject({
    verdict: "coordinator-down",
  });
  expect(await netcheck([...nobody(), "--coordinator", "https://nosuch.invalid"])).toMatchObject({
    verdict: "dns-broken",
  });
}, 20_000);

test("a proxy in use, one that refuses, one that is away", async () => {
  const proxy = await ConnectProxy.open({ resolve: () => "127.0.0.1", credentials: "me:hunter2" });
  const far = ["--coordinator", `https://coordinator.test:${new URL(url).port}`];
  const by = (credentials: string) => ({ HTTPS_PROXY: `http://${credentials}@127.0.0.1:${proxy.port}` });
  const refused = await netcheck([...nobody(), ...far], by("me:wrong-hunter2"));
  expect(refused).toMatchObject({ verdict: "proxy-refuses" });
  expect(JSON.stringify(refused)).not.toContain("hunter2");
  proxy.close();
  expect(await netcheck([...nobody(), ...far], by("me:hunter2"))).toMatchObject({ verdict: "proxy-refuses" });
}, 20_000);
