/** The flags that several commands share, each with its BURROW_… variable; and secrets that files may hold. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { OperatorAccess } from "@burrow/coordinator";
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
  return enrolmentTokenFromFile(flags.tokenFile);
}

/** Ample for every token, and little enough that a file given by mistake shows at once. */
const SECRET_BYTES_MAX = 1024;

/** A secret that is all of a small file but for white space around it. */
function secretIn(text: string, path: string): string {
  const secret = text.trim();
  if (secret === "")
    throw new UserError(`${path} holds no secret`, "its one line must be the token, nothing else");
  if (/\s/.test(secret))
    throw new UserError(`${path} holds more than a token`, "its one line must be the token, nothing else");
  return secret;
}

/** What operators have of theirs: a token alone, or a coordinator's operator.json, whose token is for that one. */
export async function operatorTokenFromFile(path: string): Promise<string | OperatorAccess> {
  const text = readSmallFile(path);
  if (!text.trimStart().startsWith("{")) return secretIn(text, path);
  const { parseOperatorFile } = await import("@burrow/coordinator");
  return parseOperatorFile(text) ?? secretIn(text, path);
}

/** An enrolment token, as far as its looks go: what the coordinator would refuse anyway is told before it is asked. */
function enrolmentTokenFromFile(path: string): string {
  const token = secretIn(readSmallFile(path), path);
  if (token.startsWith("burrow_op_")) {
    throw new UserError(
      `${path} holds the operator's token, which enrols nobody`,
      "make one that does: `burrow token create --for agent --out FILE`",
    );
  }
  if (!/^burrow_[A-Za-z0-9_-]+$/.test(token)) {
    throw new UserError(
      `${path} holds something that is no enrolment token`,
      "those begin with burrow_; `burrow token create --out FILE` writes one",
    );
  }
  return token;
}

/** Neither pipes nor devices: they may not end. */
function readSmallFile(path: string): string {
  let file: number | undefined;
  try {
    // Not waiting for a writer, should it be a pipe.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(file).isFile()) throw unreadable(path, "it is no regular file");
    const bytes = Buffer.alloc(SECRET_BYTES_MAX + 1);
    const length = readSync(file, bytes);
    if (length > SECRET_BYTES_MAX) throw unreadable(path, `it has more than ${SECRET_BYTES_MAX} bytes`);
    return bytes.toString("utf8", 0, length);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw unreadable(path, code === "ENOENT" ? "there is none" : message, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function unreadable(path: string, why: string, cause?: unknown): UserError {
  return new UserError(
    `cannot read the secret in ${path}: ${why}`,
    "check the path and who may read the file",
    { cause },
  );
}

/** Flags without a value: a variable that says no must not switch them on. */
const SWITCHES = ["BURROW_JSON", "BURROW_TRUST_PROXY", "BURROW_UNDO", "BURROW_WATCH"] as const;
const NO = new Set(["0", "false", "no", "off"]);
const YES = new Set(["1", "true", "yes", "on"]);

/** Of a switch's variable; those that say no are removed before. */
export function isYes(value: string): boolean {
  return YES.has(value.trim().toLowerCase());
}

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] as const;
const LOOPBACK = ["localhost", "127.0.0.0/8", "::1"] as const;

/**
 * Removes variables that are set and say nothing, as empty lines of environment files do, and takes this machine out of
 * what proxies are asked for.
 */
export function tidyEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) {
    if (name.startsWith("BURROW_") && env[name]?.trim() === "") delete env[name];
  }
  // The runtime's own requests would ask a proxy for this machine's coordinator.
  if (PROXIES.some((name) => env[name] !== undefined)) {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      env[name] = [env[name], ...LOOPBACK].filter((entry) => (entry ?? "") !== "").join(",");
    }
  }
  for (const name of SWITCHES) if (NO.has(env[name]?.trim().toLowerCase() ?? "")) delete env[name];
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
