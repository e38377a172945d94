/** The agent's machine in a thread of its own, seen from the main thread, which opens its sockets and its device. */
import { type MessagePort, Worker } from "node:worker_threads";
import {
  type BatchedSocket,
  openBatchedUdp,
  openDualStack,
  PollThread,
  prepareBatchedTun,
  type UdpOptions,
} from "@burrow/platform";
import type { Endpoint } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { AgentCommand } from "../core/commands.ts";
import type { Answer, Asked, QuestionKind } from "../core/questions.ts";
import { type OverlayPlace, tunOptions } from "./devices.ts";
import type { AgentHost, HostOptions } from "./host.ts";
import type { FromLoop, LoopSettings, LoopSocket, ToLoop } from "./packet-loop.worker.ts";

const log = getLogger(["burrow", "agent"]);

/** A thread that does not answer within this is stuck. */
const ANSWER_TIMEOUT_MS = 5_000;
/** What may arrive while the thread is busy with the device: more would only be waited for, by everybody. */
const RECV_BUFFER_BYTES = 1 << 20;
/** What waits in the kernel cannot be sent by a better path any more. */
const SEND_BUFFER_BYTES = 1 << 20;
/** `off`: packets are handed over one by one, where the kernel's ways of putting them together are suspected. */
const OFFLOADS_VARIABLE = "BURROW_OFFLOADS";

export async function openThreadHost(options: HostOptions): Promise<AgentHost> {
  const { local, sockets } = await openSockets(options.port);
  const host = new ThreadHost(local, sockets, options);
  await host.ready;
  return host;
}

async function openSockets(
  wantedPort: number,
): Promise<{ readonly local: readonly Endpoint[]; readonly sockets: readonly LoopSocket[] }> {
  const opened: { readonly socket: BatchedSocket; readonly bound: LoopSocket }[] = [];
  const openMember = async (wanted: UdpOptions) => {
    const socket = openBatchedUdp(wanted);
    const { address, family } = wanted;
    opened.push({ socket, bound: { address, family, port: socket.port, fd: socket.fd } });
    return socket;
  };
  const buffers = { recvBufferBytes: RECV_BUFFER_BYTES, sendBufferBytes: SEND_BUFFER_BYTES };
  const { local, port } = await openDualStack({ ...buffers, port: wantedPort, onBatch() {} }, openMember);
  // A pair of families that did not find a common port has been closed in part, and another was tried.
  for (const { socket } of opened) if (socket.port !== port) socket.close();
  return { local, sockets: opened.filter(({ bound }) => bound.port === port).map(({ bound }) => bound) };
}

class ThreadHost implements AgentHost {
  readonly kind = "thread";
  readonly port: number;
  readonly local: readonly Endpoint[];
  readonly #families: ReadonlySet<4 | 6>;
  readonly #options: HostOptions;
  readonly #offloads = process.env[OFFLOADS_VARIABLE] !== "off";
  readonly #thread: PollThread<ToLoop, FromLoop>;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #left = Promise.withResolvers<void>();
  #nextAsk = 1;
  #tunGone = () => {};
  #isClosed = false;

  constructor(local: readonly Endpoint[], sockets: readonly LoopSocket[], options: HostOptions) {
    this.#options = options;
    this.local = local;
    this.port = sockets[0]?.port ?? 0;
    this.#families = new Set(sockets.map(({ family }) => family));
    const settings: LoopSettings = { shell: options.settings, sockets, offloads: this.#offloads };
    this.#thread = PollThread.start<ToLoop, FromLoop, LoopSettings>(
      (workerData: unknown, transferList: MessagePort[]) =>
        new Worker(new URL("./packet-loop.worker.ts", import.meta.url), { workerData, transferList }),
      settings,
      (message) => this.#heard(message),
    );
  }

  get ready(): Promise<void> {
    return this.#thread.ready;
  }

  hasFamily(family: 4 | 6): boolean {
    return this.#families.has(family);
  }

  command(command: AgentCommand): void {
    this.#thread.tell({ type: "command", command });
  }

  setChannel(isUp: boolean): void {
    this.#thread.tell({ type: "channel", isUp });
  }

  async ask<K extends QuestionKind>(kind: K, about: Asked<K>): Promise<Answer<K>> {
    if (this.#isClosed) throw new Error("the agent is stopped");
    const id = this.#nextAsk++;
    const answer = Promise.withResolvers<unknown>();
    this.#asked.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Error("the packet thread does not answer")),
      ANSWER_TIMEOUT_MS,
    );
    this.#thread.tell({ type: "ask", id, kind, about });
    try {
      return (await answer.promise) as Answer<K>;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  async openTun(name: string, place: OverlayPlace, gone: () => void): Promise<void> {
    this.#tunGone = gone;
    const settings = tunOptions(name, place);
    const door = await prepareBatchedTun(this.#offloads ? settings : { ...settings, offloads: false });
    this.#thread.tell({ type: "tun", door });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#thread.tell({ type: "leave" });
    const timer = setTimeout(() => this.#left.resolve(), ANSWER_TIMEOUT_MS);
    await this.#left.promise;
    clearTimeout(timer);
    const hasEnded = await this.#thread.close({ type: "close" });
    if (!hasEnded) log.warn("the packet thread is stuck, and is left behind");
    for (const answer of this.#asked.values()) answer.reject(new Error("the agent is stopped"));
  }

  #heard(message: FromLoop): void {
    switch (message.type) {
      case "report":
        return this.#options.report(message.report);
      case "answer":
        return this.#asked.get(message.id)?.resolve(message.value);
      case "failed":
        return this.#asked.get(message.id)?.reject(new Error(message.problem));
      case "tun-gone":
        return this.#tunGone();
      case "left":
        return this.#left.resolve();
    }
  }
}
