/** Offsets, sizes and numbers as this machine's C compiler and headers have them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether there is one; says so where there is not. */
export function compilerFor(what: string): boolean {
  if (process.platform === "linux" && Bun.which("cc") !== null) return true;
  console.log(`${what}: not tested here: needs Linux and a C compiler \`cc\``);
  return false;
}

/**
 * Each expression with its value in C. `names` are given to headers that lack them: newer than the headers, or made of
 * several in them.
 */
export function compiled(
  headers: readonly string[],
  names: ReadonlyMap<string, string | number>,
  expressions: readonly (readonly [string, number])[],
): [string, number][] {
  const directory = mkdtempSync(join(tmpdir(), "burrow-layout-"));
  try {
    const source = [
      "#define _GNU_SOURCE",
      ...headers.map((name) => `#include <${name}>`),
      ...[...names].map(([name, value]) => `#ifndef ${name}\n#define ${name} ${value}\n#endif`),
      "int main(void) {",
      ...expressions.map(([expression]) => `  printf("%ld\\n", (long)(${expression}));`),
      "  return 0;",
      "}",
    ].join("\n");
    const binary = join(directory, "layout");
    const run = Bun.spawnSync(["cc", "-x", "c", "-o", binary, "-"], { stdin: Buffer.from(source) });
    if (run.exitCode !== 0) throw new Error(run.stderr.toString());
    const values = Bun.spawnSync([binary]).stdout.toString().trim().split("\n").map(Number);
    return expressions.map(([expression], i) => [expression, values[i] ?? Number.NaN]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
