/**
 * `bun run sim:selection`: the choice of relays on real latency matrices, against what others do. Prints tables for
 * people and, as the last line, all of it as JSON. Ends with 1 when a target is missed.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UserError } from "@burrow/protocol";
import { killRegion, overbooked, regionOfShare } from "./death.ts";
import { type HomesPlan, type Judged, simulateHomes } from "./homes.ts";
import { judgeLostProbe } from "./lost-probe.ts";
import { type Matrix, readMatrix } from "./matrix.ts";
import { judgePairs, type PairsJudged } from "./pairs.ts";
import { excessPlot, loadsPlot } from "./plots.ts";
import { makeCrowd, makeFleet, rebook, settle } from "./scale.ts";
import { round, summarize } from "./statistics.ts";
import { DAY_MINUTES, NOISY, QUIET } from "./world.ts";

const HELP = `usage: bun run sim:selection [--seed N] [--matrix DIR]... [--worlds N] [--agents N] [--relays N] [--plots DIR]

  --seed N      everything follows from it (default 1)
  --matrix DIR  a latency matrix with a sites.csv, instead of tests/data/latency/* (may be given more than once)
  --worlds N    choices of relay sites per number of relays, a day each (default 2)
  --agents N    agents in the scale run (default 100000; 0: leave it out)
  --relays N    relays in the scale run (default 200)
  --plots DIR   write the plots there as SVG
  --map-between-relays  relays do not measure one another: their round trips are the map's guess`;

const DATA = join(import.meta.dir, "../../data/latency");
const TARGETS = { meanMs: 1, p99Ms: 10, movesPerDay: 1, pairsMeanMs: 2, servedMs: 2_000 } as const;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    matrix: { type: "string", multiple: true },
    worlds: { type: "string", default: "2" },
    agents: { type: "string", default: "100000" },
    relays: { type: "string", default: "200" },
    plots: { type: "string" },
    "map-between-relays": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const seed = number(values.seed, "--seed");
const worlds = number(values.worlds, "--worlds");
const plots = new Map<string, string>();
const missed: string[] = [];
const matrices = (values.matrix ?? ["gcp-2020", "aws-2020"].map((name) => join(DATA, name))).map(readOrExit);
const results = matrices.map(judgeMatrix);
const agents = number(values.agents, "--agents");
const scale = agents === 0 ? undefined : judgeScale(agents, number(values.relays, "--relays"));
if (values.plots !== undefined) {
  await mkdir(values.plots, { recursive: true });
  for (const [name, svg] of plots) await Bun.write(join(values.plots, name), svg);
}
console.log(missed.length === 0 ? "\nall targets reached" : `\nmissed:\n  ${missed.join("\n  ")}`);
console.log(JSON.stringify({ seed, matrices: results, scale, missed }));
process.exit(missed.length === 0 ? 0 : 1);

function readOrExit(directory: string): Matrix {
  try {
    return readMatrix(directory);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(`error: ${error.message}\n  try: ${error.remedy}`);
    process.exit(2);
  }
}

function judgeMatrix(matrix: Matrix) {
  const counts = [0.3, 0.45, 0.6].map((share) => Math.max(2, Math.round(share * matrix.sites.length)));
  const relaysMeasure = !values["map-between-relays"];
  const plan = { seed, relayCounts: counts, worlds, agentsPerSite: 1, relaysMeasure };
  console.log(`\n${matrix.name}: ${matrix.sites.length} sites, ${counts.join(", ")} of them with a relay`);

  const quietPlan: HomesPlan = { ...plan, worlds: 10 * worlds, minutes: 10, noise: QUIET };
  const quiet = simulateHomes(matrix, quietPlan, [8]);
  const quietPairs = judgePairs(quiet.populated, [8], 40, seed);
  showHomes("as it is", quiet.judged);
  showPairs(quietPairs);

  const minutes = [2, 7, 14, 21].map((hour) => hour * 60);
  const noisyPlan: HomesPlan = { ...plan, minutes: DAY_MINUTES, noise: NOISY };
  const noisy = simulateHomes(matrix, noisyPlan, minutes);
  const noisyPairs = judgePairs(noisy.populated, minutes, 50, seed);
  showHomes("with noise", noisy.judged);
  showPairs(noisyPairs);

  const lostProbe = judgeLostProbe(matrix, seed);
  console.log(`  one lost probe: ${lostProbe.moved} of ${lostProbe.agents} agents moved`);

  const [ours, ...others] = noisy.judged;
  if (ours !== undefined) {
    const { excessMs, movesPerAgentDay } = ours;
    const at = `${matrix.name} with noise`;
    expectAtMost(excessMs.mean, TARGETS.meanMs, `${at}: mean excess, ms`);
    expectAtMost(excessMs.p99, TARGETS.p99Ms, `${at}: 99 % of excess, ms`);
    expectAtMost(movesPerAgentDay, TARGETS.movesPerDay, `${at}: moves per agent-day`);
    for (const other of others) {
      expectAtMost(excessMs.mean, other.excessMs.mean, `${at}: mean excess against ${other.rule}`);
      expectAtMost(excessMs.p99, other.excessMs.p99, `${at}: 99 % of excess against ${other.rule}`);
    }
  }
  for (const [name, pairs] of [["as it is", quietPairs] as const, ["with noise", noisyPairs] as const]) {
    const { burrow } = pairs.excessMs;
    expectAtMost(burrow?.mean ?? 0, TARGETS.pairsMeanMs, `${matrix.name} ${name}: pairs, ms`);
  }
  expectAtMost(lostProbe.moved, 0, `${matrix.name}: moves for one lost probe`);
  plots.set(
    `selection-${matrix.name}.svg`,
    excessPlot(
      `${matrix.name} with noise: excess over a day`,
      noisy.judged.map(({ rule, excess }) => ({ name: rule, excess })),
    ),
  );
  const bare = (judged: readonly Judged[]) => judged.map(({ excess: _, ...rest }) => rest);
  return {
    matrix: matrix.name,
    asItIs: { homes: bare(quiet.judged), pairs: quietPairs },
    withNoise: { homes: bare(noisy.judged), pairs: noisyPairs },
    lostProbe,
  };
}

function judgeScale(count: number, relays: number) {
  const plan = { seed, agents: count, relays, headroom: 1.5 };
  console.log(`\nscale: ${count} agents, ${relays} relays with room for ${plan.headroom} times as many`);
  const rssBefore = process.memoryUsage().rss;
  const fleet = makeFleet(plan);
  const crowd = makeCrowd(count);
  const settled = settle(plan, fleet, crowd);
  let rebooked = 0;
  for (let rounds = 0; rounds < 3; rounds++) rebooked += rebook(fleet, crowd);
  const loads = fleet.relays.map(({ load }) => load);
  const fill = fleet.relays.map(({ load, capacity }) => load / capacity);
  const balance = {
    maxOverMean: round(Math.max(...loads) / (count / relays)),
    fullest: round(Math.max(...fill), 3),
    excessMs: summarize([...crowd.excessMs]),
    rebooked,
    overbookedByAnyRegionsDeath: overbooked(fleet),
  };
  const bytesPerAgent = round((process.memoryUsage().rss - rssBefore) / count, 0);
  console.log(
    `  ${settled.microsecondsPerDecision} µs a decision, ${bytesPerAgent} B of process memory per agent`,
  );
  console.log(
    `  homes: max/mean ${balance.maxOverMean}, fullest ${balance.fullest} of its room, ${text(balance.excessMs)}`,
  );
  const { loads: deathLoads, ...death } = killRegion(fleet, crowd, regionOfShare(fleet, crowd, 0.1), seed);
  console.log(
    `  ${death.region} dies with ${death.relaysDead} relays and ${death.agents} agents (${percent(death.agentsShare)}):`,
  );
  console.log(`    served again ${text(death.servedAfterMs)}; homes moved ${text(death.homeMovedAfterMs)}`);
  console.log(
    `    fullest relay ${death.fullestBefore} → ${death.fullestAfter} of its room; if all ran to the nearest: ${death.stampede.fullest}, ${death.stampede.relaysAboveRoom} relays above their room`,
  );
  expectAtMost(death.servedAfterMs.max, TARGETS.servedMs, "region death: the last one served again, ms");
  expectAtMost(death.unserved, 0, "region death: agents unserved");
  expectAtMost(death.relaysAboveRoom, 0, "region death: relays above their stated room");
  expectAtMost(balance.fullest, 1, "scale: fullest relay");
  plots.set(
    "selection-region-death.svg",
    loadsPlot(`${death.region} dies with ${percent(death.agentsShare)} of ${count} agents`, [
      { name: "after, by reserved standbys", loads: deathLoads.map(({ after }) => after) },
      { name: "if all ran to the nearest", loads: deathLoads.map(({ stampede }) => stampede) },
      { name: "before", loads: deathLoads.map(({ before }) => before) },
    ]),
  );
  return { ...plan, ...settled, bytesPerAgent, balance, death };
}

function showHomes(name: string, judged: readonly Judged[]): void {
  console.log(
    `\n  ${name.padEnd(22)}  best relay   mean    p95    p99 ms   at 5 s   moves/day  (most)  probes/h`,
  );
  for (const { rule, agreement, excessMs, excessAt5sMs, ...rest } of judged) {
    const numbers = [
      percent(agreement).padStart(8),
      cell(excessMs.mean, 9),
      cell(excessMs.p95, 7),
      cell(excessMs.p99, 7),
      cell(excessAt5sMs.mean, 11),
      cell(rest.movesPerAgentDay, 11),
      String(rest.movesPerAgentDayMax).padStart(8),
      rest.probesPerAgentHour.toFixed(0).padStart(9),
    ];
    console.log(`    ${rule.padEnd(22)}${numbers.join("")}`);
  }
}

function showPairs(judged: PairsJudged): void {
  console.log(
    `\n  ${judged.pairs} pairs, over the best relay or trunk (a trunk in ${percent(judged.trunkBest)})`,
  );
  for (const [rule, excess] of Object.entries(judged.excessMs)) {
    console.log(`    ${rule.padEnd(24)} ${text(excess)}`);
  }
}

function expectAtMost(value: number, limit: number, what: string): void {
  if (!(value <= limit)) missed.push(`${what}: ${value}, wanted at most ${limit}`);
}

function text({ mean, p95, p99, max }: { mean: number; p95: number; p99: number; max: number }): string {
  return `mean ${mean.toFixed(2)}, 95 % ${p95.toFixed(1)}, 99 % ${p99.toFixed(1)}, most ${max.toFixed(1)} ms`;
}

function cell(value: number, width: number): string {
  return value.toFixed(2).padStart(width);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function number(value: string, flag: string): number {
  const parsed = Number(value);
  if (Number.isInteger(parsed) && parsed >= 0) return parsed;
  console.error(`error: ${flag} takes a whole number, not ${value}\n${HELP}`);
  process.exit(2);
}
