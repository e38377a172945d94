/**
 * `bun run bench:tunnel`: what two agents of Burrow carry between two network namespaces, against two of Debian's
 * wireguard-go between two like them, in turn in one run; over the direct path, then through a relay.
 *
 *   bun tests/bench/tunnel.ts [--rounds 3] [--seconds 2] [--quick] [--cases NAME,…] [--gigabytes N]
 *
 * The last line is JSON: {"bench":"tunnel","cases":[{"name","mbps","reference_mbps","ratio",…}]}. Exit code 1 when an aim is
 * missed; then it says which thread was busiest. `--gigabytes` sends so much through the agents at the end and watches
 * their memory.
 */
import { parseArgs } from "node:util";
import { skipWithoutInterop } from "../interop/require.ts";
import type { Bench } from "../lab/case.ts";
import { inSession } from "../lab/session.ts";
import { columns } from "../lab/statistics.ts";
import { costOf } from "./processes.ts";
import { type Contender, type PathKind, TunnelNetwork } from "./tunnel-network.ts";
import { bulk, type Carried, pingUnderLoad, tcp, udp } from "./tunnel-traffic.ts";

interface TcpCase {
  readonly kind: "tcp";
  readonly streams: number;
  readonly reverse: boolean;
}
interface UdpCase {
  readonly kind: "udp";
  readonly bytes: number;
}
interface PingCase {
  readonly kind: "ping";
}
type Case = { readonly name: string; readonly path: PathKind } & (TcpCase | UdpCase | PingCase);

/** How many times wireguard-go's TCP, by path. */
const TCP_AIM: Readonly<Record<PathKind, number>> = { direct: 4, relay: 3 };
/** How much longer the ping may take in which 99 of 100 come back. */
const PING_AIM = 1.2;
const SMALL_BYTES = 200;
/** A ping's p99 of one second's would be its worst. */
const PING_SECONDS_MORE = 2;

const CASES: readonly Case[] = (["direct", "relay"] as const).flatMap((path) => [
  ...[1, 4].flatMap((streams) =>
    [false, true].map((reverse) => ({
      name: `${path}, TCP, ${streams} stream${streams > 1 ? "s" : ""}, ${reverse ? "b to a" : "a to b"}`,
      ...{ path, kind: "tcp" as const, streams, reverse },
    })),
  ),
  { name: `${path}, UDP, ${SMALL_BYTES} B`, path, kind: "udp" as const, bytes: SMALL_BYTES },
  { name: `${path}, ping while TCP runs`, path, kind: "ping" as const },
]);

/** Under a minute: one direction of four streams will do. */
const QUICK_CASES = ["1 stream", "4 streams, a to b", "UDP", "ping"];

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  /** Of the cases those whose names have one of these parts; all when absent. */
  readonly only: readonly string[] | undefined;
  readonly gigabytes: number;
}

