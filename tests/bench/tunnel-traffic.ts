/** bench:tunnel's traffic, by iperf3 and ping from the near host, and what it cost whom. */
import { readdir, readFile } from "node:fs/promises";
import type { Contender } from "./tunnel-network.ts";

/** Of iperf3's report as much as is read here. */
interface IperfReport {
  readonly end: {
    readonly sum_received?: { readonly bits_per_second: number };
    readonly sum?: {
      readonly bits_per_second: number;
      readonly packets?: number;
      readonly lost_packets?: number;
      readonly seconds: number;
    };
  };
}

export interface Cost {
  /** Processor time of all the contender's processes, in cores. */
  readonly cores: number;
  /** The one thread that ran most: who it is and its share of one core. At 1 it is what limits. */
  readonly busiest: string;
  readonly busiestShare: number;
}

export interface Carried extends Cost {
  readonly mbps: number;
  /** Of UDP: datagrams that arrived, a second, and the part that did not. */
  readonly pps?: number;
  readonly lost?: number;
}

const START_S = 1;
const GRACE_MS = 10_000;

/** TCP for so many seconds after a second to get up to speed. */
export async function tcp(
  to: Contender,
  options: { readonly streams: number; readonly reverse: boolean; readonly seconds: number },
): Promise<Carried> {
  const { streams, reverse, seconds } = options;
  const args = ["--omit", `${START_S}`, "--time", `${seconds}`, "--parallel", `${streams}`];
  const [report, cost] = await watched(to, () =>
    iperf(to, [...args, ...(reverse ? ["--reverse"] : [])], (START_S + seconds) * 1_000),
  );
  return { mbps: (report.end.sum_received?.bits_per_second ?? 0) / 1e6, ...cost };
}

/** As many datagrams as iperf3 can send. */
export async function udp(
  to: Contender,
  options: { readonly bytes: number; readonly seconds: number },
): Promise<Carried> {
  const { bytes, seconds } = options;
  const args = ["--udp", "--bitrate", "0", "--length", `${bytes}`, "--time", `${seconds}`];
  const [report, cost] = await watched(to, () => iperf(to, args, seconds * 1_000));
  const { packets = 0, lost_packets: lost = 0, seconds: took = seconds } = report.end.sum ?? {};
  const pps = (packets - lost) / took;
  return { mbps: (pps * bytes * 8) / 1e6, pps, lost: lost / Math.max(1, packets), ...cost };
}

/** Round-trip times in ms while one TCP stream runs at full speed. */
export async function pingUnderLoad(
  to: Contender,
  options: { readonly seconds: number },
): Promise<{ readonly rttsMs: readonly number[]; readonly carried: Carried }> {
  const load = tcp(to, { streams: 1, reverse: false, seconds: options.seconds });
  await Bun.sleep(START_S * 1_000);
  const count = Math.floor((options.seconds - 0.5) / PING_EVERY_S);
  const { stdout } = await to.from.run(
    ["ping", "-n", "-i", `${PING_EVERY_S}`, "-c", `${count}`, "-W", "2", to.target],
    { timeoutMs: options.seconds * 1_000 + GRACE_MS },
  );
  const rttsMs = [...stdout.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]));
  return { rttsMs, carried: await load };
}

const PING_EVERY_S = 0.01;

/** So many bytes over one stream. */
export async function bulk(to: Contender, gigabytes: number, timeoutMs: number): Promise<number> {
  const report = await iperf(to, ["--bytes", `${gigabytes * 1e9}`], timeoutMs);
  return (report.end.sum_received?.bits_per_second ?? 0) / 1e6;
}

async function iperf(to: Contender, args: readonly string[], lastsMs: number): Promise<IperfReport> {
  const command = ["iperf3", "--client", to.target, "--json", "--connect-timeout", "3000", ...args];
  const { stdout } = await to.from.run(command, { timeoutMs: lastsMs + GRACE_MS });
  return JSON.parse(stdout) as IperfReport;
}

async function watched<Result>(
  { processes }: Contender,
  work: () => Promise<Result>,
): Promise<readonly [Result, Cost]> {
  const threads = async () =>
    (await Promise.all(processes.map(({ what, pid }) => threadTimes(what, pid)))).flat();
  const before = new Map((await threads()).map(({ key, ranNs }) => [key, ranNs]));
  const beganMs = performance.now();
  const result = await work();
  const tookNs = (performance.now() - beganMs) * 1e6;
  const ran = (await threads())
    .map(({ key, name, ranNs }) => ({ name, share: (ranNs - (before.get(key) ?? 0)) / tookNs }))
    .sort((a, b) => b.share - a.share);
  const [busiest] = ran;
  return [
    result,
    {
      cores: ran.reduce((sum, { share }) => sum + share, 0),
      busiest: busiest?.name ?? "nobody",
      busiestShare: busiest?.share ?? 0,
    },
  ];
}

async function threadTimes(what: string, pid: number) {
  const tasks = await readdir(`/proc/${pid}/task`);
  return Promise.all(
    tasks.map(async (task) => {
      const read = (file: string) => readFile(`/proc/${pid}/task/${task}/${file}`, "utf8").catch(() => "0");
      const [schedstat, name] = [await read("schedstat"), (await read("comm")).trim()];
      const thread = Number(task) === pid ? "main thread" : `thread ${name}`;
      return { key: `${pid} ${task}`, name: `${what}'s ${thread}`, ranNs: Number(schedstat.split(" ")[0]) };
    }),
  );
}
