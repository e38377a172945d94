/** `burrow relay drain ID`: agents leave a relay without losing a packet, so that it can be stopped. */

import { isId } from "@burrow/protocol";
import { type Command, InvalidArgumentError } from "commander";
import { post } from "../client/operator-api.ts";
import { jsonFlag } from "../flags.ts";
import type { Terminal } from "../terminal.ts";
import { addOperatorFlags, type OperatorFlags, operatorAccess } from "./operator.ts";

interface DrainFlags extends OperatorFlags {
  readonly json?: boolean;
}

export function addDrain(relay: Command, terminal: Terminal): void {
  const drain = relay
    .command("drain")
    .description("move a relay's agents elsewhere before it is stopped")
    .argument("<ID>", "the relay's id: 16 hex digits, as `burrow relays` shows", relayIdArgument);
  addOperatorFlags(drain)
    .addOption(jsonFlag())
    .action(async (id: string, flags: DrainFlags) => {
      const answer = await post<unknown>(operatorAccess(flags), `/v1/relays/${id}/drain`, {});
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(answer, null, 2)}\n`
          : `${id} is draining: agents bind elsewhere first, then leave. Stop it when its sessions are 0.\n`,
      );
    });
}

function relayIdArgument(text: string): string {
  const id = text.toLowerCase();
  if (!isId(id))
    throw new InvalidArgumentError("A relay's id has 16 hex digits; `burrow relays` shows them.");
  return id;
}
