/** How the operators' commands find the coordinator and talk to it. */
import type { OperatorClient } from "@burrow/coordinator";
import type { LocalAddress } from "@burrow/platform";
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

/** The coordinator's API, and its URL for other machines, as far as it can be told. */
export async function operatorOf(flags: OperatorFlags): Promise<{ api: OperatorClient; url: string }> {
  const state = flags.state ?? findStateDir("coordinator");
  const access = await findAccess({ ...flags, state }, process.env);
  const { operatorClient } = await import("@burrow/coordinator");
  const { localAddresses } = await import("@burrow/platform");
  const { url } = access;
  return {
    api: operatorClient(access),
    url: access.isEverywhere === true ? fromElsewhere(url, localAddresses()) : url,
  };
}

/** Of a coordinator here that listens at every address: the URL with one that others may reach, or with a word for it. */
export function fromElsewhere(url: string, addresses: readonly LocalAddress[]): string {
  const { hostname, port } = new URL(url);
  // "::" takes IPv4 as well, which more machines have.
  const families = hostname === "127.0.0.1" ? [4] : [4, 6];
  const found = families
    .flatMap((family) => addresses.filter((address) => address.family === family))
    .find(({ internal, linkLocal, privateUse }) => !internal && !linkLocal && !privateUse);
  const host = found?.family === 6 ? `[${found.address}]` : (found?.address ?? "THIS-HOST");
  return `http://${host}${port === "" ? "" : `:${port}`}`;
}
