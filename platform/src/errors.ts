/** The operating system's error codes, out of whatever was thrown; and what they say of a file, as a user's error. */
import { dirname } from "node:path";
import { UserError } from "@burrow/protocol";

/** `EADDRINUSE` and the like, or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What goes wrong with a file is for a person to mend. */
export function fileError(error: unknown, doing: string, path: string): UserError {
  const [what, remedy] = explain(codeOf(error), error, path);
  return new UserError(`cannot ${doing} ${path}: ${what}`, remedy, { cause: error });
}

function explain(code: string | undefined, error: unknown, path: string): [string, string] {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return ["no permission", `check its owner and mode (\`ls -ld ${path}\`) or run as its owner`];
    case "ENOENT":
      return ["it does not exist", "check the path, or create its parent directory"];
    case "ENOSPC":
    case "EDQUOT":
      return ["the disk is full", `make room (\`df -h ${dirname(path)}\`)`];
    case "EROFS":
      return ["the file system is read-only", "choose a writable place (for state: --state DIR)"];
    case "EISDIR":
      return ["it is a directory", "move it away or choose another path"];
    case "ENOTDIR":
    case "EEXIST":
      return ["something that is no directory is in the way", "move it away or choose another path"];
    default:
      return [messageOf(error), "check the file system and its logs"];
  }
}
