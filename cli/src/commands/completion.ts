/** `burrow completion SHELL`: the script for a shell; and the command behind it, which tells what may come next. */
import { Argument, type Command } from "commander";
import { AgentApi } from "../client/agent-api.ts";
import type { PeerView } from "../client/shapes.ts";
import { type Candidate, candidateLine, complete, SCRIPTS, SHELLS, type Shell } from "../completion.ts";
import { findStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";

export function addCompletion(program: Command, terminal: Terminal): void {
  program
    .command("completion")
    .description("print the completion script of a shell")
    .addArgument(new Argument("<SHELL>", "whose").choices(SHELLS))
    .addHelpText(
      "after",
      "\nbash: source <(burrow completion bash), in ~/.bashrc\nzsh:  source <(burrow completion zsh), in ~/.zshrc after compinit\nfish: burrow completion fish | source, in config.fish",
    )
    .action((shell: Shell) => terminal.out(SCRIPTS[shell]));
}

/** `words`: the shell, and what is typed behind `burrow`. */
export async function answerCompletion(
  program: Command,
  [shell, ...words]: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const known = SHELLS.find((one) => one === shell);
  if (known === undefined) return;
  const candidates = await complete(program, words, (argument) => namesOf(argument, words));
  terminal.out(candidates.map((candidate) => `${candidateLine(candidate, known)}\n`).join(""));
}

async function namesOf(argument: string, words: readonly string[]): Promise<readonly Candidate[]> {
  if (argument === "SHELL") return SHELLS.map((value) => ({ value, description: "" }));
  if (argument !== "PEER") return [];
  const at = words.indexOf("--state");
  const { BURROW_STATE } = process.env;
  const stateDir = (at === -1 ? undefined : words[at + 1]) ?? BURROW_STATE;
  try {
    const peers = await new AgentApi(stateDir ?? findStateDir("agent")).get<PeerView[]>("/v1/peers");
    return peers.map(({ name, ipv4 }) => ({ value: name, description: ipv4 }));
  } catch {
    // No agent runs, or it is somebody else's: then nobody is offered, and nothing is said on the line being typed.
    return [];
  }
}
