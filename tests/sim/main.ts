/**
 * `bun tests/sim/main.ts --seeds N [--seed S] [--json] [--story]`: N random scenarios from seed S on. Prints what
 * broke and how to replay it; the last line is `N passed, N failed`. With `--json` the last line is JSON instead.
 */
import { parseArgs } from "node:util";
import { narrate, simulate } from "./simulate.ts";

const FAILURES_SHOWN_MAX = 6;

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function summaryOf(measures: ReadonlyMap<string, number[]>) {
  return [...measures].map(([name, values]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const round = (value: number) => Math.round(value * 10) / 10;
    return {
      name,
      count: sorted.length,
      p50: round(quantile(sorted, 0.5)),
      p95: round(quantile(sorted, 0.95)),
      max: round(sorted.at(-1) ?? Number.NaN),
    };
  });
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      story: { type: "boolean", default: false },
    },
  });
  const first = Number(values.seed);
  const count = Number(values.seeds);
  if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
    console.error("error: --seed and --seeds take whole numbers\n  try: bun tests/sim/main.ts --seeds 200");
    return 2;
  }
  const started = performance.now();
  const measures = new Map<string, number[]>();
  const failed: { seed: number; failures: readonly string[] }[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const outcome = simulate(seed);
    for (const [name, seen] of outcome.measures) measures.set(name, [...(measures.get(name) ?? []), ...seen]);
    if (outcome.failures.length > 0) {
      failed.push({ seed, failures: outcome.failures });
      console.error(`seed ${seed} failed; replay: bun tests/sim/main.ts --seeds 1 --seed ${seed} --story`);
      for (const failure of outcome.failures.slice(0, FAILURES_SHOWN_MAX)) console.error(`  ${failure}`);
    }
    const done = seed - first + 1;
    if (done % 100 === 0) console.error(`… ${done} of ${count}, ${failed.length} failed`);
  }
  if (values.story) console.log(narrate(first).story.join("\n"));
  const summary = summaryOf(measures);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  if (values.json) {
    console.log(JSON.stringify({ seeds: count, first, seconds, failed, measures: summary }));
  } else {
    for (const { name, count: n, p50, p95, max } of summary) {
      console.log(`${name.padEnd(44)} p50 ${p50}, p95 ${p95}, most ${max} (${n})`);
    }
    console.log(`${seconds} s`);
    console.log(`${count - failed.length} passed, ${failed.length} failed`);
  }
  return failed.length === 0 ? 0 : 1;
}

process.exit(main());
