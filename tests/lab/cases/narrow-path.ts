/**
 * A direct path that swallows large packets without a word, as behind a tunnel whose ICMP is filtered: both sides find
 * out what it carries, the kernel's senders keep to it, and a path that is too narrow gives way to the relay.
 */
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import type { Mend } from "../cuts.ts";

/** Longest IP packet that passes: 1352 bytes of UDP, so 1344 in steps of 16, less WireGuard's 32. */
const NARROW_BYTES = 1_380;
const NARROW_MTU = 1_312;
/** Not even 1280 bytes inside the tunnel. */
const CRAMPED_BYTES = 1_270;
/** A full packet of the tunnel, 1360, without IPv4's and ICMP's headers; one that fits the narrow path. */
const FULL_PING = "1332";
const FITTING_PING = String(NARROW_MTU - 28);
const DOWNLOAD_BYTES = 8 << 20;
const DOWNLOAD_PORT = 8000;
/** Confirmed every second under large packets; then three probes, and the search. */
const NOTICED_WITHIN_MS = 10_000;

export const narrowPath: LabCase = {
  name: "narrow-path",
  summary:
    "a path that swallows large packets: its MTU is found, senders keep to it, a relay takes over if need be",
  async run(bench) {
    const { coordinator, a, b } = await build(bench);
    const ping = (length: string, ...more: readonly string[]) =>
      a.host.namespace.run([
        "ping",
        "-n",
        "-c",
        "3",
        "-i",
        "0.2",
        "-W",
        "1",
        ...more,
        "-s",
        length,
        b.address,
      ]);
    await bench.until("direct both ways", async () => {
      await ping(FITTING_PING);
      const ways = await Promise.all([a.pathTo(b), b.pathTo(a)]);
      return ways.every((way) => way?.kind === "direct");
    });
    bench.check(await passes(ping(FULL_PING, "-M", "do")), "a full packet passes");

    bench.step(`packets over ${NARROW_BYTES} bytes between the two are dropped, and nobody is told`);
    const widen = await narrow(bench, a, b, NARROW_BYTES);
    const download = downloadFrom(bench, b, a);
    await mtuIs(bench, b, a, NARROW_MTU);
    const tookMs = await download;
    bench.measure(`a download of ${DOWNLOAD_BYTES >> 20} MB that began before`, tookMs, "ms");
    const route = (await b.host.namespace.run(["ip", "route", "get", a.address])).stdout;
    bench.check(route.includes(`mtu ${NARROW_MTU}`), `the kernel knows: ${route.split("\n")[0]}`);
    // Each way is a path of its own: so far only b has sent large packets.
    await ping(FULL_PING).catch(() => {});
    await mtuIs(bench, a, b, NARROW_MTU, () => ping(FULL_PING).catch(() => {}));
    const tooLong = await ping(FULL_PING, "-M", "do").then(
      () => "",
      (error: unknown) => String(error),
    );
    bench.check(/mtu\s*=?\s*1312/.test(tooLong), "a full packet is refused by the kernel, with the MTU");
    bench.check(await passes(ping(FULL_PING, "-M", "dont")), "one that may be fragmented passes");
    bench.check(await passes(ping(FITTING_PING, "-M", "do")), "one of just that MTU passes");
    bench.check((await a.pathTo(b))?.kind === "direct", "the path is direct still");
    await widen();

    bench.step(`packets over ${CRAMPED_BYTES} bytes are dropped: less than IPv6 needs`);
    await narrow(bench, a, b, CRAMPED_BYTES);
    await bench.until(
      "both are by the relay, and say why",
      async () => {
        await Promise.all([flood(a, b), flood(b, a)]);
        const ways = await Promise.all([a.whyPath(b), b.whyPath(a)]);
        return ways.every(
          ({ peer }) => peer.path.kind === "relay" && peer.path.reason === "direct-too-narrow",
        );
      },
      { timeoutMs: 60_000 },
    );
    bench.check(await passes(ping(FULL_PING, "-M", "do")), "a full packet passes by the relay");
    bench.must(coordinator.running, "the coordinator runs");
  },
};

