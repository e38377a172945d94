/** How the operators' commands find the coordinator and talk to it. */
import type { OperatorClient } from "@burrow/coordinator";
import type { Command } from "commander";
import { findAccess } from "../client/operator-api.ts";
import { coordinatorFlag, flag, stateFlag } from "../flags.ts";
import { findStateDir } from "../state-dir.ts";

export interface OperatorFlags {
  readonly coordinator?: string;
  readonly operatorTokenFile?: string;
  readonly state?: string;
}

export function addOperatorFlags(command: Command): Command {
  return command
    .addOption(stateFlag("state directory of a coordinator on this machine"))
    .addOption(coordinatorFlag())
    .addOption(
      flag(
        "--operator-token-file <FILE>",
        "file with the operator token, which may also be in BURROW_OPERATOR_TOKEN",
      ),
    );
}

/** The coordinator's API, and its URL for what is printed. */
export async function operatorOf(flags: OperatorFlags): Promise<{ api: OperatorClient; url: string }> {
  const state = flags.state ?? findStateDir("coordinator");
  const access = await findAccess({ ...flags, state }, process.env);
  const { operatorClient } = await import("@burrow/coordinator");
  return { api: operatorClient(access), url: access.url };
}
