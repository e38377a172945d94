/** A run of echoes to one peer: one after another at an interval, answers as they come, silence as it passes. */
import type { AgentId } from "@burrow/protocol";
import type { EchoReply } from "../core/events.ts";
import type { PathTarget } from "../core/paths/path.ts";

export interface PingOptions {
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What came of one echo. */
export interface PingResult {
  readonly seq: number;
  readonly sentAtMs: number;
  readonly rttMs?: number;
  readonly via?: PathTarget;
  readonly timeout?: true;
}

const IDENTIFIER_MAX = 0xffff;
const SEQUENCE_MAX = 0xffff;

export type SendEcho = (peer: AgentId, identifier: number, sequence: number) => void;

interface Run {
  answered(reply: EchoReply): void;
}

export class Pinger {
  readonly #send: SendEcho;
  readonly #runs = new Map<number, Run>();
  #lastIdentifier: number;

  /** `firstIdentifier`: random, so that runs of two agents on one machine do not answer each other. */
  constructor(send: SendEcho, firstIdentifier: number) {
    this.#send = send;
    this.#lastIdentifier = firstIdentifier % IDENTIFIER_MAX;
  }

  answered(reply: EchoReply): void {
    this.#runs.get(reply.identifier)?.answered(reply);
  }

  /** Yields a result per echo, answers in the order in which they come. */
  async *run(peer: AgentId, options: PingOptions): AsyncGenerator<PingResult> {
    const identifier = this.#newIdentifier();
    const ready: PingResult[] = [];
    const waiting = new Map<
      number,
      { readonly sentAtMs: number; readonly timer: ReturnType<typeof setTimeout> }
    >();
    let wake: (() => void) | undefined;
    let sent = 0;
    const settle = (sequence: number, result: Omit<PingResult, "seq" | "sentAtMs">) => {
      const entry = waiting.get(sequence);
      if (entry === undefined) return;
      clearTimeout(entry.timer);
      waiting.delete(sequence);
      ready.push({ seq: sequence, sentAtMs: entry.sentAtMs, ...result });
      wake?.();
    };
    this.#runs.set(identifier, {
      answered: ({ sequence, rttMs, via }) => settle(sequence, { rttMs, via }),
    });
    const send = () => {
      const sequence = sent++ & SEQUENCE_MAX;
      const timer = setTimeout(() => settle(sequence, { timeout: true }), options.timeoutMs);
      waiting.set(sequence, { sentAtMs: Date.now(), timer });
      this.#send(peer, identifier, sequence);
      if (sent >= options.count) clearInterval(interval);
    };
    const interval = setInterval(send, options.intervalMs);
    options.signal?.addEventListener("abort", () => wake?.());
    try {
      send();
      while (options.signal?.aborted !== true) {
        const result = ready.shift();
        if (result !== undefined) yield result;
        else if (sent >= options.count && waiting.size === 0) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      clearInterval(interval);
      for (const { timer } of waiting.values()) clearTimeout(timer);
      this.#runs.delete(identifier);
    }
  }

  #newIdentifier(): number {
    do this.#lastIdentifier = (this.#lastIdentifier % IDENTIFIER_MAX) + 1;
    while (this.#runs.has(this.#lastIdentifier));
    return this.#lastIdentifier;
  }
}
