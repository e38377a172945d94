/** `burrow relay drain ID`: agents leave a relay without losing a packet, so that it can be stopped. */

import type { RelayView } from "@burrow/coordinator";
import { isId } from "@burrow/protocol";
import { type Command, InvalidArgumentError } from "commander";
import { flag, jsonFlag } from "../flags.ts";
import type { Terminal } from "../terminal.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";

interface DrainFlags extends OperatorFlags {
  readonly undo?: boolean;
  readonly json?: boolean;
}

export function addDrain(relay: Command, terminal: Terminal): void {
  const drain = relay
    .command("drain")
    .description("move a relay's agents elsewhere before it is stopped")
    .argument("<ID>", "the relay's id: 16 hex digits, as `burrow relays` shows", relayIdArgument);
  addOperatorFlags(drain)
    .addOption(flag("--undo", "let it take agents again"))
    .addOption(jsonFlag())
    .action(async (id: string, flags: DrainFlags) => {
      const { api } = await operatorOf(flags);
      const relay = await api.drainRelay(id, flags.undo !== true);
      terminal.out(flags.json === true ? `${JSON.stringify(relay, null, 2)}\n` : showDrain(relay));
    });
}

function showDrain({ id, region, state, sessions }: RelayView): string {
  const left = `${sessions} ${sessions === 1 ? "session" : "sessions"} left`;
  return state === "draining"
    ? `relay ${id} in ${region} is draining, ${left}: agents bind elsewhere first, then leave\n`
    : `relay ${id} in ${region} is ${state}, ${sessions} ${sessions === 1 ? "session" : "sessions"}\n`;
}

function relayIdArgument(text: string): string {
  const id = text.toLowerCase();
  if (!isId(id))
    throw new InvalidArgumentError("A relay's id has 16 hex digits; `burrow relays` shows them.");
  return id;
}
