/** `burrow coordinator backup FILE` and `restore FILE`: what the coordinator remembers, as one file. */
import type { Command } from "commander";
import { jsonFlag, stateFlag } from "../flags.ts";
import { bytes } from "../print/units.ts";
import { defaultStateDir, findStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";

interface BackupFlags {
  readonly state?: string;
  readonly json?: boolean;
}

export function addBackup(coordinator: Command, terminal: Terminal): void {
  coordinator
    .command("backup")
    .description("write all that the coordinator remembers to a new file, while it runs")
    .argument("<FILE>", "the file to make; it holds keys, and only its owner may read it")
    .addOption(stateFlag("the coordinator's state directory"))
    .addOption(jsonFlag())
    .action(async (file: string, flags: BackupFlags, command: Command) => {
      const { backUp } = await import("@burrow/coordinator");
      const made = await backUp(stateOf(flags, command) ?? findStateDir("coordinator"), file);
      const what = `${counted(made.agents, "agent")} and ${counted(made.relays, "relay")}`;
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(made, null, 2)}\n`
          : `${made.file}: ${what}, ${bytes(made.bytes)}\n`,
      );
    });
  coordinator
    .command("restore")
    .description("put a backup in the place of what a stopped coordinator remembers")
    .argument("<FILE>", "what `burrow coordinator backup` wrote")
    .addOption(stateFlag("the coordinator's state directory"))
    .addOption(jsonFlag())
    .addHelpText("after", "\nWhat was there before is kept beside it, under the name that is said.")
    .action(async (file: string, flags: BackupFlags, command: Command) => {
      const { restore } = await import("@burrow/coordinator");
      const restored = await restore(file, stateOf(flags, command) ?? defaultStateDir("coordinator"));
      const what = `${counted(restored.agents, "agent")} and ${counted(restored.relays, "relay")}`;
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(restored, null, 2)}\n`
          : `${restored.file}: ${what} restored\n${keptNote(restored.replaced)}`,
      );
    });
}

function keptNote(replaced: string | undefined): string {
  return replaced === undefined ? "" : `what was there before is ${replaced}\n`;
}

/** `coordinator --state DIR backup FILE` means the same DIR. */
function stateOf(flags: BackupFlags, command: Command): string | undefined {
  return flags.state ?? command.parent?.opts<BackupFlags>().state;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
