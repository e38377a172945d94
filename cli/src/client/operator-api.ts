/** Finds the coordinator for an operator's command: by URL and token given, or by what one here left in its state. */
import type { OperatorAccess } from "@burrow/coordinator";
import { UserError } from "@burrow/protocol";
import { secretFromFile } from "../flags.ts";

export interface AccessFlags {
  readonly coordinator?: string;
  readonly operatorTokenFile?: string;
  readonly state: string;
}

/** What is not given comes from operator.json in the state directory. */
export async function findAccess(flags: AccessFlags, env: NodeJS.ProcessEnv): Promise<OperatorAccess> {
  const { BURROW_OPERATOR_TOKEN } = env;
  const { coordinator, operatorTokenFile } = flags;
  const token = operatorTokenFile === undefined ? BURROW_OPERATOR_TOKEN : secretFromFile(operatorTokenFile);
  if (coordinator !== undefined && token !== undefined) return { url: coordinator, token };
  const { readOperatorFile } = await import("@burrow/coordinator");
  const kept = await readOperatorFile(flags.state);
  if (kept !== undefined) return { url: coordinator ?? kept.url, token: token ?? kept.token };
  if (coordinator !== undefined) {
    throw new UserError(
      "no operator token was given",
      "set BURROW_OPERATOR_TOKEN to the token in the coordinator's operator.json, or name a file that holds it with --operator-token-file",
    );
  }
  throw new UserError(
    `no coordinator keeps its state in ${flags.state}`,
    "run this where the coordinator runs, with its --state DIR if it has one; or from elsewhere with --coordinator URL and BURROW_OPERATOR_TOKEN",
  );
}
