/**
 * `burrow relay drain ID`: agents leave a relay without losing a packet, so that it can be stopped; `remove`, when it is
 * gone for good; and `set`, what operators wish of it.
 */
import type { RelayView } from "@burrow/coordinator";
import type { Command } from "commander";
import { flag, jsonFlag } from "../flags.ts";
import type { Terminal } from "../terminal.ts";
import { idArgument, weightMs } from "../values.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";

interface DrainFlags extends OperatorFlags {
  readonly undo?: boolean;
  readonly json?: boolean;
}

export function addDrain(relay: Command, terminal: Terminal): void {
  const drain = relay
    .command("drain")
    .description("move a relay's agents elsewhere before it is stopped")
    .argument(
      "<ID>",
      "the relay's id: 16 hex digits, as `burrow relay list` shows",
      idArgument("relay list"),
    );
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
    .argument(
      "<ID>",
      "the relay's id: 16 hex digits, as `burrow relay list` shows",
      idArgument("relay list"),
    );
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

interface SetFlags extends OperatorFlags {
  readonly weight?: number;
  readonly avoid?: "on" | "off";
  readonly json?: boolean;
}

export function addSet(relay: Command, terminal: Terminal): void {
  const set = relay
    .command("set")
    .description("prefer a relay, or use it less, or only when there is nothing else")
    .argument("<ID>", "the relay's id: 16 hex digits, as `burrow relay list` shows", idArgument("relay list"))
    .addOption(
      flag("--weight <MS>", "it counts as so many ms further off; below 0, as nearer").argParser(weightMs),
    )
    .addOption(flag("--avoid <on|off>", "use it only when there is no other").choices(["on", "off"]));
  addOperatorFlags(set)
    .addOption(jsonFlag())
    .addHelpText("after", "\nExample: burrow relay set bd3e9a8b9b8b2f3c --weight -20")
    .action(async (id: string, flags: SetFlags, command: Command) => {
      const { weight, avoid } = flags;
      if (weight === undefined && avoid === undefined) {
        command.error("error: give --weight MS, --avoid on|off or both");
      }
      const { api } = await operatorOf(flags);
      const relay = await api.setRelay(id, {
        ...(weight === undefined ? {} : { weightMs: weight }),
        ...(avoid === undefined ? {} : { avoid: avoid === "on" }),
      });
      terminal.out(flags.json === true ? `${JSON.stringify(relay, null, 2)}\n` : showSet(relay));
    });
}

function showSet({ id, region, weightMs, avoid }: RelayView): string {
  const weight = weightMs === 0 ? "no weight" : `a weight of ${weightMs} ms`;
  return `relay ${id} in ${region} has ${weight} and is ${avoid ? "avoided" : "used like any other"}\n`;
}

function showDrain({ id, region, state, sessions }: RelayView): string {
  const left = `${sessions} ${sessions === 1 ? "session" : "sessions"} left`;
  return state === "draining"
    ? `relay ${id} in ${region} is draining, ${left}:\nagents bind elsewhere first, then leave\n`
    : `relay ${id} in ${region} is ${state}, ${sessions} ${sessions === 1 ? "session" : "sessions"}\n`;
}
