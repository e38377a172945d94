/** A ping every 20 ms from one agent to another: the packet stream that the demo watches for gaps. */
import type { PathTarget, RunningAgent } from "@burrow/agent";

export const PING_INTERVAL_MS = 20;
const PING_TIMEOUT_MS = 2_000;
/** More than the longest demo takes. */
const PING_COUNT = 10_000;

export interface Arrival {
  /** When the answer came, on the clock of `performance.timeOrigin + performance.now()`. */
  readonly atMs: number;
  readonly rttMs: number;
  readonly via: PathTarget;
}

export class PingStream {
  readonly arrivals: Arrival[] = [];
  /** When each unanswered ping had been sent, known after its timeout. Unix milliseconds. */
  readonly lost: number[] = [];
  readonly startedMs = performance.timeOrigin + performance.now();
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor(from: RunningAgent, to: string) {
    const peer = from.find(to);
    if (peer === undefined) throw new Error(`no peer is called ${to}`);
    this.#done = this.#run(from, peer.id);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  /** The longest time without an answer that touches the span from `fromMs` to `toMs`, and when it began. */
  longestGap(fromMs: number, toMs: number): { readonly gapMs: number; readonly sinceMs: number } {
    let longest = { gapMs: 0, sinceMs: fromMs };
    let last = this.arrivals.findLast(({ atMs }) => atMs <= fromMs)?.atMs ?? fromMs;
    for (const { atMs } of this.arrivals) {
      if (atMs <= fromMs) continue;
      if (atMs - last > longest.gapMs) longest = { gapMs: atMs - last, sinceMs: last };
      last = Math.max(last, atMs);
      if (atMs >= toMs) return longest;
    }
    // Nothing came after the span: the gap is not over yet.
    return toMs - last > longest.gapMs ? { gapMs: toMs - last, sinceMs: last } : longest;
  }

  async #run(from: RunningAgent, peer: Parameters<RunningAgent["ping"]>[0]): Promise<void> {
    const { signal } = this.#abort;
    const options = { count: PING_COUNT, intervalMs: PING_INTERVAL_MS, timeoutMs: PING_TIMEOUT_MS, signal };
    for await (const { sentAtMs, rttMs, via } of from.ping(peer, options)) {
      if (rttMs === undefined || via === undefined) this.lost.push(sentAtMs);
      else this.arrivals.push({ atMs: performance.timeOrigin + performance.now(), rttMs, via });
    }
  }
}
