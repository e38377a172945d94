/**
 * The data plane in threads of its own, seen from the main thread, which opens the sockets and shares them out. Each
 * thread hears the transport data of its part of the sources; the first hears all else, and teaches the others what it
 * learns. Updates go to all of them: by messages, and an event that wakes a thread out of its poll.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import {
  openDualStack,
  openSteeredUdp,
  PollThread,
  type SteeredSockets,
  type UdpCounters,
  type UdpOptions,
} from "@burrow/platform";
import { type Endpoint, endpoint, splitEndpoint } from "@burrow/protocol";
import { sumOfDelays } from "../core/queue-delays.ts";
import type { ForwarderSnapshot } from "../core/snapshot.ts";
import type { DataPlaneUpdate } from "../core/updates.ts";
import type { DataPlane, DataPlaneOptions, DataPlaneSnapshot } from "./data-plane.ts";
import { openFurtherPorts } from "./further-ports.ts";
import { log } from "./log.ts";
import type { FromLoop, LoopSettings, LoopSocket, ToLoop } from "./packet-loop.worker.ts";

/** A thread that does not answer within this is stuck; then asking fails, and health with it. */
const ANSWER_TIMEOUT_MS = 5_000;
/** What may arrive while a thread is busy elsewhere; the system may give less. */
const RECV_BUFFER_BYTES = 8 * 1024 * 1024;
/** Binds, handshakes and probes of 10,000 agents that come at once. */
const OTHERS_RECV_BUFFER_BYTES = 4 * 1024 * 1024;
/** What waits in the kernel waits in order of arrival: no more than keeps a 10 Gbit/s card busy between two polls. */
const SEND_BUFFER_BYTES = 512 * 1024;
/** Transport data, as the wire begins: type 4 and three zero bytes. */
const TRANSPORT_FIRST_WORD = 0x0400_0000;

/** Rejects with a UserError when the port cannot be had. */
export async function openThreadPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { identity, selfKey, limits, initial } = options;
  const main = await openSockets(options, options.listen.port, 0);
  const { local, port } = main;
  const further = await openFurtherPorts(options, (wanted, door) => openSockets(options, wanted, door));
  const furtherPorts = further.map((of) => of.port);
  const sockets = main.sockets.map((own, i) => [
    ...own,
    ...further.flatMap(({ opened }) => opened.sockets[i] ?? []),
  ]);
  const threads: LoopThread[] = [];
  const lessons = sockets.slice(1).map(() => new MessageChannel());
  const trunkCounter = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
  // The first comes last: it is told how to wake the others.
  for (const [i, own] of [...sockets.entries()].reverse()) {
    const siblings =
      i === 0
        ? lessons.map(({ port1 }, n) => ({ port: port1, eventFd: threads[n]?.shareEvent() ?? -1 }))
        : [];
    const teacher = i === 0 ? undefined : lessons[i - 1]?.port2;
    const settings = { identity, selfKey, limits, initial, trunkCounter, sockets: own, siblings, teacher };
    threads.unshift(new LoopThread(settings, options));
  }
  await Promise.all(threads.map(({ opened }) => opened));
  return new ThreadPlane(local, port, furtherPorts, threads);
}

interface OpenSockets {
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly sockets: readonly (readonly LoopSocket[])[];
}

type Steered = SteeredSockets & { readonly address: string; readonly family: 4 | 6 };

/** The descriptors of each thread for one port, in both families where the address allows it. */
async function openSockets(
  options: DataPlaneOptions,
  wantedPort: number,
  door: number,
): Promise<OpenSockets> {
  const steered: Steered[] = [];
  try {
    return await openInto(steered, options, wantedPort, door);
  } catch (error) {
    for (const sockets of steered) closeSteered(sockets);
    throw error;
  }
}

function closeSteered({ chosen, others }: Steered): void {
  for (const socket of [...chosen, others]) socket?.close();
}

