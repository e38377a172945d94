/** Asks the coordinator as an operator: by URL and token given, or by what a coordinator here left in its state. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@burrow/protocol";
import { secretFromFile } from "../flags.ts";
import { refusalOf } from "./agent-api.ts";

export interface OperatorAccess {
  readonly url: string;
  readonly token: string;
}

/** Written by a coordinator into its state directory, readable by its user alone. */
export const OPERATOR_FILE = "operator.json";

const TIMEOUT_MS = 15_000;

export interface AccessFlags {
  readonly coordinator?: string;
  readonly operatorTokenFile?: string;
  readonly state: string;
}

/** The URL given goes with the token given; what is left out comes from the state directory. */
export function findAccess(flags: AccessFlags, env: NodeJS.ProcessEnv): OperatorAccess {
  const { BURROW_OPERATOR_TOKEN } = env;
  const token =
    flags.operatorTokenFile === undefined ? BURROW_OPERATOR_TOKEN : secretFromFile(flags.operatorTokenFile);
  if (flags.coordinator !== undefined && token !== undefined) return { url: flags.coordinator, token };
  const kept = readOperatorFile(flags.state, flags.coordinator !== undefined);
  return { url: flags.coordinator ?? kept.url, token: token ?? kept.token };
}

function readOperatorFile(stateDir: string, hasUrl: boolean): OperatorAccess {
  const path = join(stateDir, OPERATOR_FILE);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") {
      throw new UserError(
        `no right to read ${path}`,
        "run this as the user who runs the coordinator (sudo)",
        {
          cause: error,
        },
      );
    }
    throw new UserError(
      hasUrl ? "no operator token was given" : `no coordinator keeps its state in ${stateDir}`,
      hasUrl
        ? "set BURROW_OPERATOR_TOKEN to the token in the coordinator's operator.json, or name a file that holds it with --operator-token-file"
        : "run this where the coordinator runs, with its --state DIR if it has one; or from elsewhere with --coordinator URL and BURROW_OPERATOR_TOKEN",
      { cause: error },
    );
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && "url" in parsed && "token" in parsed) {
      if (typeof parsed.url === "string" && typeof parsed.token === "string") {
        return { url: parsed.url, token: parsed.token };
      }
    }
  } catch {
    // Told below.
  }
  throw new UserError(
    `${path} is not what a coordinator writes`,
    "restart the coordinator: it writes the file anew",
  );
}

/** Posts JSON and returns the JSON answer. */
export async function post<Answer>(access: OperatorAccess, path: string, body: unknown): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`${access.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${access.token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new UserError(
      `the coordinator at ${access.url} does not answer`,
      "check that it runs and that this address is right; it can be given with --coordinator URL",
      { cause: error },
    );
  }
  if (response.status === 401 || response.status === 403) {
    throw new UserError(
      `the coordinator at ${access.url} does not accept this operator token`,
      "take the token from operator.json in that coordinator's state directory",
    );
  }
  if (!response.ok) throw await refusalOf(response);
  return (await response.json()) as Answer;
}
