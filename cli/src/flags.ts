/** The flags that several commands share, each with its BURROW_… variable; and secrets that files may hold. */
import { readFileSync } from "node:fs";
import { UserError } from "@burrow/protocol";
import type { LogLevel } from "@logtape/logtape";
import { type Command, InvalidArgumentError, Option } from "commander";
import { coordinatorUrl, LOG_LEVELS, logLevel } from "./values.ts";

/** An option whose variable is BURROW_ and its long flag in capitals, unless `env` names another. */
export function flag(flags: string, description: string, env?: string): Option {
  const made = new Option(flags, description);
  return made.env(env ?? `BURROW_${made.name().toUpperCase().replaceAll("-", "_")}`);
}

export const jsonFlag = () => flag("--json", "print JSON (shapes: docs/cli.md)");
export const logLevelFlag = (level: LogLevel = "info") =>
  flag("--log-level <LEVEL>", `${LOG_LEVELS.slice(0, -1).join(", ")} or ${LOG_LEVELS.at(-1)}`)
    .argParser(logLevel)
    .default(level);
export const stateFlag = (what: string) => flag("--state <DIR>", what);
export const coordinatorFlag = () =>
  flag("--coordinator <URL>", "where the coordinator is").argParser(coordinatorUrl);

/** --token and --token-file; the file is the better way, since every user of a machine sees its argument lists. */
export function addTokenFlags(command: Command, purpose: string): Command {
  return command
    .addOption(flag("--token <T>", `${purpose} (visible to other users; better: --token-file)`))
    .addOption(flag("--token-file <FILE>", "file that holds the token"));
}

export interface TokenFlags {
  readonly token?: string;
  readonly tokenFile?: string;
}

/** The token given, whichever way; a flag beats the environment, and two flags at once are a mistake. */
export function tokenFrom(command: Command, flags: TokenFlags): string | undefined {
  const fromFlag = (name: string) => command.getOptionValueSource(name) === "cli";
  if (fromFlag("token") && fromFlag("tokenFile")) {
    command.error("error: --token and --token-file were both given; give one of them");
  }
  if (flags.tokenFile === undefined || fromFlag("token")) return flags.token;
  if (flags.token !== undefined && !fromFlag("tokenFile")) return flags.token;
  return secretFromFile(flags.tokenFile);
}

/** A secret from the first line of a file. */
export function secretFromFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is none" : (error as Error).message;
    throw new UserError(
      `cannot read the secret in ${path}: ${why}`,
      "check the path and who may read the file",
      {
        cause: error,
      },
    );
  }
  const secret = text.split("\n", 1)[0]?.trim() ?? "";
  if (secret === "")
    throw new UserError(`${path} holds no secret`, "its first line must be the token, nothing else");
  return secret;
}

/** Flags without a value: a variable that says no must not switch them on. */
const SWITCHES = ["BURROW_JSON", "BURROW_TRUST_PROXY", "BURROW_UNDO"] as const;
const NO = new Set(["0", "false", "no", "off"]);

/** Removes variables that are set and say nothing, as empty lines of environment files do. */
export function tidyEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) {
    if (name.startsWith("BURROW_") && env[name]?.trim() === "") delete env[name];
  }
  for (const name of SWITCHES) if (NO.has(env[name]?.toLowerCase() ?? "")) delete env[name];
}

/** An argument that must not be empty, such as a peer's name. */
export function nonEmpty(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must not be empty.");
  return text.trim();
}

/** Ends with the same words that commander has for an option that is mandatory. */
export function requireFlags(command: Command, attributes: readonly string[]): void {
  for (const attribute of attributes) {
    if (command.getOptionValue(attribute) !== undefined) continue;
    const flags = command.options.find((option) => option.attributeName() === attribute)?.flags;
    command.error(`error: required option '${flags}' not specified`);
  }
}
