/** `burrow agents` and `burrow agent remove ID`: who has joined, as the coordinator knows, and taking one out again. */
import type { AgentView } from "@burrow/coordinator";
import type { Command } from "commander";
import { jsonFlag } from "../flags.ts";
import { table } from "../print/table.ts";
import { age } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { idArgument } from "../values.ts";
import { addOperatorFlags, type OperatorFlags, operatorOf } from "./operator.ts";

interface AgentsFlags extends OperatorFlags {
  readonly json?: boolean;
}

export function addAgents(program: Command, terminal: Terminal): void {
  addOperatorFlags(program.command("agents").description("all agents of all networks"))
    .addOption(jsonFlag())
    .action(async (flags: AgentsFlags) => {
      const { api } = await operatorOf(flags);
      const agents = await api.agents();
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(agents, null, 2)}\n`
          : showAgents(agents, terminal.outStyle, Date.now()),
      );
    });
  const agent = program.command("agent").description("one agent: burrow agent remove ID");
  addOperatorFlags(
    agent
      .command("remove")
      .description("take an agent out of its network; its key is not accepted any more")
      .argument("<ID>", "the agent's id: 16 hex digits, as `burrow agents` shows", idArgument("agents")),
  )
    .addOption(jsonFlag())
    .action(async (id: string, flags: AgentsFlags) => {
      const { api } = await operatorOf(flags);
      const removed = await api.revokeAgent(id);
      terminal.out(
        flags.json === true
          ? `${JSON.stringify(removed, null, 2)}\n`
          : `agent ${removed.id} (${removed.name}) is removed\n`,
      );
    });
}

const COLUMNS = [
  { title: "NAME", shrinkTo: 8 },
  { title: "ID" },
  { title: "NETWORK", shrinkTo: 7 },
  { title: "ADDRESS" },
  { title: "ONLINE", align: "right" },
  { title: "HOME", shrinkTo: 8 },
  { title: "MOVES", align: "right" },
] as const;

export function showAgents(agents: readonly AgentView[], style: Style, now: number): string {
  if (agents.length === 0) return "No agents yet. Make a token: `burrow token create --for agent`.\n";
  const rows = [...agents]
    .sort((a, b) => a.network.localeCompare(b.network) || a.name.localeCompare(b.name))
    .map((agent) => [
      agent.name,
      agent.id,
      agent.network,
      agent.ipv4,
      agent.online
        ? { text: age(now - (agent.connectedSinceMs ?? now)), paint: style.green }
        : { text: agent.lastSeenMs === null ? "no" : `${age(now - agent.lastSeenMs)} ago`, paint: style.dim },
      agent.region ?? "-",
      agent.homeMoves === null ? "-" : String(agent.homeMoves),
    ]);
  return table(COLUMNS, rows, style);
}
