/**
 * `bun tests/sim/main.ts --seeds N [--seed S] [--jobs J] [--json] [--story]`: N random scenarios from seed S on, on as
 * many threads as there are processors. Prints what broke and how to replay it; the last line is `N passed, N failed`.
 * With `--json` the last line is JSON instead.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { narrate } from "./simulate.ts";
import type { Outcome } from "./world.ts";

const FAILURES_SHOWN_MAX = 6;

type Result = Pick<Outcome, "seed" | "failures" | "measures">;
interface Measured {
  readonly value: number;
  readonly seed: number;
}

function quantile(sorted: readonly Measured[], q: number): number {
  return round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]?.value);
}

function round(value: number | undefined): number {
  return Math.round((value ?? Number.NaN) * 10) / 10;
}

function summaryOf(results: readonly Result[]) {
  const measures = new Map<string, Measured[]>();
  for (const { seed, measures: seen } of results) {
    for (const [name, values] of seen) {
      measures.set(name, [...(measures.get(name) ?? []), ...values.map((value) => ({ value, seed }))]);
    }
  }
  return [...measures].map(([name, values]) => {
    const sorted = values.toSorted((a, b) => a.value - b.value || a.seed - b.seed);
    const most = sorted.at(-1);
    return {
      name,
      count: sorted.length,
      p50: quantile(sorted, 0.5),
      p95: quantile(sorted, 0.95),
      max: round(most?.value),
      seedOfMax: most?.seed,
    };
  });
}

/** Hands seeds to threads, the next to whichever is free. */
async function runSeeds(
  first: number,
  count: number,
  jobs: number,
  each: (result: Result) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = first;
  const work = async () => {
    const worker = new Worker(new URL("./seeds.worker.ts", import.meta.url).href);
    try {
      while (next < first + count) {
        const seed = next++;
        const result = await answerOf(worker, seed);
        each(result);
        results.push(result);
      }
    } finally {
      worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, work));
  return results.toSorted((a, b) => a.seed - b.seed);
}

function answerOf(worker: Worker, seed: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Result>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`seed ${seed}: ${message}`));
    worker.postMessage(seed);
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: String(availableParallelism()) },
      json: { type: "boolean", default: false },
      story: { type: "boolean", default: false },
    },
  });
  const [first, count, jobs] = [values.seed, values.seeds, values.jobs].map(Number);
  if (!isWhole(first, 0) || !isWhole(count, 1) || !isWhole(jobs, 1)) {
    console.error("error: --seed, --seeds and --jobs take whole numbers");
    console.error("  try: bun tests/sim/main.ts --seeds 200");
    return 2;
  }
  const started = performance.now();
  let [done, broken] = [0, 0];
  const results = await runSeeds(first, count, jobs, ({ seed, failures }) => {
    done++;
    if (failures.length > 0) {
      broken++;
      console.error(`seed ${seed} failed; replay: bun tests/sim/main.ts --seeds 1 --seed ${seed} --story`);
      for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) console.error(`  ${failure}`);
    }
    if (done % 100 === 0) console.error(`… ${done} of ${count}, ${broken} failed`);
  });
  if (values.story) console.log(narrate(first).story.join("\n"));
  const summary = summaryOf(results);
  const seconds = round((performance.now() - started) / 1000);
  if (values.json) {
    const failed = results.flatMap(({ seed, failures }) => (failures.length > 0 ? [{ seed, failures }] : []));
    console.log(JSON.stringify({ seeds: count, first, seconds, failed, measures: summary }));
  } else {
    for (const { name, count: n, p50, p95, max, seedOfMax } of summary) {
      console.log(`${name.padEnd(44)} p50 ${p50}, p95 ${p95}, most ${max} (seed ${seedOfMax}), of ${n}`);
    }
    console.log(`${seconds} s`);
    console.log(`${count - broken} passed, ${broken} failed`);
  }
  return broken === 0 ? 0 : 1;
}

function isWhole(value: number | undefined, least: number): value is number {
  return Number.isInteger(value) && (value ?? -1) >= least;
}

process.exit(await main());
