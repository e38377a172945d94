/**
 * `bun run bench:relay`: packets a second through the relay against a C forwarder with the same system calls and no
 * look-ups (reference/forwarder.c), in turn in one run; generator and sink are processes of their own and the same
 * for both. The relay is the one that ships; its flows are set up by Binds and real handshakes (flows.ts).
 *
 *   bun tests/bench/relay.ts [--cases NAME,…] [--rounds 11] [--seconds 1] [--quick]
 *
 * The last line is JSON: {"bench":"relay","cases":[{"name","pps","reference_pps","ratio",…}],"heap":{…}}. On a machine that
 * does other work as well, `cpu_ratio` (processor time a packet, the reference's by ours) is steadier than `ratio`. Exit code
 * 1 when an aim is missed.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setUpFlows } from "./flows.ts";
import { type BenchRelay, type Child, costOf, freePort, startRelay, Workshop } from "./processes.ts";

interface Case {
  readonly name: string;
  readonly bytes: number;
  /** Packets of one flow in a GSO message of the generator; 1 for a message each. */
  readonly burst: number;
  readonly flows: number;
  /** What the ratio should be at least. */
  readonly aim: number;
}

const CASES: readonly Case[] = [
  { name: "200 B, 1 flow", bytes: 200, burst: 1, flows: 1, aim: 0.9 },
  { name: "1420 B, 1 flow", bytes: 1420, burst: 1, flows: 1, aim: 0.9 },
  { name: "1420 B in bursts, 1 flow", bytes: 1420, burst: 40, flows: 1, aim: 0.9 },
  { name: "200 B, 100 flows", bytes: 200, burst: 1, flows: 100, aim: 0.75 },
  { name: "1420 B in bursts, 100 flows", bytes: 1420, burst: 40, flows: 100, aim: 0.75 },
  { name: "200 B, 10000 flows", bytes: 200, burst: 1, flows: 10_000, aim: 0.75 },
  { name: "1420 B, 10000 flows", bytes: 1420, burst: 1, flows: 10_000, aim: 0.75 },
  { name: "1420 B in bursts, 10000 flows", bytes: 1420, burst: 40, flows: 10_000, aim: 0.75 },
];

const WARMUP_S = 0.3;
const HEAP_PACKETS = 10_000_000;

interface Measured {
  readonly pps: number;
  readonly gbps: number;
  readonly cpuNsPerPacket: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Target {
  readonly address: string;
  readonly port: number;
  readonly child: Child;
}

class Bench {
  readonly #shop: Workshop;
  readonly #traffic: string;
  readonly #sourcePort: number;
  readonly #sinkPort: number;

  constructor(shop: Workshop, sourcePort: number, sinkPort: number) {
    this.#shop = shop;
    this.#traffic = shop.compile("traffic");
    this.#sourcePort = sourcePort;
    this.#sinkPort = sinkPort;
  }