/** One line of the result. Rates in Mbit/s; pings in ms. */
interface Result {
  readonly name: string;
  readonly mbps: number;
  readonly reference_mbps: number;
  readonly ratio: number;
  readonly aim?: number;
  readonly met?: boolean;
  readonly rounds: readonly number[];
  readonly cores: number;
  readonly reference_cores: number;
  readonly busiest: string;
  readonly pps?: number;
  readonly reference_pps?: number;
  readonly ping_ms?: Quantiles;
  readonly reference_ping_ms?: Quantiles;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

/** By nearest rank. */
function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
const median = (values: readonly number[]): number => quantile(values, 0.5);
const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

interface Sample extends Carried {
  readonly rttsMs: readonly number[];
}

async function sample(of: Case, contender: Contender, seconds: number): Promise<Sample> {
  if (of.kind === "tcp") return { ...(await tcp(contender, { ...of, seconds })), rttsMs: [] };
  if (of.kind === "udp") return { ...(await udp(contender, { ...of, seconds })), rttsMs: [] };
  const under = await pingUnderLoad(contender, { seconds: seconds + PING_SECONDS_MORE });
  return { ...under.carried, rttsMs: under.rttsMs };
}

async function compare(
  of: Case,
  [burrow, reference]: readonly [Contender, Contender],
  { rounds, seconds }: Options,
): Promise<Result> {
  const ours: Sample[] = [];
  const theirs: Sample[] = [];
  for (let i = 0; i < rounds; i++) {
    // In turn, and who begins changes: what else this machine does then meets both alike.
    for (const contender of i % 2 === 0 ? [burrow, reference] : [reference, burrow]) {
      const list = contender === burrow ? ours : theirs;
      list.push(await sample(of, contender, seconds));
    }
  }
  const busiest = ours.toSorted((a, b) => b.busiestShare - a.busiestShare)[0];
  const common = {
    name: of.name,
    mbps: round(median(ours.map(({ mbps }) => mbps)), 1),
    reference_mbps: round(median(theirs.map(({ mbps }) => mbps)), 1),
    cores: round(median(ours.map(({ cores }) => cores)), 2),
    reference_cores: round(median(theirs.map(({ cores }) => cores)), 2),
    busiest: `${busiest?.busiest} (${Math.round((busiest?.busiestShare ?? 0) * 100)} % of a core)`,
  };
  if (of.kind === "ping") return { ...common, ...comparePings(ours, theirs) };
  // Of neighbours in time: what else the machine did then, it did to both.
  const ratios = ours.map(({ mbps }, i) => round(mbps / (theirs[i]?.mbps ?? Number.NaN), 2));
  const ratio = median(ratios);
  if (of.kind === "tcp") {
    const aim = TCP_AIM[of.path];
    return { ...common, ratio, aim, met: ratio >= aim, rounds: ratios };
  }
  const pps = round(median(ours.map(({ pps }) => pps ?? 0)));
  const reference_pps = round(median(theirs.map(({ pps }) => pps ?? 0)));
  return { ...common, ratio, rounds: ratios, pps, reference_pps };
}

function comparePings(ours: readonly Sample[], theirs: readonly Sample[]) {
  const p99 = ({ rttsMs }: Sample) => quantile(rttsMs, 0.99);
  const of = (samples: readonly Sample[]): Quantiles => ({
    p50: round(median(samples.flatMap(({ rttsMs }) => rttsMs)), 2),
    p99: round(median(samples.map(p99)), 2),
  });
  const rounds = ours.map((one, i) =>
    round(p99(one) / (theirs[i] === undefined ? Number.NaN : p99(theirs[i])), 2),
  );
  const ratio = median(rounds);
  const [ping_ms, reference_ping_ms] = [of(ours), of(theirs)];
  return { ratio, aim: PING_AIM, met: ratio <= PING_AIM, rounds, ping_ms, reference_ping_ms };
}

/** Resident memory of both agents while so much passes: after the first tenth it is to stay where it is. */
async function watchMemory([burrow]: readonly [Contender, Contender], gigabytes: number) {
  const { processes } = burrow;
  const samples: number[][] = [];
  let sending = true;
  const sent = bulk(burrow, gigabytes, gigabytes * GIGABYTE_MAX_MS).finally(() => (sending = false));
  while (sending) {
    samples.push(
      await Promise.all(processes.map(async ({ pid }) => (await costOf(pid)).residentBytes / 1e6)),
    );
    await Promise.race([sent, Bun.sleep(MEMORY_EVERY_MS)]).catch(() => {});
  }
  const mbps = await sent;
  const settled = samples.slice(Math.floor(samples.length / 10));
  const agents = processes.map(({ what }, i) => {
    const values = settled.map((row) => round(row[i] ?? 0, 1));
    const growth = (values.at(-1) ?? 0) - (values[0] ?? 0);
    return {
      what,
      first_mb: values[0],
      last_mb: values.at(-1),
      max_mb: Math.max(...values),
      growth_mb: round(growth, 1),
    };
  });
  for (const { what, first_mb, last_mb, max_mb } of agents) {
    console.log(
      `memory of ${what}: ${first_mb} MB at first, ${max_mb} at most, ${last_mb} after ${gigabytes} GB`,
    );
  }
  return { gigabytes, mbps: round(mbps, 1), samples: samples.length, agents };
}

/** At 25 Mbit/s: slower is a fault. */
const GIGABYTE_MAX_MS = 320_000;
const MEMORY_EVERY_MS = 1_000;

function table(results: readonly Result[]): string {
  const pings = (of: Quantiles | undefined) => (of === undefined ? "" : `p50 ${of.p50} p99 ${of.p99} ms`);
  return columns([
    ["case", "Burrow", "wireguard-go", "ratio", "aim", "", "cores", "rounds"],
    ...results.map((one) => [
      one.name,
      one.ping_ms === undefined ? `${one.mbps} Mbit/s` : pings(one.ping_ms),
      one.reference_ping_ms === undefined ? `${one.reference_mbps} Mbit/s` : pings(one.reference_ping_ms),
      `${one.ratio}`,
      one.aim === undefined ? "" : `${one.ping_ms === undefined ? "≥" : "≤"} ${one.aim}`,
      one.met === undefined ? "" : one.met ? "met" : "MISSED",
      `${one.cores} / ${one.reference_cores}`,
      one.rounds.join(" "),
    ]),
  ]);
}

async function measure(bench: Bench, options: Options) {
  const net = await TunnelNetwork.create(bench);
  const results: Result[] = [];
  let memory: unknown;
  for (const path of ["direct", "relay"] as const) {
    const cases = CASES.filter(
      ({ name, path: its }) => its === path && (options.only?.some((part) => name.includes(part)) ?? true),
    );
    const wantsMemory = path === "direct" && options.gigabytes > 0;
    if (cases.length === 0 && !wantsMemory) continue;
    const contenders = await net.over(path);
    for (const of of cases) {
      const result = await compare(of, contenders, options);
      results.push(result);
      bench.step(`${of.name}: ratio ${result.ratio}`);
    }
    if (wantsMemory) memory = await watchMemory(contenders, options.gigabytes);
  }
  console.log(`\n${table(results)}\n`);
  for (const { name, met, busiest, cores } of results) {
    if (met === false) console.log(`missed: ${name}; ${cores} cores used, busiest was ${busiest}`);
  }
  return { results, memory };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      cases: { type: "string" },
      gigabytes: { type: "string", default: "0" },
    },
  });
  if (skipWithoutInterop("bench:tunnel") || Bun.which("iperf3") === null) {
    console.error("bench:tunnel needs root, network namespaces, wireguard-go, wireguard-tools and iperf3");
    process.exit(1);
  }
  const options: Options = {
    rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 2)),
    only: values.cases?.split(",") ?? (values.quick ? QUICK_CASES : undefined),
    gigabytes: Number(values.gigabytes),
  };
  let told: Awaited<ReturnType<typeof measure>> | undefined;
  const bench = await inSession({ keep: false, print: console.log }, async (bench) => {
    told = await measure(bench, options);
  });
  for (const failure of bench.failures) console.log(`failed: ${failure}`);
  const cases = told?.results ?? [];
  console.log(
    JSON.stringify({
      bench: "tunnel",
      cases,
      ...(told?.memory === undefined ? {} : { memory: told.memory }),
    }),
  );
  process.exit(bench.failures.length === 0 && cases.every(({ met }) => met !== false) ? 0 : 1);
}

await main();
