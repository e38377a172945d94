/** What the commands that ask the running agent have in common. */
import type { Command } from "commander";
import { AgentApi } from "../client/agent-api.ts";
import { jsonFlag, stateFlag } from "../flags.ts";
import { findStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";

export interface LocalFlags {
  readonly state?: string;
  readonly json?: boolean;
}

export function addLocalFlags(command: Command): Command {
  return command.addOption(stateFlag("the agent's state directory")).addOption(jsonFlag());
}

export function agentOf(flags: LocalFlags): AgentApi {
  return new AgentApi(flags.state ?? findStateDir("agent"));
}

/** Asks one question and prints the answer: as it came under --json, else as `show` puts it. */
export async function answer<Answer>(
  terminal: Terminal,
  flags: LocalFlags,
  path: string,
  show: (answer: Answer) => string,
): Promise<void> {
  const got = await agentOf(flags).get<Answer>(path);
  terminal.out(flags.json === true ? `${JSON.stringify(got, null, 2)}\n` : show(got));
}
