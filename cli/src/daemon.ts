/** The life of a daemon: start it, wait for a signal, stop it cleanly; a second signal ends it at once. */
import { getLogger } from "@logtape/logtape";

export interface Running {
  stop(): Promise<void>;
  /** Resolves if it cannot go on for a reason that a person must mend; otherwise never. */
  readonly refused?: Promise<Error>;
}

/** Long enough to say goodbye to the coordinator and close files; a service manager kills after 90 s. */
const STOP_TIMEOUT_MS = 10_000;

/** What a shell reports for a process that a signal ended: 128 and the signal's number. */
const INTERRUPTED_EXIT = 130;

let hasEnded = false;

/** Whether a daemon has run in this process and come to its end: there is nothing left to wait for. */
export function hasDaemonEnded(): boolean {
  return hasEnded;
}

/**
 * Starts a part, calls `ready` with it, and returns when a signal has stopped it; throws what made it end by itself.
 * A signal during the start aborts what `start` is given, and then counts as the reason why it fails, if it does.
 */
export async function runDaemon<Part extends Running>(
  name: string,
  start: (stopped: AbortSignal) => Promise<Part>,
  ready: (part: Part) => void,
): Promise<void> {
  const abort = new AbortController();
  const signal = new StopSignal(() => abort.abort());
  try {
    const part = await start(abort.signal).catch((error: unknown) => {
      if (!signal.received) throw error;
    });
    if (part === undefined) return;
    if (!signal.received) ready(part);
    const failure = await Promise.race([signal.wait(), part.refused ?? new Promise<never>(() => {})]);
    getLogger(["burrow", name]).info("stopping; a second signal stops at once");
    await within(STOP_TIMEOUT_MS, part.stop(), `${name} did not stop within ${STOP_TIMEOUT_MS / 1000} s`);
    if (failure !== undefined) throw failure;
  } finally {
    hasEnded = true;
    signal.close();
  }
}

/** SIGINT and SIGTERM, remembered: the first resolves `wait`, the second ends the process. */
export class StopSignal {
  readonly #promise: Promise<void>;
  readonly #listener: () => void;
  #received = false;

  constructor(onFirst: () => void = () => {}) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#promise = promise;
    this.#listener = () => {
      if (this.#received) process.exit(INTERRUPTED_EXIT);
      this.#received = true;
      onFirst();
      resolve();
    };
    process.on("SIGINT", this.#listener);
    process.on("SIGTERM", this.#listener);
  }

  get received(): boolean {
    return this.#received;
  }

  wait(): Promise<void> {
    return this.#promise;
  }

  close(): void {
    process.off("SIGINT", this.#listener);
    process.off("SIGTERM", this.#listener);
  }
}

export async function within<T>(timeoutMs: number, work: Promise<T>, message: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
