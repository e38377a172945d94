/**
 * How often an agent's moves are told on: each goes to all members of its network, to all relays and to the store. Of
 * those that come too fast the last one waits until there is room, and wins. The limit stands over reconnections.
 */
import type { AgentId, FromAgent } from "@burrow/protocol";

export type HomeReport = Extract<FromAgent, { type: "home" }>;

/** An agent moves when relays die or drain, some times in a row then; and by itself some times a day. */
export const MOVES_BURST = 10;
export const MOVE_INTERVAL_MS = 5_000;

interface Waiting {
  readonly report: HomeReport;
  readonly dueMs: number;
}

export class HomePace {
  /** Until when each agent's moves have used up its share: one is free once that is less than a burst ahead. */
  readonly #usedUntilMs = new Map<AgentId, number>();
  readonly #waiting = new Map<AgentId, Waiting>();

  /** Whether the report is to be taken now; if not, it is kept for `due`. Only moves count. */
  take(id: AgentId, report: HomeReport, isMove: boolean, now: number): boolean {
    this.#waiting.delete(id);
    if (!isMove) return true;
    const usedUntilMs = Math.max(this.#usedUntilMs.get(id) ?? now, now);
    const dueMs = usedUntilMs - (MOVES_BURST - 1) * MOVE_INTERVAL_MS;
    if (dueMs > now) {
      this.#waiting.set(id, { report, dueMs });
      return false;
    }
    this.#usedUntilMs.set(id, usedUntilMs + MOVE_INTERVAL_MS);
    return true;
  }

  /** Those that waited long enough, to be taken now. */
  due(now: number): { readonly id: AgentId; readonly report: HomeReport }[] {
    const due: { readonly id: AgentId; readonly report: HomeReport }[] = [];
    for (const [id, { report, dueMs }] of this.#waiting) if (dueMs <= now) due.push({ id, report });
    return due;
  }

  /** The agent is no member any more. */
  forget(id: AgentId): void {
    this.#waiting.delete(id);
    this.#usedUntilMs.delete(id);
  }

  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#waiting.values()) next = Math.min(next ?? dueMs, dueMs);
    return next;
  }
}
