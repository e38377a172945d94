/** A stream of pings through whatever is being broken, and how long it was silent: the measure of a failover. */
import type { Host } from "./host.ts";
import type { LabProcess } from "./process.ts";

export interface StreamReport {
  /** Pings sent up to the last one answered: those after it may still come home. */
  sent: number;
  received: number;
  lost: number;
  /** Longest time between two answers, in ms, the interval between pings included. */
  longestGapMs: number;
  medianRttMs: number;
}

interface Answer {
  sequence: number;
  atMs: number;
  rttMs: number;
}

export class PingStream {
  readonly #process: LabProcess;
  readonly #answers: Answer[] = [];
  readonly #startedMs = Date.now();
  readonly #intervalMs: number;

  /** Sends to `address` from `host` every `intervalMs` until stopped. */
  constructor(host: Host, address: string, intervalMs = 20) {
    this.#intervalMs = intervalMs;
    const interval = (intervalMs / 1_000).toFixed(3);
    this.#process = host.namespace.spawn(["ping", "-D", "-n", "-i", interval, address], { label: "ping" });
    this.#process.onLine(({ text }) => {
      const match = /^\[([\d.]+)\].*icmp_seq=(\d+) .*time=([\d.]+) ms/.exec(text);
      if (match === null) return;
      const [, at, sequence, rtt] = match.map(Number);
      this.#answers.push({ atMs: (at ?? 0) * 1_000, sequence: sequence ?? 0, rttMs: rtt ?? 0 });
    });
  }

  /** When the first ping left, reckoned from any answer. Undefined before there is one. */
  get firstSentMs(): number | undefined {
    const answer = this.#answers[0];
    if (answer === undefined) return undefined;
    return answer.atMs - answer.rttMs - (answer.sequence - 1) * this.#intervalMs;
  }

  /** From the first ping sent to the first answer, be it to that one or, if it was lost, to a later one. */
  get firstByteMs(): number | undefined {
    const [answer, sentMs] = [this.#answers[0], this.firstSentMs];
    return answer === undefined || sentMs === undefined ? undefined : answer.atMs - sentMs;
  }

  /** How long ago the last answer came; the stream's age when none has. */
  get silentForMs(): number {
    return Date.now() - (this.#answers.at(-1)?.atMs ?? this.#startedMs);
  }

  /** A moment to measure from. */
  mark(): number {
    return Date.now();
  }

  /** What happened from `sinceMs` (a mark; the start unless given) until now. A silence that still lasts counts. */
  report(sinceMs = this.#startedMs): StreamReport {
    const untilMs = Date.now();
    const before = this.#answers.findLast((answer) => answer.atMs < sinceMs);
    const within = this.#answers.filter((answer) => answer.atMs >= sinceMs);
    const moments = [
      Math.max(before?.atMs ?? 0, sinceMs - this.#intervalMs),
      ...within.map((answer) => answer.atMs),
      untilMs,
    ];
    const gaps = moments.slice(1).map((moment, index) => moment - (moments[index] ?? moment));
    const rtts = within.map((answer) => answer.rttMs).sort((a, b) => a - b);
    const sent = within.length === 0 ? 0 : (within.at(-1)?.sequence ?? 0) - (before?.sequence ?? 0);
    return {
      sent,
      received: within.length,
      lost: Math.max(0, sent - within.length),
      longestGapMs: Math.max(...gaps),
      medianRttMs: rtts[Math.floor(rtts.length / 2)] ?? Number.NaN,
    };
  }

  async stop(): Promise<StreamReport> {
    const report = this.report();
    await this.#process.stop();
    return report;
  }
}
