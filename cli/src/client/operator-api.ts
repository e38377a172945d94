/** Finds the coordinator for an operator's command: by URL and token given, or by what one here left in its state. */
import type { OperatorAccess } from "@burrow/coordinator";
import { UserError } from "@burrow/protocol";
import { operatorTokenFromFile } from "../flags.ts";

export interface AccessFlags {
  readonly coordinator?: string;
  readonly operatorTokenFile?: string;
  readonly state: string;
}

/**
 * What is not given comes from an operator.json: the file that was named, or the one in the state directory. Its token
 * goes to its own coordinator alone.
 */
export async function findAccess(flags: AccessFlags, env: NodeJS.ProcessEnv): Promise<OperatorAccess> {
  const { BURROW_OPERATOR_TOKEN } = env;
  const { coordinator, operatorTokenFile } = flags;
  const given =
    operatorTokenFile === undefined ? BURROW_OPERATOR_TOKEN : await operatorTokenFromFile(operatorTokenFile);
  if (typeof given === "object") {
    if (coordinator === undefined) return given;
    if (isSamePlace(coordinator, given.url)) return { url: coordinator, token: given.token };
    throw new UserError(
      `the token in ${operatorTokenFile} is for the coordinator at ${given.url}, and was not sent to ${coordinator}`,
      "if both are the same, give a file with the token alone: `burrow operator token --out FILE` on the coordinator's machine writes one",
    );
  }
  if (coordinator !== undefined && given !== undefined) return { url: coordinator, token: given };
  const { readOperatorFile } = await import("@burrow/coordinator");
  const kept = await readOperatorFile(flags.state);
  if (coordinator !== undefined && (kept === undefined || !isSamePlace(coordinator, kept.url))) {
    const here = kept === undefined ? "" : `; or leave --coordinator out to ask the one here, at ${kept.url}`;
    throw new UserError(
      `no operator token was given for ${coordinator}`,
      `set BURROW_OPERATOR_TOKEN to what \`burrow operator token\` shows on that coordinator's machine, or name a file that holds it with --operator-token-file${here}`,
    );
  }
  if (kept === undefined) throw nobodyIn(flags.state);
  return { ...kept, token: given ?? kept.token };
}

/** What the coordinator of this state directory keeps for its operators. */
export async function keptAccess(state: string): Promise<OperatorAccess> {
  const { readOperatorFile } = await import("@burrow/coordinator");
  const kept = await readOperatorFile(state);
  if (kept === undefined) throw nobodyIn(state);
  return kept;
}

function nobodyIn(state: string): UserError {
  return new UserError(
    `no coordinator keeps its state in ${state}`,
    "run this where the coordinator runs, with its --state DIR if it has one; or from elsewhere with --coordinator URL and BURROW_OPERATOR_TOKEN",
  );
}

/** Whether the URL given is where the one here listens: the same origin, or `localhost` for its loopback address. */
function isSamePlace(given: string, kept: string): boolean {
  const [asked, here] = [new URL(given), new URL(kept)];
  const isLoopback = here.hostname === "127.0.0.1" || here.hostname === "[::1]";
  if (asked.hostname === "localhost" && isLoopback) asked.hostname = here.hostname;
  return asked.origin === here.origin;
}
