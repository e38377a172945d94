/** `burrow operator`: the operator's own token, shown where it is kept, or made anew. */
import { UserError } from "@burrow/protocol";
import type { Command } from "commander";
import { keptAccess } from "../client/operator-api.ts";
import { jsonFlag, stateFlag } from "../flags.ts";
import { findStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";
import { fileFor, outFlag } from "./out-file.ts";

interface RotateFlags extends OperatorFlags {
  readonly out?: string;
  readonly json?: boolean;
}

export function addOperator(program: Command, terminal: Terminal): void {
  const operator = program
    .command("operator")
    .description("the operator's own token: burrow operator token, burrow operator rotate");
  operator
    .command("token")
    .description("show the token of the coordinator on this machine, for the dashboard's login")
    .addOption(outFlag("write it to this file, for its owner alone"))
    .addOption(stateFlag("the coordinator's state directory"))
    .addOption(jsonFlag())
    .action((flags: TokenFlags) => showOperatorToken(flags, terminal));
  const rotate = operator
    .command("rotate")
    .description("make a new operator token; the old one and all logins end at once")
    .addOption(outFlag("write it to this file, for its owner alone"));
  addOperatorFlags(rotate)
    .addOption(jsonFlag())
    .addHelpText("after", "\nCommands on the coordinator's machine find the new one in operator.json.")
    .action((flags: RotateFlags) => rotateOperatorToken(flags, terminal));
}

interface TokenFlags {
  readonly out?: string;
  readonly state?: string;
  readonly json?: boolean;
}

/** From the state directory, which its owner alone may read: nobody is asked over the network. */
async function showOperatorToken(flags: TokenFlags, terminal: Terminal): Promise<void> {
  const { token } = await keptAccess(flags.state ?? findStateDir("coordinator"));
  const out = await fileFor(flags.out);
  try {
    await out?.write(`${token}\n`);
  } finally {
    await out?.close();
  }
  tell(token, flags, terminal);
}

/** On standard output alone, and only where it went nowhere else. */
function tell(token: string, { out, json }: TokenFlags, terminal: Terminal): void {
  if (json === true) terminal.out(`${JSON.stringify({ token }, null, 2)}\n`);
  else if (out === undefined) terminal.out(`${token}\n`);
}

async function rotateOperatorToken(flags: RotateFlags, terminal: Terminal): Promise<void> {
  const { api } = await operatorOf(flags);
  // Before the old one ends: a new one that nobody can be told of would lock its operator out.
  const out = await fileFor(flags.out);
  try {
    const { token } = await api.rotateOperatorToken();
    await out?.write(`${token}\n`).catch((cause: Error) => {
      throw new UserError(
        `${cause.message}; the operator token was made anew all the same`,
        "`burrow operator token` on the coordinator's machine shows it",
        { cause },
      );
    });
    tell(token, flags, terminal);
  } finally {
    await out?.close();
  }
  terminal.err(terminal.errStyle.dim("The token before and all logins of browsers have ended.\n"));
}
