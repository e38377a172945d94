/**
 * What operators' metrics learn from this agent: bytes by kind of path, how long direct paths and failovers took, how
 * many pairs are relayed and why. Taken where paths change and where it is told, so that no packet pays for it.
 */
import { type AgentFigures, type AgentId, DURATION_BOUNDS_MS, type Durations } from "@burrow/protocol";
import type { PathChange } from "./paths/contract.ts";
import type { PathTarget } from "./paths/path.ts";

/** Kinds of paths that carry bytes. */
type Kind = PathTarget["kind"];

/** What a path change is judged by; times are the machine's clock. */
export interface ChangeFacts {
  /** All bytes of the peer's tunnel, both ways, since it began. */
  readonly bytes: number;
  /** Since when the pair talks. */
  readonly talkingSinceMs: number;
  /** When the path that is left was last heard, if it is left because of its silence. */
  readonly silentSinceMs: number | undefined;
}

interface PeerMemory {
  bytes: number;
  /** Since when it is relayed; undefined while it is not. */
  relayedSinceMs: number | undefined;
}

export class Figures {
  readonly #peers = new Map<AgentId, PeerMemory>();
  #bytes = { direct: 0, relay: 0 };
  #timeToDirect = noDurations();
  #failover = noDurations();

  pathChanged(peer: AgentId, { from, to }: PathChange, facts: ChangeFacts, now: number): void {
    this.sample(peer, from?.kind, facts.bytes);
    const memory = this.#memory(peer);
    if (facts.silentSinceMs !== undefined && to !== undefined) add(this.#failover, now - facts.silentSinceMs);
    if (to?.kind === "direct" && memory.relayedSinceMs !== undefined) {
      add(this.#timeToDirect, now - Math.max(memory.relayedSinceMs, facts.talkingSinceMs));
    }
    if (to?.kind !== "relay") memory.relayedSinceMs = undefined;
    else memory.relayedSinceMs ??= now;
  }

  /** Books what was carried since the last sample under the kind of path that carried it. */
  sample(peer: AgentId, kind: Kind | undefined, bytes: number): void {
    const memory = this.#memory(peer);
    // Less than before: the tunnel to this peer was set up anew.
    const carried = bytes >= memory.bytes ? bytes - memory.bytes : bytes;
    memory.bytes = bytes;
    if (kind !== undefined) this.#bytes[kind] += carried;
  }

  forget(peer: AgentId): void {
    this.#peers.delete(peer);
  }

  /** What happened since the last `told`. */
  get since(): Pick<AgentFigures, "bytes" | "timeToDirect" | "failover"> {
    const copy = ({ counts, sumMs }: Durations) => ({ counts: [...counts], sumMs });
    return {
      bytes: { ...this.#bytes },
      timeToDirect: copy(this.#timeToDirect),
      failover: copy(this.#failover),
    };
  }

  told(): void {
    this.#bytes = { direct: 0, relay: 0 };
    this.#timeToDirect = noDurations();
    this.#failover = noDurations();
  }

  #memory(peer: AgentId): PeerMemory {
    let memory = this.#peers.get(peer);
    if (memory === undefined) {
      memory = { bytes: 0, relayedSinceMs: undefined };
      this.#peers.set(peer, memory);
    }
    return memory;
  }
}

function noDurations(): Durations {
  return { counts: Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0), sumMs: 0 };
}

function add(to: Durations, ms: number): void {
  const duration = Math.max(0, ms);
  const found = DURATION_BOUNDS_MS.findIndex((bound) => duration <= bound);
  const bucket = found === -1 ? DURATION_BOUNDS_MS.length : found;
  to.counts[bucket] = (to.counts[bucket] ?? 0) + 1;
  to.sumMs += duration;
}
