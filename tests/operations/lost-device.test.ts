/** An agent whose interface somebody removes ends and says why, so that its service manager starts it anew: real interfaces and processes. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, Processes } from "../../cli/src/testing/processes.ts";
import { inNamespace, type Namespace, withNamespaces } from "../../platform/src/testing/namespaces.ts";
import { needs } from "../../platform/src/testing/needs.ts";

const WAIT_MS = 20_000;
const AGAIN_MS = 50;
const LIMIT_MS = 90_000;
/** Any 32 bytes are a key: `wg` makes of them what X25519 wants. */
const PRIVATE_KEY = `${Buffer.alloc(32, 7).toString("base64")}\n`;

const possible = needs("agents that lose their device", {
  root: true,
  commands: ["ip", "wg", "wireguard-go"],
  files: ["/dev/net/tun"],
});

const made: Processes[] = [];
afterEach(async () => {
  for (const processes of made.splice(0)) await processes.close();
});

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + WAIT_MS; !(await isTrue()); await Bun.sleep(AGAIN_MS)) {
    if (performance.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
  }
}

/** A relay and one agent in a namespace; resolves when the agent is bound. */
async function meshOfOne(place: Namespace, device: string) {
  const processes = new Processes({}, ["ip", "netns", "exec", place]);
  made.push(processes);
  const { ready } = await processes.coordinator();
  await processes.relay("here", ready.url, ["--token-file", await processes.token("relay")]);
  const more = ["--device", device, "--token-file", await processes.token("agent")];
  const agent = await processes.agent("ann", ready.url, more);
  await until("the agent is bound", async () => {
    const { stdout } = await processes.run(["relays", "--state", processes.state("ann"), "--json"]);
    const relays = JSON.parse(stdout) as readonly { readonly bound: boolean }[];
    return relays.some(({ bound }) => bound);
  });
  return { processes, agent };
}

/** Its exit code; undefined when it goes on. */
async function endOf({ child }: Daemon): Promise<number | undefined> {
  return await Promise.race([child.exited, Bun.sleep(WAIT_MS).then(() => undefined)]);
}

test.skipIf(!possible)(
  "a TUN device that is removed ends the agent",
  async () => {
    await withNamespaces(["losttun"], async ([place]) => {
      const { agent } = await meshOfOne(place, "tun:burrow0");
      inNamespace(place, "ip", "link", "del", "burrow0");
      expect(await endOf(agent)).toBe(1);
      expect(agent.output()).toMatch(
        /error: the interface burrow0 is gone: somebody removed it while the agent ran\n {2}try: start the agent again/,
      );
    });
  },
  LIMIT_MS,
);

test.skipIf(!possible)(
  "so does a WireGuard interface, which is one agent's alone, and nothing is kept of what was changed on it",
  async () => {
    await withNamespaces(["lostwg"], async ([place]) => {
      const name = `wglost${process.pid}`;
      const go = Bun.spawn(["ip", "netns", "exec", place, "wireguard-go", "-f", name], {
        stdout: "ignore",
        stderr: "ignore",
      });
      try {
        const isThere = () => Bun.spawnSync(["wg", "show", name], { stderr: "ignore" }).exitCode === 0;
        await until("wireguard-go is up", isThere);
        const set = ["wg", "set", name, "private-key", "/dev/stdin", "listen-port", "51820"];
        Bun.spawnSync(["ip", "netns", "exec", place, ...set], { stdin: Buffer.from(PRIVATE_KEY) });
        const { processes, agent } = await meshOfOne(place, `wireguard:${name}`);
        expect(existsSync(join(processes.state("ann"), "interface.json"))).toBe(true);
        const twice = ["up", "--coordinator", "http://127.0.0.1:9", "--device", `wireguard:${name}`];
        const second = await processes.run([...twice, "--token", "t", "--state", processes.state("bob")]);
        expect(second).toMatchObject({
          exitCode: 1,
          stderr: expect.stringContaining(`error: another agent uses the WireGuard interface ${name}`),
        });
        inNamespace(place, "ip", "link", "del", name);
        expect(await endOf(agent)).toBe(1);
        expect(agent.output()).toContain(`error: the interface ${name} is gone`);
        expect(agent.output()).not.toContain("could not be left as it was found");
        expect(existsSync(join(processes.state("ann"), "interface.json"))).toBe(false);
      } finally {
        go.kill("SIGKILL");
        await go.exited;
        rmSync(`/var/run/wireguard/${name}.sock`, { force: true });
      }
    });
  },
  LIMIT_MS,
);