async function openInto(
  steered: Steered[],
  { listen, threads = 1 }: DataPlaneOptions,
  wantedPort: number,
  door: number,
): Promise<OpenSockets> {
  const openMember = async (wanted: UdpOptions) => {
    const all = { ...wanted, count: threads, othersRecvBufferBytes: OTHERS_RECV_BUFFER_BYTES };
    const sockets = openSteeredUdp(all, TRANSPORT_FIRST_WORD);
    steered.push({ ...sockets, address: wanted.address, family: wanted.family });
    const [first] = sockets.chosen;
    if (first === undefined) throw new Error("no socket was opened");
    return first;
  };
  const shared = {
    port: wantedPort,
    onBatch() {},
    recvBufferBytes: RECV_BUFFER_BYTES,
    sendBufferBytes: SEND_BUFFER_BYTES,
  };
  const isAny = listen.address === "0.0.0.0" || listen.address === "::";
  const address = isAny ? "" : splitEndpoint(endpoint(listen.address, wantedPort)).address;
  const { local, port } = isAny
    ? await openDualStack(shared, openMember)
    : await openMember({ ...shared, address, family: address.includes(":") ? 6 : 4 });
  // A pair of families that did not find a common port has been closed in part, and another was tried.
  for (const sockets of steered) {
    if (sockets.chosen[0]?.port !== port) closeSteered(sockets);
  }
  const open = steered.filter(({ chosen }) => chosen[0]?.port === port);
  const count = Math.min(...open.map(({ chosen }) => chosen.length));
  const sockets = Array.from({ length: count }, (_, i) =>
    open.map(({ chosen, others, ...rest }) => ({
      ...rest,
      port,
      door,
      fd: chosen[i]?.fd ?? -1,
      othersFd: i === 0 ? others?.fd : undefined,
    })),
  );
  return { local, port, sockets };
}

class ThreadPlane implements DataPlane {
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly furtherPorts: readonly number[];
  readonly #threads: readonly LoopThread[];

  constructor(
    local: readonly Endpoint[],
    port: number,
    furtherPorts: readonly number[],
    threads: readonly LoopThread[],
  ) {
    this.local = local;
    this.port = port;
    this.furtherPorts = furtherPorts;
    this.#threads = threads;
  }

  update(update: DataPlaneUpdate): void {
    for (const thread of this.#threads) thread.tell({ type: "update", update });
  }

  async snapshot(): Promise<DataPlaneSnapshot> {
    const all = await Promise.all(this.#threads.map((thread) => thread.snapshot()));
    return all.reduce(merge);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

/** What the first thread knows, and what all of them counted. */
function merge(first: DataPlaneSnapshot, other: DataPlaneSnapshot): DataPlaneSnapshot {
  const [a, b] = [first.forwarder, other.forwarder];
  const forwarder: ForwarderSnapshot = {
    ...a,
    received: a.received + b.received,
    packets: a.packets + b.packets,
    bytes: a.bytes + b.bytes,
    transports: a.transports + b.transports,
    trunk: sum(a.trunk, b.trunk),
    drops: sum(a.drops, b.drops),
  };
  const delays = sumOfDelays(first.delays, other.delays);
  return { forwarder, delays, socket: sum<UdpCounters>(first.socket, other.socket) };
}

function sum<T extends { readonly [name in keyof T]: number }>(a: T, b: T): T {
  const names = Object.keys(a) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as T;
}

class LoopThread {
  readonly #options: DataPlaneOptions;
  readonly #thread: PollThread<ToLoop, FromLoop>;
  readonly #asked = new Map<number, PromiseWithResolvers<DataPlaneSnapshot>>();
  #nextAsk = 1;
  #isClosing = false;

  constructor(settings: LoopSettings, options: DataPlaneOptions) {
    this.#options = options;
    const { siblings, teacher } = settings;
    const ports = siblings.map(({ port }) => port);
    this.#thread = PollThread.start<ToLoop, FromLoop, LoopSettings>(
      (workerData: unknown, transferList: MessagePort[]) =>
        new Worker(new URL("./packet-loop.worker.ts", import.meta.url), { workerData, transferList }),
      settings,
      (message) => this.#heard(message),
      teacher === undefined ? ports : [...ports, teacher],
    );
  }

  get opened(): Promise<void> {
    return this.#thread.ready;
  }

  shareEvent(): number {
    return this.#thread.shareEvent();
  }

  tell(message: ToLoop): void {
    this.#thread.tell(message);
  }

  async snapshot(): Promise<DataPlaneSnapshot> {
    if (this.#isClosing) throw new Error("the data plane is closed");
    const id = this.#nextAsk++;
    const answer = Promise.withResolvers<DataPlaneSnapshot>();
    this.#asked.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Error("the data plane does not answer")),
      ANSWER_TIMEOUT_MS,
    );
    this.tell({ type: "snapshot", id });
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const hasEnded = await this.#thread.close({ type: "close" });
    if (!hasEnded) log.warn("a packet thread is stuck, and is left behind");
    for (const answer of this.#asked.values()) answer.reject(new Error("the data plane is closed"));
  }

  #heard(message: FromLoop): void {
    switch (message.type) {
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
