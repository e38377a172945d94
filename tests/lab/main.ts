/**
 * `bun run lab`: runs cases in networks of their own and tells how they went; `--grid` and `--failover` are the two
 * long measurements, in folders of their own. Exit code 0 when all passed, 1 when any failed, 2 for bad usage.
 */
import { parseArgs } from "node:util";
import type { LabCase, Measurement } from "./case.ts";
import { continents } from "./cases/continents.ts";
import { middleRelay } from "./cases/middle-relay.ts";
import { narrowPath } from "./cases/narrow-path.ts";
import { natCheck } from "./cases/nat-check.ts";
import { portMapping } from "./cases/port-mapping.ts";
import { reHoming } from "./cases/re-homing.ts";
import { shutPort } from "./cases/shut-port.ts";
import { suddenDeath } from "./cases/sudden-death.ts";
import { wrongMap } from "./cases/wrong-map.ts";
import { failoverNames, runFailover } from "./failover/command.ts";
import { gridNames, runGrid } from "./grid/command.ts";
import { labUnavailable } from "./netns.ts";
import { inSession } from "./session.ts";
import { columns } from "./statistics.ts";

const CASES: readonly LabCase[] = [
  continents,
  wrongMap,
  suddenDeath,
  natCheck,
  portMapping,
  narrowPath,
  shutPort,
  middleRelay,
  reHoming,
];

interface CaseResult {
  case: string;
  passed: boolean;
  durationMs: number;
  failures: string[];
  measurements: Measurement[];
}

const HELP = `Usage: bun run lab [--case NAME]... [--json] [--keep] [--list]
       bun run lab --grid [--only A,B] [--delay MS] [--json] [--keep]
       bun run lab --failover [--only A,B] [--cuts N] [--json] [--keep]

Runs Burrow through real NATs in network namespaces. Needs Linux and root.

  --case NAME  only this case; may be given several times
  --grid       every kind of network against every other: time to first byte, time to direct, path
  --failover   paths cut under a stream of packets in every way, and the longest silence
  --only A,B   of the grid, only pairs of these; of the failovers, only these
  --cuts N     how often each failover is made to happen (10)
  --delay MS   of the grid, how far either side is from the middle, each way
  --json       results as JSON on standard output, progress on standard error
  --keep       leave logs and state directories behind and say where
  --list       what cases there are
`;

type Mode = "cases" | "grid" | "failover";

const CUTS_DEFAULT = "10";

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (typeof options === "string") {
    console.error(`${options}\n\n${HELP}`);
    return 2;
  }
  if (options.help || options.list) {
    console.log(options.help ? HELP : CASES.map(({ name, summary }) => `${name}: ${summary}`).join("\n"));
    return 0;
  }
  const reason = labUnavailable();
  if (reason !== undefined) {
    console.error(`lab: ${reason}; run it as root on Linux with iproute2, nftables and procps`);
    return 1;
  }
  const print = (line: string) => (options.json ? console.error(line) : console.log(line));
  const { passed, failed } = await RUNS[options.mode](options, print);
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

interface Options {
  mode: Mode;
  cases: readonly LabCase[];
  only: readonly string[];
  delayMs: number | undefined;
  cuts: number;
  json: boolean;
  keep: boolean;
  list: boolean;
  help: boolean;
}

type Print = (line: string) => void;

const RUNS: Readonly<
  Record<Mode, (options: Options, print: Print) => Promise<{ passed: number; failed: number }>>
> = {
  cases: runCases,
  grid: (options, print) => runGrid({ ...options, print }),
  failover: (options, print) => runFailover({ ...options, print }),
};

/** The options, or what is wrong with them. */
function parseOptions(args: readonly string[]): Options | string {
  try {
    const flag = { type: "boolean", default: false } as const;
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      args: [...args],
      options: {
        case: { type: "string", multiple: true },
        grid: flag,
        failover: flag,
        cuts: { type: "string", default: CUTS_DEFAULT },
        only: text,
        delay: text,
        json: flag,
        keep: flag,
        list: flag,
        help: flag,
      },
    });
    const { json, keep, list, help } = values;
    const mode: Mode = values.grid ? "grid" : values.failover ? "failover" : "cases";
    const cases = values.case ?? CASES.map(({ name }) => name);
    const only = values.only?.split(",") ?? [];
    const caseNames = CASES.map(({ name }) => name);
    const names = mode === "failover" ? failoverNames() : gridNames();
    const unknown = unknownName("case", cases, caseNames) ?? unknownName(mode, only, names);
    if (unknown !== undefined) return unknown;
    const delayMs = values.delay === undefined ? undefined : Number(values.delay);
    if (delayMs !== undefined && !(delayMs >= 0)) return `--delay ${values.delay} is no time in ms`;
    const cuts = Number(values.cuts);
    if (!(Number.isInteger(cuts) && cuts > 0)) return `--cuts ${values.cuts} is no number of cuts`;
    const chosen = CASES.filter(({ name }) => cases.includes(name));
    return { mode, cases: chosen, only, delayMs, cuts, json, keep, list, help };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function unknownName(what: string, wanted: readonly string[], known: readonly string[]): string | undefined {
  const unknown = wanted.find((name) => !known.includes(name));
  return unknown === undefined ? undefined : `there is no ${what} ${unknown}; there are ${known.join(", ")}`;
}

async function runCases(options: Options, print: Print): Promise<{ passed: number; failed: number }> {
  const results: CaseResult[] = [];
  for (const labCase of options.cases) results.push(await runCase(labCase, options.keep, print));
  const failed = results.filter((result) => !result.passed).length;
  if (options.json) console.log(JSON.stringify(results, undefined, 2));
  else print(`\n${table(results)}\n`);
  return { passed: results.length - failed, failed };
}

async function runCase(labCase: LabCase, keep: boolean, print: Print): Promise<CaseResult> {
  print(`\n${labCase.name}: ${labCase.summary}`);
  const startedMs = performance.now();
  const { failures, measurements } = await inSession({ keep, print }, (bench) => labCase.run(bench));
  return {
    case: labCase.name,
    passed: failures.length === 0,
    durationMs: Math.round(performance.now() - startedMs),
    failures,
    measurements,
  };
}

function firstLine(failure: string): string {
  return `FAIL ${failure.split("\n")[0]}`;
}

function table(results: readonly CaseResult[]): string {
  const rows = [["case", "result", "measured"]];
  for (const result of results) {
    const values = result.measurements.map(({ what, value, unit }) => `${what}: ${value} ${unit}`.trimEnd());
    const [first = "", ...rest] = [...values, ...result.failures.map(firstLine)];
    const verdict = `${result.passed ? "passed" : "FAILED"} in ${(result.durationMs / 1_000).toFixed(1)} s`;
    rows.push([result.case, verdict, first], ...rest.map((value) => ["", "", value]));
  }
  return columns(rows);
}

process.exit(await main(process.argv.slice(2)));
