/**
 * Introductions: both agents get each other's candidates at the same moment and probe them, so that each side's
 * first packet opens its NAT for the other's. One that has not told its candidates yet is waited for.
 */
import type { AgentId, ToAgent } from "@burrow/protocol";
import type { AgentEntry, AgentRegistry } from "./agents.ts";
import type { Output } from "./outputs.ts";

/** Per agent that is waited for. Whoever comes later asks again when its own patience ends. */
const WAITING_MAX = 1_000;

export class Introductions {
  readonly #agents: AgentRegistry;
  /** By the agent that has not told its candidates: who wants to meet it. */
  readonly #waiting = new Map<AgentId, Set<AgentId>>();

  constructor(agents: AgentRegistry) {
    this.#agents = agents;
  }

  /** `from` asks to meet `peer`. Nothing happens while either is not connected. */
  request(from: AgentId, peer: AgentId): Output[] {
    const a = this.#agents.get(from);
    const b = this.#agents.get(peer);
    if (a === undefined) return [];
    // Whether an agent exists in another network is nobody's business: the same answer as for none at all.
    if (b === undefined || b.record.network !== a.record.network || peer === from) {
      return [{ to: "agent", agent: from, message: unknownPeer(peer) }];
    }
    if (a.presence === undefined || b.presence === undefined) return [];
    for (const [silent, other] of [
      [b, a],
      [a, b],
    ] as const) {
      if (silent.candidates === undefined) return this.#wait(silent.record.id, other.record.id);
    }
    return [
      { to: "agent", agent: from, message: probeNow(b) },
      { to: "agent", agent: peer, message: probeNow(a) },
      { to: "log", event: { kind: "introduced", from, peer } },
    ];
  }

  /** The agent has told its candidates: whoever waited for them is introduced. */
  candidatesTold(agent: AgentId): Output[] {
    const waiting = this.#waiting.get(agent);
    if (waiting === undefined) return [];
    this.#waiting.delete(agent);
    return [...waiting].flatMap((other) =>
      this.#agents.get(other) === undefined ? [] : this.request(agent, other),
    );
  }

  forget(agent: AgentId): void {
    this.#waiting.delete(agent);
  }

  #wait(silent: AgentId, other: AgentId): Output[] {
    const waiting = this.#waiting.get(silent) ?? new Set();
    this.#waiting.set(silent, waiting);
    if (waiting.size < WAITING_MAX) waiting.add(other);
    return [];
  }
}

function probeNow({ record, candidates, nat, natPorts }: AgentEntry): ToAgent {
  return { type: "probe-now", peer: record.id, candidates: [...(candidates ?? [])], nat, natPorts };
}

function unknownPeer(peer: AgentId): ToAgent {
  return {
    type: "error",
    code: "peer-unknown",
    message: `There is no agent ${peer} in this network.`,
    remedy: "List the peers with: burrow peers",
  };
}
