/**
 * `bun tests/bench/pressure.ts [fairness] [flood] [restart]`: what the relay does under pressure, as shipped and on
 * real sockets. Two senders at 10 : 1 share a full way out; strangers flood it while agents go on; it is killed and
 * started again under traffic. The last line is JSON: {"bench":"pressure","shown":[{"name","ok",…}]}; exit code 1
 * when something was not shown. Needs root for the namespaces of `fairness`.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toBase64 } from "@burrow/protocol";
import { withNamespaces } from "../../platform/src/testing/namespaces.ts";
import { type FlowPlan, setUpFlows } from "./flows.ts";
import { type BenchRelay, type Child, costOf, freePort, startRelay, Workshop } from "./processes.ts";

type Shown = { readonly name: string; readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** Set in the process that runs inside the relay's namespace: the name of the senders' and receivers' one. */
const FAR = "BURROW_BENCH_FAR";
const DOOR = "10.9.9.1";
const WAY_OUT_MBIT = 40;
const PACKET_BYTES = 1000;
/** Of these the second half may hardly cost memory. */
const FLOODS = 8;
const GROWTH_BYTES_MAX = 8 * 2 ** 20;

const sh = (text: string): void => {
  const run = Bun.spawnSync(text.split(" "));
  if (run.exitCode !== 0) throw new Error(`${text}: ${run.stderr.toString()}`);
};

const drops = async ({ http }: BenchRelay): Promise<Record<string, number>> => {
  const status = (await (await fetch(`${http}/v1/status`)).json()) as { drops: Record<string, number> };
  return Object.fromEntries(Object.entries(status.drops).filter(([, n]) => n > 0));
};

/** The relay in one namespace, all agents in another; between them a slow link. Runs this script inside the first. */
async function fairness(): Promise<Shown> {
  let shown: Shown | undefined;
  await withNamespaces(["relay", "agents"], ([relay, far]) => {
    sh(`ip -n ${relay} link add out type veth peer name out netns ${far}`);
    sh(`ip -n ${relay} addr add ${DOOR}/24 dev out`);
    sh(`ip -n ${relay} link set out up`);
    sh(`ip -n ${far} addr add 10.9.9.2/24 dev out`);
    sh(`ip -n ${far} link set out up`);
    sh(`ip -n ${far} route add local 10.1.0.0/16 dev lo`);
    sh(`ip -n ${far} route add local 10.2.0.0/16 dev lo`);
    sh(`ip -n ${relay} route add 10.0.0.0/8 via 10.9.9.2`);
    sh(`ip netns exec ${relay} tc qdisc add dev out root tbf rate ${WAY_OUT_MBIT}mbit burst 20kb limit 50mb`);
    const command = ["ip", "netns", "exec", relay, process.execPath, import.meta.path, "fairness"];
    const run = Bun.spawnSync(command, { env: { ...process.env, [FAR]: far }, stderr: "inherit" });
    shown = JSON.parse(run.stdout.toString().trim().split("\n").at(-1) ?? "{}") as Shown;
  });
  return shown as Shown;
}

async function fairnessInside(far: string): Promise<Shown> {
  const shop = await Workshop.open();
  try {
    const relay = await startRelay(shop, { address: DOOR });
    const inFar = ["ip", "netns", "exec", far];
    const traffic = shop.compile("traffic");
    const share = (WAY_OUT_MBIT * 1e6) / 8 / (PACKET_BYTES + 28 + 14) / 2;
    const seconds = 6;
    const senders = [
      { name: "loud", first: 1, sourcePort: 4001, sinkPort: 5001, pps: share * 9.5 },
      { name: "quiet", first: 2, sourcePort: 4002, sinkPort: 5002, pps: share * 0.95 },
    ];
    const sinks: Child[] = [];
    const generators: Child[] = [];
    for (const sender of senders) {
      const { first, sourcePort, sinkPort } = sender;
      const plan: FlowPlan = { net: 10, count: 1, first, sourcePort, sinkPort };
      const path = join(shop.directory, sender.name);
      const door = { id: relay.id, address: DOOR, port: relay.port, ticketKey: toBase64(relay.ticketKey) };
      const order = JSON.stringify({ door, plan, path });
      const child = shop.spawn([...inFar, process.execPath, `${import.meta.dir}/flows.child.ts`, order]);
      if ((await child.exited) !== 0) throw new Error("no flow could be set up");
      // The loud one's share is measured while both send; of the quiet one every packet is counted.
      const window = sender.name === "loud" ? ["1", `${seconds - 2}`] : ["0", "30"];
      const sink = shop.spawn([...inFar, traffic, "sink", `${sinkPort}`, ...window]);
      await sink.line();
      sinks.push(sink);
    }
    for (const { name, sourcePort, pps } of senders) {
      const args = [join(shop.directory, name), DOOR, `${relay.port}`, `${sourcePort}`];
      const load = [`${PACKET_BYTES}`, "1", `${seconds}`, `${pps}`];
      generators.push(shop.spawn([...inFar, traffic, "generate", ...args, ...load]));
    }
    const sent = await Promise.all(
      generators.map(async (child) => JSON.parse(await child.line()).sent as number),
    );
    const told: { readonly packets: number; readonly seconds: number }[] = [];
    for (const sink of sinks) {
      await sink.line();
      await sink.line();
      told.push(JSON.parse(await sink.line()));
    }
    const [loud, quiet] = told;
    const [loudSent = 0, quietSent = 1] = sent;
    const quietLoss = 1 - (quiet?.packets ?? 0) / quietSent;
    const loudPps = (loud?.packets ?? 0) / (loud?.seconds ?? 1);
    const quietPps = (quiet?.packets ?? 0) / seconds;
    const ok = quietLoss < 0.01 && loudPps / quietPps < 1.25 && loudSent > 8 * quietSent;
    const name = "two senders at 10 : 1 share a full way out";
    return { name, ok, loudPps, quietPps, quietLoss, sent, drops: await drops(relay) };
  } finally {
    await shop.close();
  }
}

