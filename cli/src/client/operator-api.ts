/** Finds the coordinator for an operator's command: by URL and token given, or by what one here left in its state. */
import type { OperatorAccess } from "@burrow/coordinator";
import { UserError } from "@burrow/protocol";
import { secretFromFile } from "../flags.ts";

export interface AccessFlags {
  readonly coordinator?: string;
  readonly operatorTokenFile?: string;
  readonly state: string;
}

/** What is not given comes from operator.json in the state directory; its token goes to its own coordinator alone. */
export async function findAccess(flags: AccessFlags, env: NodeJS.ProcessEnv): Promise<OperatorAccess> {
  const { BURROW_OPERATOR_TOKEN } = env;
  const { coordinator, operatorTokenFile } = flags;
  const token = operatorTokenFile === undefined ? BURROW_OPERATOR_TOKEN : secretFromFile(operatorTokenFile);
  if (coordinator !== undefined && token !== undefined) return { url: coordinator, token };
  const { readOperatorFile } = await import("@burrow/coordinator");
  const kept = await readOperatorFile(flags.state);
  if (coordinator !== undefined && (kept === undefined || !isSamePlace(coordinator, kept.url))) {
    const here = kept === undefined ? "" : `; or leave --coordinator out to ask the one here, at ${kept.url}`;
    throw new UserError(
      `no operator token was given for ${coordinator}`,
      `set BURROW_OPERATOR_TOKEN to the token in that coordinator's operator.json, or name a file that holds it with --operator-token-file${here}`,
    );
  }
  if (kept === undefined) {
    throw new UserError(
      `no coordinator keeps its state in ${flags.state}`,
      "run this where the coordinator runs, with its --state DIR if it has one; or from elsewhere with --coordinator URL and BURROW_OPERATOR_TOKEN",
    );
  }
  return { url: kept.url, token: token ?? kept.token };
}

/** Whether the URL given is where the one here listens: the same origin, or `localhost` for its loopback address. */
function isSamePlace(given: string, kept: string): boolean {
  const [asked, here] = [new URL(given), new URL(kept)];
  const isLoopback = here.hostname === "127.0.0.1" || here.hostname === "[::1]";
  if (asked.hostname === "localhost" && isLoopback) asked.hostname = here.hostname;
  return asked.origin === here.origin;
}
