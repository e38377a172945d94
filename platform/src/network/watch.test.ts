/** Changes of the network: real ones in a namespace, invented ones elsewhere. */
import { describe, expect, test } from "bun:test";
import { inNamespace, withNamespaces } from "../testing/namespaces.ts";
import { needs } from "../testing/needs.ts";
import { type LocalAddress, localAddresses } from "./interfaces.ts";
import { type LocalNetwork, watchNetwork } from "./watch.ts";

test("by looking: speaks when something changed, and only then", async () => {
  const [base] = localAddresses();
  if (base === undefined) throw new Error("no address at all");
  const other: LocalAddress = { ...base, address: "192.0.2.9" };
  const gateway = { address: "192.0.2.1", interface: base.name, local: base.address };
  let network: LocalNetwork = { addresses: [base], gateway: undefined };
  const heard: LocalNetwork[] = [];
  const watcher = watchNetwork((now) => heard.push(now), { pollMs: 1, look: () => network });
  expect(watcher.how).toBe("polling");
  const steps: LocalNetwork[] = [
    { addresses: [base, other], gateway: undefined },
    { addresses: [base, other], gateway },
    { addresses: [], gateway: undefined },
  ];
  await Bun.sleep(10);
  expect(heard).toEqual([]);
  for (const step of steps) {
    network = step;
    await Bun.sleep(10);
  }
  watcher.close();
  network = { addresses: [base], gateway: undefined };
  await Bun.sleep(10);
  expect(heard).toEqual(steps);
});

/** Watches in a namespace; each step of `body` is a change and what must then be heard, with how long that took. */
function watchingScript(body: string): string {
  return `
    import { watchNetwork } from ${JSON.stringify(`${import.meta.dir}/watch.ts`)};
    import { readdirSync } from "node:fs";
    const ip = (...args) => {
      const { exitCode, stderr } = Bun.spawnSync(["ip", ...args]);
      if (exitCode !== 0) throw new Error(stderr.toString());
    };
    let latest, wake = () => {};
    const open = () => readdirSync("/proc/self/fd").length;
    // The first command takes descriptors, of which Bun keeps some and lets others go a moment later.
    ip("link", "show");
    const settle = async () => { Bun.gc(true); await Bun.sleep(100); };
    await settle();
    const before = open();
    const watcher = watchNetwork((network) => { latest = network; wake(); });
    const until = async (what, holds) => {
      const startedMs = performance.now();
      while (latest === undefined || !holds(latest)) {
        if (performance.now() - startedMs > 5_000) throw new Error("not noticed: " + what);
        await new Promise((resolve) => { wake = resolve; setTimeout(resolve, 100); });
      }
      report[what] = performance.now() - startedMs;
    };
    const report = {};
    ${body}
    watcher.close();
    await settle();
    console.log(JSON.stringify({ how: watcher.how, leaked: open() - before, report }));
  `;
}

interface Report {
  readonly how: string;
  readonly leaked: number;
  readonly report: Readonly<Record<string, number>>;
}

async function watch(body: string): Promise<Report> {
  let text = "";
  await withNamespaces(["watch"], ([place]) => {
    text = inNamespace(place, process.execPath, "-e", watchingScript(body));
  });
  return JSON.parse(text) as Report;
}

describe.skipIf(!needs("changes of the network", { root: true, commands: ["ip"] }))("by netlink", () => {
  test("addresses and gateways are noticed well within a second, and nothing is left open", async () => {
    const { how, leaked, report } = await watch(`
      const has = (of) => ({ addresses }) => addresses.some(({ address }) => address === of);
      ip("link", "add", "wan", "type", "veth", "peer", "name", "other");
      ip("link", "set", "wan", "up");
      ip("link", "set", "other", "up");
      ip("addr", "add", "192.0.2.77/24", "dev", "wan");
      await until("address", has("192.0.2.77"));
      ip("route", "add", "default", "via", "192.0.2.1", "metric", "100");
      await until("gateway", ({ gateway }) => gateway?.address === "192.0.2.1" && gateway.local === "192.0.2.77");
      ip("route", "add", "default", "via", "192.0.2.2", "metric", "50");
      await until("better", ({ gateway }) => gateway?.address === "192.0.2.2");
      ip("link", "set", "wan", "down");
      await until("down", ({ addresses, gateway }) => gateway === undefined && !has("192.0.2.77")({ addresses }));
    `);
    expect({ how, leaked }).toEqual({ how: "netlink", leaked: 0 });
    expect(Object.keys(report)).toEqual(["address", "gateway", "better", "down"]);
    for (const [what, tookMs] of Object.entries(report)) expect([what, tookMs < 1_000]).toEqual([what, true]);
  }, 20_000);

  test("when more happens than the kernel keeps word of, it hears of what is true in the end", async () => {
    const { leaked, report } = await watch(`
      const lines = Array.from({ length: 1_500 }, (_, i) => (i % 2 ? "addr del" : "addr add") + " 192.0.2.9/32 dev lo");
      const batch = lines.join("\\n") + "\\naddr add 192.0.2.10/32 dev lo\\n";
      const { exitCode } = Bun.spawnSync(["ip", "-batch", "-"], { stdin: new TextEncoder().encode(batch) });
      if (exitCode !== 0) throw new Error("ip -batch");
      await until("last", ({ addresses }) => addresses.some(({ address }) => address === "192.0.2.10"));
      await Bun.sleep(1_500);
      ip("addr", "add", "192.0.2.11/32", "dev", "lo");
      await until("later", ({ addresses }) => addresses.some(({ address }) => address === "192.0.2.11"));
    `);
    expect(leaked).toBe(0);
    expect(Object.keys(report)).toEqual(["last", "later"]);
  }, 30_000);
});