  /** A file of flows for the generator. */
  async flows(relay: BenchRelay, count: number, first: number): Promise<string> {
    const ports = { sourcePort: this.#sourcePort, sinkPort: this.#sinkPort };
    const began = performance.now();
    const records = await setUpFlows(relay, { count, first, ...ports });
    const path = join(this.#shop.directory, `flows-${count}`);
    await writeFile(path, records);
    console.log(`${count} flows set up in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return path;
  }

  async measure(of: Case, flows: string, to: Target, seconds: number, pps = 0): Promise<Measured> {
    const sink = this.#shop.spawn([this.#traffic, "sink", `${this.#sinkPort}`, `${WARMUP_S}`, `${seconds}`]);
    await sink.line();
    const generator = this.#shop.spawn([
      ...[this.#traffic, "generate", flows, to.address, `${to.port}`, `${this.#sourcePort}`],
      ...[`${of.bytes}`, `${of.burst}`, `${WARMUP_S + seconds + 0.2}`, `${pps}`],
    ]);
    await sink.line();
    const before = await costOf(to.child.pid);
    await sink.line();
    const after = await costOf(to.child.pid);
    const told = JSON.parse(await sink.line());
    await generator.exited;
    return {
      pps: told.packets / told.seconds,
      gbps: (told.bytes * 8) / told.seconds / 1e9,
      cpuNsPerPacket: (after.cpuNs - before.cpuNs) / Math.max(1, told.packets),
      p50Us: told.p50_us,
      p99Us: told.p99_us,
    };
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

async function compare(bench: Bench, of: Case, flows: string, relay: Target, c: Target, options: Options) {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let i = 0; i < options.rounds; i++) {
    // In turn, and who begins changes: what else this machine does then meets both alike.
    const order = i % 2 === 0 ? [relay, c] : [c, relay];
    for (const target of order) {
      const list = target === relay ? ours : theirs;
      list.push(await bench.measure(of, flows, target, options.seconds));
    }
  }
  const of2 = (list: readonly Measured[], field: keyof Measured) => median(list.map((one) => one[field]));
  const pps = of2(ours, "pps");
  // Of neighbours in time: what else the machine did then, it did to both.
  const ratios = ours.map((one, i) => one.pps / (theirs[i]?.pps ?? 1));
  const half = of2(theirs, "pps") / 2;
  const calm = await bench.measure(of, flows, relay, options.seconds, half);
  const calmReference = await bench.measure(of, flows, c, options.seconds, half);
  const result = {
    name: of.name,
    pps: round(pps),
    reference_pps: round(of2(theirs, "pps")),
    ratio: round(median(ratios), 3),
    aim: of.aim,
    gbps: round(of2(ours, "gbps"), 2),
    cpu_ns_per_packet: round(of2(ours, "cpuNsPerPacket")),
    reference_cpu_ns_per_packet: round(of2(theirs, "cpuNsPerPacket")),
    cpu_ratio: round(of2(theirs, "cpuNsPerPacket") / of2(ours, "cpuNsPerPacket"), 3),
    half_load_pps: round(half),
    half_load_us: { p50: calm.p50Us, p99: calm.p99Us },
    reference_half_load_us: { p50: calmReference.p50Us, p99: calmReference.p99Us },
  };
  const rounds = ratios.map((ratio) => ratio.toFixed(2)).join(" ");
  console.log(
    `${of.name.padEnd(30)} ${result.pps} of ${result.reference_pps} pps, ratio ${result.ratio} (rounds ${rounds}), ` +
      `${result.gbps} Gbit/s, CPU ${result.cpu_ns_per_packet} of ${result.reference_cpu_ns_per_packet} ns a packet, ` +
      `half load p50 ${calm.p50Us} of ${calmReference.p50Us} us, p99 ${calm.p99Us} of ${calmReference.p99Us} us`,
  );
  return result;
}

/** Resident memory while ten million packets pass. */
async function watchHeap(bench: Bench, flows: string, relay: Target, packets: number) {
  const of = CASES[2] as Case;
  const samples: number[] = [];
  let passed = 0;
  while (passed < packets) {
    const { pps } = await bench.measure(of, flows, relay, 2);
    passed += pps * 2;
    samples.push((await costOf(relay.child.pid)).residentBytes);
  }
  const growth = (samples.at(-1) ?? 0) - (samples[0] ?? 0);
  const result = {
    packets: round(passed),
    first_rss_bytes: samples[0] ?? 0,
    growth_bytes: growth,
    growth_bytes_per_packet: round(growth / passed, 4),
  };
  console.log(`memory: ${growth} bytes more after ${round(passed)} packets`);
  return result;
}

interface Options {
  readonly rounds: number;
  readonly seconds: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cases: { type: "string" },
      rounds: { type: "string", default: "11" },
      seconds: { type: "string", default: "1" },
      quick: { type: "boolean", default: false },
    },
  });
  const options = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  const wanted = CASES.filter(
    ({ name }) => values.cases?.split(",").some((part) => name.includes(part)) ?? true,
  );
  const shop = await Workshop.open();
  try {
    const [sourcePort, sinkPort] = [await freePort(), await freePort()];
    const bench = new Bench(shop, sourcePort, sinkPort);
    // With one of them before generator and sink, batches are as small as can be, and the machine's scheduler is measured.
    const relay = await startRelay(shop, { isPlain: true });
    const port = await freePort();
    const c = {
      address: "127.0.0.1",
      port,
      child: shop.spawn([shop.compile("forwarder"), "127.0.0.1", `${port}`, `${sinkPort}`]),
    };
    await c.child.line();
    const cases = [];
    let heap: unknown;
    let first = 1;
    for (const count of [...new Set(wanted.map(({ flows }) => flows))]) {
      let path = await bench.flows(relay, count, first);
      let setUpAt = performance.now();
      for (const of of wanted.filter(({ flows }) => flows === count)) {
        // Bindings live 60 s without another Bind, which here nobody sends. Others take their addresses.
        if (performance.now() - setUpAt > 25_000) {
          path = await bench.flows(relay, count, first);
          setUpAt = performance.now();
        }
        cases.push(await compare(bench, of, path, relay, c, options));
      }
      if (count === 1 && !values.quick) {
        first += count;
        heap = await watchHeap(bench, await bench.flows(relay, 1, first), relay, HEAP_PACKETS);
      }
      first += count;
    }
    const failures = (
      (await (await fetch(`${relay.http}/v1/status`)).json()) as { drops: Record<string, number> }
    ).drops;
    const drops = Object.fromEntries(Object.entries(failures).filter(([, n]) => n > 0));
    console.log(`the relay's own drops: ${JSON.stringify(drops)}`);
    const missed = cases.filter(({ ratio, aim }) => ratio < aim);
    for (const { name, ratio, aim } of missed) console.log(`missed: ${name}, ratio ${ratio}, aim ${aim}`);
    console.log(JSON.stringify({ bench: "relay", cases, heap, drops }));
    if (missed.length > 0) process.exitCode = 1;
  } finally {
    await shop.close();
  }
}

await main();
