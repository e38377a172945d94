/** Agents that the coordinator revoked: refused whatever their tickets say. Bounded; the oldest is forgotten first. */
import type { AgentId } from "@burrow/protocol";

export class Revocations {
  readonly #max: number;
  readonly #agents = new Set<AgentId>();

  constructor(max: number) {
    this.#max = max;
  }

  has(agent: AgentId): boolean {
    return this.#agents.has(agent);
  }

  add(agent: AgentId): void {
    this.#agents.delete(agent);
    this.#agents.add(agent);
    if (this.#agents.size <= this.#max) return;
    for (const oldest of this.#agents) {
      this.#agents.delete(oldest);
      break;
    }
  }

  /** The coordinator speaks of the agent as a member again. */
  pardon(agent: AgentId): void {
    this.#agents.delete(agent);
  }
}
