/** `--out FILE`: where a secret goes that would otherwise be on standard output. */
import type { OutputFile } from "@burrow/platform";
import { flag } from "../flags.ts";

export const outFlag = (what: string) => flag("--out <FILE>", what);

/** Opened before the secret is made: one that nobody can be told of is of no use, or worse. */
export async function fileFor(path: string | undefined): Promise<OutputFile | undefined> {
  if (path === undefined) return undefined;
  const { openOutputFile } = await import("@burrow/platform");
  return await openOutputFile(path);
}
