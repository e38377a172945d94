/** One network from its making to its end, with the logs of what ran in it where something went wrong. */
import { Bench, CheckError } from "./case.ts";
import { Lab } from "./netns.ts";
import { Topology } from "./topology.ts";

const LOG_TAIL_LINES = 15;

export interface SessionOptions {
  /** Logs and state directories stay. */
  readonly keep: boolean;
  print(line: string): void;
}

/** Runs `work` in a network of its own. Returns its bench, with everything that failed on it. */
export async function inSession(
  { keep, print }: SessionOptions,
  work: (bench: Bench) => Promise<void>,
): Promise<Bench> {
  await using lab = Lab.open();
  lab.keepFiles = keep;
  const bench = new Bench(lab, await Topology.create(lab), print);
  try {
    await work(bench);
  } catch (error) {
    // A failed check is on record already; anything else is a failure nobody expected.
    if (!(error instanceof CheckError))
      bench.failures.push(error instanceof Error ? error.message : String(error));
  }
  if (bench.failures.length > 0) printLogs(lab, print);
  if (keep) print(`kept: ${lab.directory}`);
  return bench;
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
