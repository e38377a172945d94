/**
 * `bun run lab [--case NAME]... [--json] [--keep] [--list]`: runs cases in networks of their own and tells how they went.
 * Exit code 0 when all passed, 1 when any failed, 2 for bad usage.
 */
import { parseArgs } from "node:util";
import { Bench, CheckError, type LabCase, type Measurement } from "./case.ts";
import { continents } from "./cases/continents.ts";
import { Lab, labUnavailable } from "./netns.ts";
import { Topology } from "./topology.ts";

const CASES: readonly LabCase[] = [continents];

const LOG_TAIL_LINES = 15;

interface CaseResult {
  case: string;
  passed: boolean;
  durationMs: number;
  failures: string[];
  measurements: Measurement[];
}

const HELP = `Usage: bun run lab [--case NAME]... [--json] [--keep] [--list]

Runs Burrow through real NATs in network namespaces. Needs Linux and root.

  --case NAME  only this case; may be given several times
  --json       results as JSON on standard output, progress on standard error
  --keep       leave logs and state directories behind and say where
  --list       what cases there are
`;

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
  const results: CaseResult[] = [];
  for (const labCase of options.cases) results.push(await runCase(labCase, options.keep, print));

  const failed = results.filter((result) => !result.passed).length;
  if (options.json) console.log(JSON.stringify(results, undefined, 2));
  else print(`\n${table(results)}\n`);
  print(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

interface Options {
  cases: readonly LabCase[];
  json: boolean;
  keep: boolean;
  list: boolean;
  help: boolean;
}

/** The options, or what is wrong with them. */
function parseOptions(args: readonly string[]): Options | string {
  try {
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      args: [...args],
      options: { case: { type: "string", multiple: true }, json: flag, keep: flag, list: flag, help: flag },
    });
    const wanted = values.case ?? CASES.map(({ name }) => name);
    const unknown = wanted.find((name) => CASES.every((labCase) => labCase.name !== name));
    if (unknown !== undefined) {
      return `there is no case ${unknown}; there are ${CASES.map(({ name }) => name).join(", ")}`;
    }
    const { json, keep, list, help } = values;
    return { cases: CASES.filter(({ name }) => wanted.includes(name)), json, keep, list, help };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function runCase(labCase: LabCase, keep: boolean, print: (line: string) => void): Promise<CaseResult> {
  print(`\n${labCase.name}: ${labCase.summary}`);
  const startedMs = performance.now();
  await using lab = Lab.open();
  lab.keepFiles = keep;
  const bench = new Bench(lab, await Topology.create(lab), print);
  try {
    await labCase.run(bench);
  } catch (error) {
    // A failed check is on record already; anything else is a failure nobody expected.
    if (!(error instanceof CheckError))
      bench.failures.push(error instanceof Error ? error.message : String(error));
  }
  const passed = bench.failures.length === 0;
  if (!passed) {
    printLogs(lab, print);
  }
  if (keep) print(`kept: ${lab.directory}`);
  const { failures, measurements } = bench;
  return {
    case: labCase.name,
    passed,
    durationMs: Math.round(performance.now() - startedMs),
    failures,
    measurements,
  };
}

/** The last words of every process, and whether it is still there. */
function printLogs(lab: Lab, print: (line: string) => void): void {
  for (const child of lab.processes) {
    const tail = child.lines.slice(-LOG_TAIL_LINES);
    // Nothing to tell: a delay line that works, say.
    if (tail.length <= 1 && child.running) continue;
    print(`--- ${child.label} (${child.running ? "running" : "ended"})`);
    for (const line of tail) print(`    ${line.text}`);
  }
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
  const width = (column: number) => Math.max(...rows.map((row) => (row[column] ?? "").length));
  const [caseWidth, resultWidth] = [width(0), width(1)];
  return rows
    .map(([name = "", result = "", value = ""]) =>
      `${name.padEnd(caseWidth)}  ${result.padEnd(resultWidth)}  ${value}`.trimEnd(),
    )
    .join("\n");
}

process.exit(await main(process.argv.slice(2)));