async function build(bench: Bench) {
  const { net } = bench;
  const coordinator = await CoordinatorDaemon.start(
    bench,
    await net.publicHost("coordinator", "203.0.113.10"),
  );
  await RelayDaemon.start(bench, coordinator, await net.publicHost("relay", "203.0.113.21"), "one");
  const siteA = await net.site("a", "port-restricted", "198.51.100.1");
  const siteB = await net.site("b", "port-restricted", "198.51.100.2");
  const a = await AgentDaemon.start(bench, coordinator, siteA, "a");
  const b = await AgentDaemon.start(bench, coordinator, siteB, "b");
  for (const agent of [a, b]) await cutRunsUp(agent);
  return { coordinator, a, b };
}

/**
 * The agents' runs of datagrams (UDP GSO) pass through the lab's veths whole, where a wire would carry their parts: they
 * are cut up at the host's own device, so that what is measured in the middle is what a wire would carry.
 */
async function cutRunsUp({ host: { namespace } }: AgentDaemon): Promise<void> {
  const { stdout } = await namespace.run(["ip", "-o", "route", "show", "default"]);
  const device = /\bdev (\S+)/.exec(stdout)?.[1];
  if (device === undefined) throw new Error("the host has no way out");
  await namespace.run(["ethtool", "-K", device, "tx-udp-segmentation", "off"]);
}

/** UDP between the two sites that is longer than this vanishes in the middle. */
async function narrow(bench: Bench, a: AgentDaemon, b: AgentDaemon, bytes: number): Promise<Mend> {
  const { namespace } = bench.net.core;
  const [one = "", other = ""] = [a, b].map(({ host }) => host.publicAddresses[0]);
  const drop = (from: string, to: string) =>
    `ip saddr ${from} ip daddr ${to} meta l4proto udp meta length > ${bytes} drop`;
  await namespace.nft(`
    table inet narrow {
      chain between { type filter hook forward priority filter; policy accept;
        ${drop(one, other)}
        ${drop(other, one)}
      }
    }`);
  return async () => {
    await namespace.nft("delete table inet narrow\n");
  };
}

async function mtuIs(
  bench: Bench,
  from: AgentDaemon,
  to: AgentDaemon,
  mtuBytes: number,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<void> {
  const { tookMs } = await bench.until(
    `${from.name} knows that its path carries ${mtuBytes} bytes`,
    async () => {
      await meanwhile();
      const { attempts } = await from.whyPath(to);
      return attempts.some((attempt) => attempt.inUse && attempt.mtuBytes === mtuBytes);
    },
    { timeoutMs: NOTICED_WITHIN_MS },
  );
  bench.measure(`${from.name} found the path's MTU after`, tookMs, "ms");
}

/** Large packets that may be lost. */
async function flood(from: AgentDaemon, to: AgentDaemon): Promise<void> {
  const command = ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-s", FULL_PING, to.address];
  await from.host.namespace.run(command).catch(() => {});
}

async function passes(ping: Promise<unknown>): Promise<boolean> {
  return ping.then(
    () => true,
    () => false,
  );
}

/** How long it took, in ms. */
async function downloadFrom(bench: Bench, server: AgentDaemon, client: AgentDaemon): Promise<number> {
  const file = `${bench.lab.directory}/download.bin`;
  await Bun.write(file, new Uint8Array(DOWNLOAD_BYTES));
  const program = new URL("../file-server.ts", import.meta.url).pathname;
  const command = [process.execPath, program, server.address, String(DOWNLOAD_PORT), file];
  const child = server.host.namespace.spawn(command, { label: "file-server" });
  await child.waitForLine(/^ready/);
  const url = `http://${server.address}:${DOWNLOAD_PORT}/`;
  const startedMs = performance.now();
  await client.host.namespace.run(["curl", "-sS", "--fail", "--max-time", "60", "-o", "/dev/null", url], {
    timeoutMs: 65_000,
  });
  await child.stop();
  return performance.now() - startedMs;
}
