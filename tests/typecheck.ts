/**
 * Type-checks the whole project, and each pure core once more with neither DOM, Bun nor Node types in reach,
 * so that I/O in a core does not compile. The dashboard is checked with the DOM's types, and with no others.
 */
const PROJECTS = [
  "tsconfig.json",
  "protocol/src/tsconfig.json",
  "relay/src/core/tsconfig.json",
  "coordinator/src/core/tsconfig.json",
  "agent/src/core/tsconfig.json",
  "coordinator/src/dashboard/tsconfig.json",
] as const;

const root = new URL("..", import.meta.url).pathname;
let failed = false;
for (const project of PROJECTS) {
  const run = Bun.spawnSync(["node_modules/.bin/tsc", "--noEmit", "-p", project], { cwd: root });
  const output = run.stdout.toString() + run.stderr.toString();
  if (run.exitCode !== 0) failed = true;
  console.log(
    `${run.exitCode === 0 ? "ok  " : "FAIL"} types ${project}${output === "" ? "" : `\n${output}`}`,
  );
}
process.exit(failed ? 1 : 0);
