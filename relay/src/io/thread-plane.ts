/**
 * The data plane in a thread of its own, seen from the main thread: messages and an event that wakes it out of its
 * poll. What the thread does is in packet-loop.worker.ts.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { closeDescriptor, openEvent, signalEvent } from "@burrow/platform";
import { type Endpoint, UserError } from "@burrow/protocol";
import type { DataPlaneUpdate } from "../core/updates.ts";
import type { DataPlane, DataPlaneOptions, DataPlaneSnapshot } from "./data-plane.ts";
import type { FromLoop, LoopSettings, ToLoop } from "./packet-loop.worker.ts";

/** A thread that does not answer within this is stuck; then asking fails, and health with it. */
const ANSWER_TIMEOUT_MS = 5_000;

/** Rejects with a UserError when the port cannot be had. */
export async function openThreadPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { identity, selfKey, listen, limits, initial } = options;
  const eventFd = openEvent();
  const channel = new MessageChannel();
  const settings: LoopSettings = { identity, selfKey, listen, limits, initial, eventFd, port: channel.port2 };
  const worker = new Worker(new URL("./packet-loop.worker.ts", import.meta.url), {
    workerData: settings,
    transferList: [channel.port2],
  });
  const plane = new ThreadPlane(options, worker, channel.port1, eventFd);
  await plane.opened;
  return plane;
}

class ThreadPlane implements DataPlane {
  local: readonly Endpoint[] = [];
  port = 0;
  readonly #options: DataPlaneOptions;
  readonly #port: MessagePort;
  readonly #eventFd: number;
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  readonly #asked = new Map<number, PromiseWithResolvers<DataPlaneSnapshot>>();
  #nextAsk = 1;
  #isOpen = false;
  #closing = false;

  constructor(options: DataPlaneOptions, worker: Worker, port: MessagePort, eventFd: number) {
    this.#options = options;
    this.#port = port;
    this.#eventFd = eventFd;
    port.on("message", (message: FromLoop) => this.#heard(message));
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    worker.on("exit", () => {
      // The thread is in no system call any more: only now may its event's number be given to somebody else.
      closeDescriptor(eventFd);
      port.close();
      ended.resolve();
      this.#opened.reject(new Error("the data plane's thread ended"));
      if (this.#isOpen && !this.#closing) throw new Error("the data plane's thread ended");
    });
    worker.on("error", (error) => {
      // Before it is open, opening fails; later it is a mistake of ours that nobody may overlook.
      if (this.#isOpen) throw error;
      this.#opened.reject(error);
    });
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  update(update: DataPlaneUpdate): void {
    this.#tell({ type: "update", update });
  }

  async snapshot(): Promise<DataPlaneSnapshot> {
    if (this.#closing) throw new Error("the data plane is closed");
    const id = this.#nextAsk++;
    const answer = Promise.withResolvers<DataPlaneSnapshot>();
    this.#asked.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Error("the data plane does not answer")),
      ANSWER_TIMEOUT_MS,
    );
    this.#tell({ type: "snapshot", id });
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#tell({ type: "close" });
      this.#closing = true;
    }
    await this.#ended;
    for (const answer of this.#asked.values()) answer.reject(new Error("the data plane is closed"));
  }

  #tell(message: ToLoop): void {
    if (this.#closing) return;
    this.#port.postMessage(message);
    signalEvent(this.#eventFd);
  }

  #heard(message: FromLoop): void {
    switch (message.type) {
      case "open":
        this.local = message.local;
        this.port = message.port;
        this.#isOpen = true;
        this.#opened.resolve();
        return;
      case "refused":
        this.#opened.reject(new UserError(message.message, message.remedy));
        return;
      case "snapshot":
        this.#asked.get(message.id)?.resolve(message.snapshot);
        return;
      case "learned":
        this.#options.onLearned(message.records);
        return;
      case "event":
        this.#options.onEvent(message.event);
        return;
    }
  }
}
