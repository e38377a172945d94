/** `burrow status`: this agent, its coordinator, its home. */
import type { Command } from "commander";
import type { AgentStatus } from "../client/shapes.ts";
import { relayText } from "../print/path.ts";
import { facts } from "../print/table.ts";
import { bytes, lasting } from "../print/units.ts";
import type { Style, Terminal } from "../terminal.ts";
import { addLocalFlags, addWatchFlag, answer, type LocalFlags } from "./common.ts";

export function addStatus(program: Command, terminal: Terminal): void {
  addWatchFlag(
    addLocalFlags(program.command("status").description("this agent: addresses, home relay, coordinator")),
  ).action((flags: LocalFlags) =>
    answer<AgentStatus>(terminal, flags, "/v1/status", (status, now) =>
      showStatus(status, terminal.outStyle, now),
    ),
  );
}

/** An agent's own older daemon does not tell. */
function movesText(moves: number | undefined): string | undefined {
  return moves === undefined ? undefined : `moved ${moves === 1 ? "once" : `${moves} times`} within a day`;
}

function stuckText(names: readonly string[] | undefined, { red }: Style) {
  if (names === undefined || names.length === 0) return undefined;
  const text = `probes are answered, but no WireGuard handshake completes with ${names.join(", ")}: is the clock of either side wrong?`;
  return { text, paint: red };
}

const RIVAL =
  "another machine has this agent's identity, and both throw each other out: delete identity.json on one of them and enrol it anew";

export function showStatus(status: AgentStatus, style: Style, now: number): string {
  const { coordinator, home, standby, device, peers } = status;
  const clients = status.clients?.map(({ address, lastHandshakeMs, rxBytes, txBytes }) => {
    if (lastHandshakeMs === undefined) return `${address}: no handshake yet`;
    const shaken = lasting(now - lastHandshakeMs).replace(/^for (.*)$/, "$1 ago");
    return `${address}: last handshake ${shaken}; ${bytes(rxBytes)} in, ${bytes(txBytes)} out`;
  });
  const { state = "connecting", sinceMs, problem, refusal, rival } = coordinator;
  const since = sinceMs === undefined ? "" : `, ${lasting(now - sinceMs)}`;
  const statePaint = state === "up" ? style.green : style.yellow;
  return facts(
    [
      [
        "agent",
        {
          text: `${status.name ?? "?"} (${status.id}) in network ${status.network ?? "?"}`,
          paint: style.bold,
        },
      ],
      ["addresses", status.ipv4 === undefined ? undefined : `${status.ipv4}, ${status.ipv6}`],
      ["coordinator", coordinator.url],
      [
        "",
        {
          text: `${refusal === undefined ? state : "refuses this agent"}${since}${problem === undefined ? "" : `: ${problem}`}`,
          paint: statePaint,
        },
      ],
      ["", refusal === undefined ? undefined : `try: ${refusal.remedy}`],
      ["", rival === undefined ? undefined : { text: RIVAL, paint: style.red }],
      ["home", home === undefined ? { text: "no relay answers", paint: style.red } : relayText(home)],
      ["", home?.reason],
      ["", status.homeMoves === 0 ? undefined : movesText(status.homeMoves)],
      ["standby", standby === undefined ? undefined : relayText(standby)],
      ["device", device.kind === "none" ? "none" : `${device.kind}:${device.name}`],
      ["NAT", status.natMapping],
      [
        "peers",
        `${peers.online} of ${peers.total} online; ${peers.direct} direct, ${peers.relayed} relayed, ${peers.idle} idle`,
      ],
      ["tunnels", stuckText(status.handshakesStuck, style)],
      ...(clients ?? []).map((client, i) => [i === 0 ? "clients" : "", client] as const),
    ],
    style,
  );
}
