/**
 * A thread that moves packets: it blocks in `poll` and never returns to its event loop, so messages reach it with an
 * event that wakes it out of the poll, and it fetches them itself.
 *
 *   const thread = PollThread.start(
 *     (workerData, transferList) => new Worker(new URL("./loop.worker.ts", import.meta.url), { workerData, transferList }),
 *     { port: 21820 },
 *     (message: FromLoop) => …,
 *   );
 *   await thread.ready;                                  // the thread called `ready`
 *   thread.tell({ type: "update", … });
 *   await thread.close({ type: "close" });               // true: it has closed what it owned, and ended
 *
 *   in the worker:  const { settings, end } = PollThreadEnd.ofThisThread<Settings, ToLoop, FromLoop>();
 *                   const poller = new Poller([end.eventFd, …]);
 *                   end.ready();
 *                   for (;;) { poller.wait(…); if (poller.canRead(0)) for (const message of end.fetch()) … }
 *                   end.close();
 */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Worker,
  workerData,
} from "node:worker_threads";
import {
  clearEvent,
  closeDescriptor,
  duplicateDescriptor,
  openEvent,
  signalEvent,
} from "../udp/linux/system.ts";

/** What the thread is started with, beside its own settings. */
interface Start<Settings> {
  readonly pollThread: {
    readonly port: MessagePort;
    readonly eventFd: number;
    /** How many of the thread's messages were heard, modulo 2^32. */
    readonly heard: Int32Array<SharedArrayBuffer>;
  };
  readonly settings: Settings;
}

/** The first word of a thread. */
const READY = "ready";
/** One that was told to end and has not within this is stuck, and nobody waits for it any longer. */
const CLOSE_TIMEOUT_MS = 5_000;

export class PollThread<To, From> {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #eventFd: number;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  #isReady = false;
  #isClosing = false;

  private constructor(
    worker: Worker,
    port: MessagePort,
    eventFd: number,
    heard: Int32Array<SharedArrayBuffer>,
    onMessage: (message: From) => void,
  ) {
    this.#worker = worker;
    this.#port = port;
    this.#eventFd = eventFd;
    port.on("message", (message: From | typeof READY) => {
      Atomics.add(heard, 0, 1);
      if (message !== READY) return onMessage(message as From);
      this.#isReady = true;
      this.#ready.resolve();
    });
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    worker.on("exit", () => {
      // The thread is in no system call any more: only now may its event's number be given to somebody else.
      closeDescriptor(eventFd);
      port.close();
      ended.resolve();
      this.#ready.reject(new Error("a packet thread ended"));
      if (this.#isReady && !this.#isClosing) throw new Error("a packet thread ended");
    });
    worker.on("error", (error) => {
      // Before it is ready, starting fails; later it is a mistake of ours that nobody may overlook.
      if (this.#isReady) throw error;
      this.#ready.reject(error);
    });
  }

  static start<To, From, Settings>(
    newWorker: (workerData: unknown, transferList: MessagePort[]) => Worker,
    settings: Settings,
    onMessage: (message: From) => void,
    transferList: readonly MessagePort[] = [],
  ): PollThread<To, From> {
    const channel = new MessageChannel();
    const eventFd = openEvent();
    const heard = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const start: Start<Settings> = { pollThread: { port: channel.port2, eventFd, heard }, settings };
    const worker = newWorker(start, [channel.port2, ...transferList]);
    return new PollThread<To, From>(worker, channel.port1, eventFd, heard, onMessage);
  }

  /** Rejects when the thread could not start. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * A descriptor that wakes the thread, for another thread that posts to a port of its own. It is the caller's to close:
   * its number means this event alone, also when this thread ended long before the other.
   */
  shareEvent(): number {
    return duplicateDescriptor(this.#eventFd);
  }

  /** Takes effect soon, in order. Once it is closing, nothing does. */
  tell(message: To): void {
    if (this.#isClosing) return;
    this.#port.postMessage(message);
    signalEvent(this.#eventFd);
  }

  /**
   * Sends a last message, after which the thread is to end, and waits for that. False when it is stuck: then it is ended
   * from outside as soon as it comes back to JavaScript, and keeps the process no longer.
   */
  async close(last: To, timeoutMs = CLOSE_TIMEOUT_MS): Promise<boolean> {
    this.tell(last);
    this.#isClosing = true;
    const isStuck = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => isStuck.resolve(false), timeoutMs);
    const hasEnded = await Promise.race([this.#ended.then(() => true), isStuck.promise]);
    clearTimeout(timer);
    if (hasEnded) return true;
    void this.#worker.terminate();
    this.#worker.unref();
    this.#port.close();
    return false;
  }
}

/** The thread's own end. */
export class PollThreadEnd<To, From> {
  /** Readable when there are messages. */
  readonly eventFd: number;
  readonly #port: MessagePort;
  readonly #heard: Int32Array<SharedArrayBuffer>;
  #told = 0;

  private constructor({ port, eventFd, heard }: Start<unknown>["pollThread"]) {
    this.#port = port;
    this.eventFd = eventFd;
    this.#heard = heard;
  }

  static ofThisThread<Settings, To, From>(): {
    readonly settings: Settings;
    readonly end: PollThreadEnd<To, From>;
  } {
    const { pollThread, settings } = workerData as Start<Settings>;
    return { settings, end: new PollThreadEnd(pollThread) };
  }

  ready(): void {
    this.#post(READY);
  }

  tell(message: From): void {
    this.#post(message);
  }

  /** Messages that were told and not heard yet. They wait without a bound: whoever tells many looks at this. */
  get backlog(): number {
    return (this.#told - Atomics.load(this.#heard, 0)) | 0;
  }

  /** The messages that came; makes the event unsignalled. */
  *fetch(): Generator<To> {
    clearEvent(this.eventFd);
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      yield received.message as To;
    }
  }

  /** Lets the thread end. */
  close(): void {
    this.#port.close();
  }

  #post(message: From | typeof READY): void {
    this.#told++;
    this.#port.postMessage(message);
  }
}
