/** `burrow relay drain ID`: agents leave a relay without losing a packet, so that it can be stopped; and `remove`. */
import type { RelayView } from "@burrow/coordinator";
import type { Command } from "commander";
import { flag, jsonFlag } from "../flags.ts";
import type { Terminal } from "../terminal.ts";
import { idArgument } from "../values.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";

interface DrainFlags extends OperatorFlags {
  readonly undo?: boolean;
  readonly json?: boolean;
}

export function addDrain(relay: Command, terminal: Terminal): void {
  const drain = relay
    .command("drain")
    .description("move a relay's agents elsewhere before it is stopped")
    .argument("<ID>", "the relay's id: 16 hex digits, as `burrow relays` shows", idArgument("relays"));
  addOperatorFlags(drain)
    .addOption(flag("--undo", "let it take agents again"))
    .addOption(jsonFlag())
    .action(async (id: string, flags: DrainFlags) => {
      const { api } = await operatorOf(flags);
      const relay = await api.drainRelay(id, flags.undo !== true);
      terminal.out(flags.json === true ? `${JSON.stringify(relay, null, 2)}\n` : showDrain(relay));
    });
}

interface RemoveFlags extends OperatorFlags {
  readonly json?: boolean;
}

export function addRemove(relay: Command, terminal: Terminal): void {
  const remove = relay
    .command("remove")
    .description("forget a relay that is gone for good; to come back it would need a token")
    .argument("<ID>", "the relay's id: 16 hex digits, as `burrow relays` shows", idArgument("relays"));
  addOperatorFlags(remove)
    .addOption(jsonFlag())
    .action(async (id: string, flags: RemoveFlags) => {
      const { api } = await operatorOf(flags);
      const removed = await api.removeRelay(id);
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(removed, null, 2)}\n`
          : `relay ${removed.id} in ${removed.region} is removed\n`,
      );
    });
}

function showDrain({ id, region, state, sessions }: RelayView): string {
  const left = `${sessions} ${sessions === 1 ? "session" : "sessions"} left`;
  return state === "draining"
    ? `relay ${id} in ${region} is draining, ${left}: agents bind elsewhere first, then leave\n`
    : `relay ${id} in ${region} is ${state}, ${sessions} ${sessions === 1 ? "session" : "sessions"}\n`;
}
