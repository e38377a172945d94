/** What the commands that ask the running agent have in common. */
import type { Command } from "commander";
import { AgentApi } from "../client/agent-api.ts";
import { flag, jsonFlag, stateFlag } from "../flags.ts";
import { findStateDir } from "../state-dir.ts";
import type { Terminal } from "../terminal.ts";
import { watch } from "./watch.ts";

export interface LocalFlags {
  readonly state?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

export function addLocalFlags(command: Command): Command {
  return command.addOption(stateFlag("the agent's state directory")).addOption(jsonFlag());
}

/** For answers that change while one looks. */
export function addWatchFlag(command: Command): Command {
  return command.addOption(flag("--watch", "go on until Ctrl-C, and show what changes"));
}

export function agentOf(flags: LocalFlags): AgentApi {
  return new AgentApi(flags.state ?? findStateDir("agent"));
}

/** Asks one question and prints the answer: as it came under --json, else as `show` puts it at the moment `now`. */
export async function answer<Answer>(
  terminal: Terminal,
  flags: LocalFlags,
  path: string,
  show: (answer: Answer, now: number) => string,
): Promise<void> {
  const agent = agentOf(flags);
  const isJson = flags.json === true;
  const isWatched = flags.watch === true;
  const render = async () => {
    const got = await agent.get<Answer>(path);
    if (!isJson) return { text: show(got, Date.now()), told: show(got, 0) };
    const told = JSON.stringify(got, (key, value: unknown) => (key === "nowMs" ? undefined : value));
    return { text: `${JSON.stringify(got, null, isWatched ? undefined : 2)}\n`, told };
  };
  if (isWatched) await watch(render, terminal, terminal.outIsTerminal && !isJson);
  else terminal.out((await render()).text);
}
