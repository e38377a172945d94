/** What a test needs of the machine: absent, it is skipped with the reason printed, except where CI=true. */

export interface Needs {
  readonly root?: boolean;
  readonly commands?: readonly string[];
  readonly files?: readonly string[];
}

/** Whether the machine has all of it. Prints what is missing; in CI that is an error. */
export function needs(what: string, wanted: Needs): boolean {
  const missing = [
    ...(process.platform === "linux" ? [] : ["Linux"]),
    ...(wanted.root === true && process.getuid?.() !== 0 ? ["root"] : []),
    ...(wanted.commands ?? []).filter((command) => Bun.which(command) === null),
    ...(wanted.files ?? []).filter((file) => Bun.spawnSync(["test", "-e", file]).exitCode !== 0),
  ];
  if (missing.length === 0) return true;
  const message = `${what}: not tested here, for want of ${missing.join(", ")}`;
  const { CI } = process.env;
  if (CI === "true") throw new Error(message);
  console.warn(message);
  return false;
}
