/** A network whose only way out is an HTTP proxy: relay and agent find the coordinator by it, and each other. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ConnectProxy } from "../../platform/src/testing/connect-proxy.ts";
import { Processes } from "./testing/processes.ts";

const CREDENTIALS = "laptop:hunter2-of-the-proxy";
const processes = new Processes();
let proxy: ConnectProxy;
let variables: { readonly HTTP_PROXY: string; readonly HTTPS_PROXY: string };
/** A name that nothing but the proxy knows. */
let url: string;

beforeAll(async () => {
  proxy = await ConnectProxy.open({ credentials: CREDENTIALS, resolve: () => "127.0.0.1" });
  const by = `http://${CREDENTIALS}@127.0.0.1:${proxy.port}`;
  variables = { HTTP_PROXY: by, HTTPS_PROXY: by };
  const { ready } = await processes.coordinator();
  url = `http://coordinator.test:${new URL(ready.url).port}`;
}, 20_000);

afterAll(async () => {
  proxy.close();
  await processes.close();
});

test("side channels and the WebSocket door go by the proxy, and nobody writes its password", async () => {
  const [relayToken, agentToken] = [await processes.token("relay"), await processes.token("agent")];
  // An address of TEST-NET-1: no UDP gets there.
  const doors = ["--advertise", "192.0.2.1:21820", "--wss", "127.0.0.1:0", "--wss-url", "wss://relay.test:1"];
  const relay = await processes.relay("far", url, ["--token-file", relayToken, ...doors], {
    ...variables,
    BURROW_LOG_LEVEL: "trace",
  });
  expect(relay.ready).toMatchObject({ registered: true });
  const [, port] = /takes WebSocket over TLS on port (\d+)/.exec(relay.output()) ?? [];
  proxy.redirect("relay.test:1", Number(port));
  await processes.agent("laptop", url, ["--token-file", agentToken], {
    ...variables,
    BURROW_LOG_LEVEL: "trace",
  });
  let relays: { bound: boolean; transport: string }[] = [];
  for (let tries = 0; tries < 50 && relays[0]?.bound !== true; tries++) {
    await Bun.sleep(100);
    const { stdout } = await processes.run(
      ["relays", "--json", "--state", processes.state("laptop")],
      variables,
    );
    relays = JSON.parse(stdout);
  }
  expect(relays).toMatchObject([{ bound: true, transport: "websocket" }]);
  expect(proxy.asked).toContain("relay.test:1");
  expect(proxy.asked.filter((who) => who.startsWith("coordinator.test:")).length).toBeGreaterThanOrEqual(2);
  for (const { text } of processes.outputs) expect(text).not.toContain("hunter2");
}, 40_000);

test.each([
  [
    "a wrong password",
    (by: URL) => Object.assign(by, { password: "wrong-hunter2" }),
    /wants a name and a password/,
  ],
  [
    "a proxy that is not there",
    (by: URL) => Object.assign(by, { port: "1" }),
    /by the proxy http:\/\/127\.0\.0\.1:1: /,
  ],
] as const)(
  "%s is told, and the password is not",
  async (_, change, told) => {
    const by = change(new URL(variables.HTTP_PROXY)).href;
    const token = await processes.token("agent");
    const name = `lost-${Math.floor(performance.now())}`;
    const args = ["up", "--coordinator", url, "--name", name, "--device", "none", "--token-file", token];
    const { exitCode, stderr, stdout } = await processes.run([...args, "--state", processes.state(name)], {
      HTTP_PROXY: by,
      BURROW_LOG_LEVEL: "trace",
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(told);
    expect(stdout + stderr).not.toContain("hunter2");
  },
  30_000,
);

test("a proxy that speaks no HTTP is refused at the start, by the variable's name", async () => {
  const args = ["up", "--coordinator", url, "--device", "none", "--state", processes.state("socks")];
  const { exitCode, stderr } = await processes.run(args, {
    HTTPS_PROXY: "socks5://u:hunter2@127.0.0.1:1080",
  });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("HTTPS_PROXY names a proxy that speaks socks5, not HTTP");
  expect(stderr).toContain("try: ");
  expect(stderr).not.toContain("hunter2");
});

test("this machine's coordinator is asked straight, whatever proxy is set", async () => {
  const dead = { HTTP_PROXY: "http://127.0.0.1:1" };
  const { exitCode, stdout } = await processes.run(
    ["agents", "--json", "--state", processes.state("coordinator")],
    dead,
  );
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toBeArray();
});