/** Agents' packets a second without and with a flood of strangers at full speed, in turn. */
async function flood(): Promise<Shown> {
  const shop = await Workshop.open();
  try {
    const relay = await startRelay(shop);
    const traffic = shop.compile("traffic");
    const [sourcePort, sinkPort, floodPort] = [await freePort(), await freePort(), await freePort()];
    const path = join(shop.directory, "flows");
    await writeFile(path, await setUpFlows(relay, { count: 10, first: 1, sourcePort, sinkPort }));
    const door = [relay.address, `${relay.port}`];
    const seconds = 2;
    /** A rate that the machine carries easily: what is asked is whether the flood takes it away. */
    const pps = 20_000;
    const run = async (): Promise<number> => {
      const sink = shop.spawn([traffic, "sink", `${sinkPort}`, "0.2", `${seconds}`]);
      await sink.line();
      const load = ["200", "1", `${seconds + 0.5}`, `${pps}`];
      const generator = shop.spawn([traffic, "generate", path, ...door, `${sourcePort}`, ...load]);
      await sink.line();
      await sink.line();
      const { packets, seconds: took } = JSON.parse(await sink.line());
      await generator.exited;
      return packets / took;
    };
    const calm: number[] = [];
    const flooded: number[] = [];
    let strangers = 0;
    const memory: number[] = [];
    for (let round = 0; round < FLOODS; round++) {
      calm.push(await run());
      const attacker = shop.spawn([traffic, "flood", ...door, `${floodPort}`, `${seconds + 1}`, "0"]);
      await Bun.sleep(200);
      flooded.push(await run());
      strangers += JSON.parse(await attacker.line()).sent as number;
      memory.push((await costOf(relay.child.pid)).residentBytes);
    }
    const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
    const kept = sum(flooded) / sum(calm);
    // The first floods fill tables and pools that are as large as they may get.
    const growthBytes = (memory.at(-1) ?? 0) - (memory[FLOODS / 2 - 1] ?? 0);
    const ok = kept >= 0.7 && growthBytes < GROWTH_BYTES_MAX;
    return {
      memory,
      name: "a flood of strangers",
      ok,
      calm,
      flooded,
      kept,
      strangers,
      growthBytes,
      drops: await drops(relay),
    };
  } finally {
    await shop.close();
  }
}

/** SIGKILL under traffic, and a new start: when does each flow's first packet arrive, and does any stay away? */
async function restart(): Promise<Shown> {
  const shop = await Workshop.open();
  try {
    let relay = await startRelay(shop);
    const traffic = shop.compile("traffic");
    const [sourcePort, sinkPort] = [await freePort(), await freePort()];
    const count = 200;
    const path = join(shop.directory, "flows");
    await writeFile(path, await setUpFlows(relay, { count, first: 1, sourcePort, sinkPort }));
    // Time for what the relay writes down behind the packets' back.
    await Bun.sleep(300);
    const pps = 4_000;
    const generate = (seconds: number) =>
      shop.spawn([
        ...[traffic, "generate", path, relay.address, `${relay.port}`, `${sourcePort}`],
        ...["200", "1", `${seconds}`, `${pps}`],
      ]);
    const generator = generate(20);
    await Bun.sleep(500);
    relay.child.kill("SIGKILL");
    await relay.child.exited;
    const killedAt = performance.now();
    const sink = shop.spawn([traffic, "sink", `${sinkPort}`, "0", "1"]);
    await sink.line();
    const serving = startRelay(shop, { like: relay });
    await sink.line();
    const firstPacketMs = performance.now() - killedAt;
    await sink.line();
    const { packets } = JSON.parse(await sink.line());
    relay = await serving;
    generator.kill("SIGKILL");
    const lost = await drops(relay);
    // Within the second after the first packet all flows are served: what was sent in it arrived.
    const servedShare = packets / pps;
    const ok = servedShare > 0.95 && (lost["unknown-flow"] ?? 0) === 0;
    return { name: "killed and started again", ok, flows: count, firstPacketMs, servedShare, drops: lost };
  } finally {
    await shop.close();
  }
}

const parts = { fairness, flood, restart } as const;

async function main(): Promise<void> {
  const far = process.env[FAR];
  if (far !== undefined) {
    console.log(JSON.stringify(await fairnessInside(far)));
    return;
  }
  const asked = process.argv.slice(2);
  const names = (Object.keys(parts) as (keyof typeof parts)[]).filter(
    (name) => asked.length === 0 || asked.includes(name),
  );
  const shown: Shown[] = [];
  for (const name of names) {
    const one = await parts[name]();
    shown.push(one);
    console.log(`${one.ok ? "shown" : "NOT SHOWN"}: ${JSON.stringify(one)}`);
  }
  console.log(JSON.stringify({ bench: "pressure", shown }));
  process.exitCode = shown.every(({ ok }) => ok) ? 0 : 1;
}

await main();
