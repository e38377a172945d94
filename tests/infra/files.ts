/** The files under infra/ as texts by their paths, as they are in the checkout. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Not what Terraform fetched, nor a deployment that somebody made in this checkout, as docs/deploy.md has it. */
export const isProject = (path: string): boolean =>
  !/\/(?:\.terraform|examples\/my-[^/]+)(?:\/|$)/.test(path);

export function infraFiles(pattern: string): Map<string, string> {
  const paths = [...new Glob(`infra/${pattern}`).scanSync({ cwd: ROOT, dot: true })].sort();
  return new Map(paths.filter(isProject).map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
}

/** Whether a command is here. In CI its absence is an error, unless nobody there could install it. */
export function has(command: string, what: string, installable = true): boolean {
  if (Bun.which(command) !== null) return true;
  return skipped(what, `${command} is not here`, installable);
}

/** Prints why something is not tested. In CI that is an error, unless nobody there could mend it. Returns false. */
export function skipped(what: string, reason: string, installable = true): boolean {
  const message = `SKIPPED ${what}: ${reason}`;
  const { CI } = process.env;
  if (CI === "true" && installable) throw new Error(message);
  console.warn(message);
  return false;
}
