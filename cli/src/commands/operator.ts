/** How the operators' commands find the coordinator. */
import type { Command } from "commander";
import { findAccess, type OperatorAccess } from "../client/operator-api.ts";
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

export function operatorAccess(flags: OperatorFlags): OperatorAccess {
  return findAccess({ ...flags, state: flags.state ?? findStateDir("coordinator") }, process.env);
}
