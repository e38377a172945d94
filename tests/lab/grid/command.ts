/** `bun run lab --grid`: every kind of network against every other, both ways round, and some pairs that are special. */
import type { Bench } from "../case.ts";
import { NAT_KINDS, type NatKind } from "../nat-kinds.ts";
import { inSession } from "../session.ts";
import { formatSpread } from "../statistics.ts";
import { classOf } from "./expectation.ts";
import { type Extra, extras } from "./extras.ts";
import { measurePair, type Pair, type PairResult } from "./pair.ts";
import { extrasTable, type GridSummary, gridTable, summarize } from "./report.ts";
import { agentName, GridWorld, natPlan } from "./world.ts";

export interface GridOptions {
  /** Kinds and extras; all when empty. */
  readonly only: readonly string[];
  readonly delayMs: number | undefined;
  readonly keep: boolean;
  readonly json: boolean;
  print(line: string): void;
}

/** What `--only` can name. */
export function gridNames(): string[] {
  return [...NAT_KINDS, ...extras().map(({ name }) => name)];
}

/** Returns how many passed and failed. */
export async function runGrid(options: GridOptions): Promise<{ passed: number; failed: number }> {
  const { only, print } = options;
  const isWanted = (name: string) => only.length === 0 || only.includes(name);
  const kinds = NAT_KINDS.filter(isWanted);
  const special = extras().filter(({ name }) => isWanted(name));
  const nat: PairResult[] = [];
  const other: PairResult[] = [];
  const bench = await inSession(options, async (session) => {
    const world = await populate(session, kinds, special, options.delayMs);
    session.step("pairs");
    for (const pair of natPairs(world, kinds)) nat.push(await measure(session, pair));
    for (const pair of specialPairs(world, special)) other.push(await measure(session, pair));
  });

  const all = [...nat, ...other];
  const delayMs = options.delayMs ?? 0;
  const summary = summarize(all, { direct: 4 * delayMs, relay: 4 * delayMs });
  if (options.json) console.log(JSON.stringify({ pairs: all, summary }, undefined, 2));
  print(reportOf(kinds, nat, other, summary));
  const verdicts = [...all.map(({ passed }) => passed), ...summary.checks.map(({ passed }) => passed)];
  // Agents that did not come up and the like: pairs that were never tried.
  for (const failure of bench.failures) print(`FAIL ${failure}`);
  const passed = verdicts.filter(Boolean).length;
  return { passed, failed: verdicts.length - passed + bench.failures.length };
}

async function populate(
  bench: Bench,
  kinds: readonly NatKind[],
  special: readonly Extra[],
  delayMs: number | undefined,
): Promise<GridWorld> {
  bench.step("coordinator and relays");
  const world = await GridWorld.create(bench, delayMs);
  bench.step("agents");
  const plans = kinds.flatMap((kind) => [natPlan("a", kind), natPlan("b", kind)]);
  await world.populate([...plans, ...special.flatMap((extra) => extra.plans)]);
  return world;
}

function natPairs(world: GridWorld, kinds: readonly NatKind[]): Pair[] {
  return kinds.flatMap((from) =>
    kinds.map((to) => ({
      from,
      to,
      class: classOf(from, to),
      a: world.agent(agentName("a", from)),
      b: world.agent(agentName("b", to)),
    })),
  );
}

function specialPairs(world: GridWorld, special: readonly Extra[]): Pair[] {
  return special.map(({ name, class: kind, plans: [a, b], check }) => ({
    from: name,
    to: name,
    class: kind,
    a: world.agent(a.name),
    b: world.agent(b.name),
    check,
  }));
}

async function measure(bench: Bench, pair: Pair): Promise<PairResult> {
  const result = await measurePair(pair);
  const firstByte = result.firstByteMs === null ? "never" : `${result.firstByteMs.toFixed(0)} ms`;
  const direct = result.directMs === null ? "" : `, direct after ${result.directMs.toFixed(0)} ms`;
  const verdict = result.passed ? "ok  " : "FAIL";
  const name = pair.from === pair.to ? pair.from : `${pair.from} → ${pair.to}`;
  bench.step(`  ${verdict} ${name}: first byte ${firstByte}${direct}, ends on ${result.path}`);
  if (!result.passed) bench.step(`       ${result.failures.join(", ")}: ${result.reason ?? ""}`);
  return result;
}

function reportOf(
  kinds: readonly NatKind[],
  nat: readonly PairResult[],
  other: readonly PairResult[],
  summary: GridSummary,
): string {
  const lines = [""];
  if (nat.length > 0) lines.push(gridTable(kinds, nat), "");
  if (other.length > 0) lines.push(extrasTable(other), "");
  lines.push(
    `time to first byte:           ${formatSpread(summary.firstByte)}`,
    `time to direct, easy:         ${formatSpread(summary.easy)}`,
    `time to direct, hard × easy:  ${formatSpread(summary.hardEasy)}`,
  );
  for (const { what, passed, measured } of summary.checks)
    lines.push(`${passed ? "ok  " : "FAIL"} ${what} (${measured})`);
  return `${lines.join("\n")}\n`;
}
