/** The `burrow` command as a tree of commands. Parses and dispatches; each command's file does its work. */
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { addAgents } from "./commands/agents.ts";
import { addCompletion, answerCompletion } from "./commands/completion.ts";
import { addCoordinator } from "./commands/coordinator.ts";
import { addDemo } from "./commands/demo.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addDrain, addRemove, addSet } from "./commands/drain.ts";
import { addNetcheck } from "./commands/netcheck.ts";
import { addOperator } from "./commands/operator-token.ts";
import { addPeers } from "./commands/peers.ts";
import { addPing } from "./commands/ping.ts";
import { addRelay } from "./commands/relay.ts";
import { addRelayList } from "./commands/relay-list.ts";
import { addRelays } from "./commands/relays.ts";
import { addStatus } from "./commands/status.ts";
import { addToken } from "./commands/token.ts";
import { addUp } from "./commands/up.ts";
import { addWhy } from "./commands/why.ts";
import { COMPLETE_COMMAND } from "./completion.ts";
import { reportFailure, withoutPasswords } from "./failure.ts";
import { isYes, tidyEnvironment } from "./flags.ts";
import { wrap } from "./print/table.ts";
import { meant } from "./suggest.ts";
import { COLUMNS, type Terminal } from "./terminal.ts";

export const VERSION: string = packageJson.version;

/** Put in by `bun run build`; there is none when the source is run. */
declare const BURROW_COMMIT: string | undefined;

const EXAMPLES = `
Try it:      burrow demo
Run a mesh:  burrow coordinator
             burrow token create --for relay --out FILE
             burrow relay --coordinator URL --token-file FILE --region eu
             burrow token create --for agent --out FILE
             burrow up --coordinator URL --token-file FILE
Look at it:  burrow status, burrow peers, burrow why PEER
Mend it:     burrow doctor
Empty one:   burrow relay drain ID

Every flag is also a variable: --log-level is BURROW_LOG_LEVEL, and so on.
Details, exit codes and JSON shapes: docs/cli.md`;

/** Runs one command line; resolves to the exit code. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  tidyEnvironment(process.env);
  const { BURROW_DEBUG } = process.env;
  try {
    if (args.length === 1 && args[0] === "--version") {
      terminal.out(`${await versionText()}\n`);
      return 0;
    }
    if (args[0] === COMPLETE_COMMAND) {
      await answerCompletion(buildProgram(terminal), args.slice(1), terminal);
      return 0;
    }
    await buildProgram(terminal).parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return reportFailure(error, terminal, BURROW_DEBUG !== undefined);
  }
}

/** The version; of a built executable also what it was built from, and whether its native library loads here. */
async function versionText(): Promise<string> {
  if (typeof BURROW_COMMIT !== "string") return VERSION;
  const { nativePrimitives } = await import("@burrow/platform");
  return `${VERSION} (${BURROW_COMMIT}, ${process.platform}-${process.arch}, ${nativePrimitives().kind} cryptography)`;
}

export function buildProgram(terminal: Terminal): Command {
  const program = new Command("burrow")
    .description(
      "An edge relay mesh: agents talk at once through the nearest relay, and\ndirectly as soon as a path is found.",
    )
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "show help")
    // Commander's own shows all help, and no error, for a command that is none.
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      // Usage errors repeat what was given.
      outputError: (text, write) => write(usageError(withoutPasswords(text))),
      getOutHelpWidth: () => COLUMNS,
      getErrHelpWidth: () => COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((a) => a.name())].join(" "),
    })
    .hook("preAction", (_, command) => refuseMore(command))
    // `relay` and `relay drain` have flags of the same names: those behind "drain" are its own.
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText("after", EXAMPLES);
  program.commandsGroup("Run a part:");
  addDemo(program, terminal);
  addCoordinator(program, terminal);
  const relay = addRelay(program, terminal);
  addUp(program, terminal);
  program.commandsGroup("Ask the agent on this machine:");
  addStatus(program, terminal);
  addPeers(program, terminal);
  addRelays(program, terminal);
  addNetcheck(program, terminal);
  addDoctor(program, terminal);
  addPing(program, terminal);
  addWhy(program, terminal);
  program.commandsGroup("Ask the coordinator (operators):");
  addToken(program, terminal);
  addOperator(program, terminal);
  addAgents(program, terminal);
  addRelayList(relay, terminal);
  addDrain(relay, terminal);
  addRemove(relay, terminal);
  addSet(relay, terminal);
  // Those that do something themselves: what else stands behind them is told by `refuseMore`.
  for (const command of program.commands) if (command.commands.length > 0) command.allowExcessArguments();
  program.commandsGroup("Other:");
  addCompletion(program, terminal);
  addHelp(program);
  pointToHelp(program, "burrow");
  return program;
}

/** The sentences that commander makes of a mistake, broken before column 80; its hints keep lines of their own. */
function usageError(text: string): string {
  const label = "error: ";
  const indent = " ".repeat(label.length);
  const [said = "", ...hints] = text.trimEnd().replace(label, "").split("\n");
  const lines = [...wrap(said, COLUMNS - label.length), ...hints];
  return `${label}${lines.join(`\n${indent}`)}\n`;
}

/** `burrow help relay drain`. */
function addHelp(program: Command): void {
  program
    .command("help")
    .argument("[COMMAND...]")
    .description("show help for a command")
    .action((names: readonly string[]) => {
      let found = program;
      for (const name of names) {
        found =
          found.commands.find((command) => command.name() === name) ??
          refuseCommand(found, name, names.join(" "));
      }
      found.help();
    });
}

function refuseCommand(parent: Command, name: string, given: string): never {
  const known = meant(
    name,
    parent.commands.map((command) => command.name()),
  );
  parent.error(`error: unknown command '${given}'${known === undefined ? "" : `\n(Did you mean ${known}?)`}`);
}

/** What commander lets pass: a word behind `relay` that is none of its commands, a switch's variable that is unclear. */
function refuseMore(command: Command): void {
  const [word] = command.args;
  if (command.commands.length > 0 && word !== undefined) refuseCommand(command, word, word);
  for (const option of command.options) {
    const { envVar } = option;
    if (envVar === undefined || !option.isBoolean()) continue;
    if (command.getOptionValueSource(option.attributeName()) !== "env") continue;
    const value = process.env[envVar] ?? "";
    if (isYes(value)) continue;
    command.error(
      `error: option '${option.flags}' value '${value}' from env '${envVar}' is invalid. Give 1 or 0.`,
    );
  }
}

/** After a usage error, every command points to its own help. */
function pointToHelp(command: Command, path: string): void {
  command.showHelpAfterError(`  try: ${path} --help`);
  for (const child of command.commands) pointToHelp(child, `${path} ${child.name()}`);
}
