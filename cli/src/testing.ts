/** For tests: a terminal that keeps what was printed, and runs of the command with an environment of their own. */
import { run } from "./program.ts";
import { PLAIN, type Terminal } from "./terminal.ts";

export interface Captured extends Terminal {
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function captured(): Captured {
  let stdout = "";
  let stderr = "";
  return {
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    outStyle: PLAIN,
    errStyle: PLAIN,
    outIsTerminal: false,
    errIsTerminal: false,
    stdout: () => stdout,
    stderr: () => stderr,
  };
}

/** Runs `work` with exactly these BURROW_ variables, and puts the environment back. */
export async function withEnvironment<T>(
  env: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  const kept = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith("BURROW_")) delete process.env[name];
  Object.assign(process.env, env);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in kept)) delete process.env[name];
    Object.assign(process.env, kept);
  }
}

export async function burrow(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const terminal = captured();
  const exitCode = await withEnvironment(env, () => run(args, terminal));
  return { exitCode, stdout: terminal.stdout(), stderr: terminal.stderr() };
}
