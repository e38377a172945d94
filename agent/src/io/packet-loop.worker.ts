/**
 * The agent's packet thread: polls its sockets, its TUN device and an event, and runs the whole machine. From the device
 * to the network and back a packet stays on this thread and in one place in memory; the main thread's messages are
 * fetched when the event says that there are some.
 */
import {
  AddressTable,
  adoptBatchedTun,
  adoptBatchedUdp,
  type BatchedSocket,
  type BatchedTun,
  type BatchedTunDoor,
  type DatagramBatch,
  type DatagramSocket,
  joinFamilies,
  nativePrimitives,
  openBatchedUdp,
  type PacketBatch,
  PinnedMemory,
  Poller,
  PollThreadEnd,
  sealerOf,
  setThreadNiceness,
  type TunBatch,
  type UdpOptions,
} from "@burrow/platform";
import { WireGuardType } from "@burrow/protocol";
import type { AgentCommand } from "../core/commands.ts";
import { Ecn } from "../core/ecn.ts";
import { bytesOf, type Packets } from "../core/packets.ts";
import type { QuestionKind } from "../core/questions.ts";
import { StandingQueue } from "../core/standing-queue.ts";
import {
  AgentShell,
  clock,
  NOWHERE,
  type PacketSink,
  type ShellReport,
  type ShellSettings,
} from "./shell.ts";
import type { SocketMaker } from "./sockets.ts";
import { warmUp } from "./warm-up.ts";

/** A descriptor of one address family, opened by the main thread and from now on this thread's. */
export interface LoopSocket {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  readonly fd: number;
}

export interface LoopSettings {
  readonly shell: ShellSettings;
  readonly sockets: readonly LoopSocket[];
  /** Whether the kernel may put packets together and cut them up (GSO, GRO), where it can. */
  readonly offloads: boolean;
}

export type ToLoop =
  | { readonly type: "command"; readonly command: AgentCommand }
  | { readonly type: "channel"; readonly isUp: boolean }
  | { readonly type: "ask"; readonly id: number; readonly kind: QuestionKind; readonly about: unknown }
  | { readonly type: "tun"; readonly door: BatchedTunDoor }
  /** Say goodbye; `left` follows. */
  | { readonly type: "leave" }
  | { readonly type: "close" };

export type FromLoop =
  | { readonly type: "report"; readonly report: ShellReport }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly problem: string }
  | { readonly type: "tun-gone" }
  | { readonly type: "left" };

/** So many at a time tell of a queue that we do not keep up with: of whole packets the device hands over no more. */
const LONG_BATCH = 128;
/** Poll's limit is an integer; nothing in the machine waits as long. */
const WAIT_MAX_MS = 60_000;
/** Packets that wait for a relay's WebSocket, which the main thread serves: as much as its connection may hold up. */
const BACKLOG_MAX = 512;
const NO_OFFLOADS = { gso: false, gro: false } as const;
const EVENT = 0;
/** Everybody's packets wait for this thread, so it goes before what fills a machine; as much as the system allows. */
const NICENESS = -10;

class PacketLoop implements SocketMaker {
  readonly #settings: LoopSettings;
  readonly #end: PollThreadEnd<ToLoop, FromLoop>;
  readonly #shell: AgentShell;
  readonly #main: readonly BatchedSocket[];
  readonly #further = new Set<BatchedSocket>();
  #tun: BatchedTun | undefined;
  readonly #packets = new TunPackets();
  readonly #queue = new StandingQueue();
  /** What the poller waits for, in its order: the event, the sockets, the device. */
  #poller: Poller;
  #polled: readonly BatchedSocket[] = [];
  #isChanged = true;
  #isLeaving = false;
  #isStopped = false;

  constructor(settings: LoopSettings, end: PollThreadEnd<ToLoop, FromLoop>) {
    this.#settings = settings;
    this.#end = end;
    this.#poller = new Poller([end.eventFd]);
    const addresses = new AddressTable();
    const batchesOf = (queue: StandingQueue) => (batch: DatagramBatch) => {
      const drops = isLong(queue, batch) && isData(batch, 0) && queue.isLong(clock());
      this.#shell.received(batch, undefined, drops ? 1 : 0);
    };
    this.#main = settings.sockets.map(({ fd, ...bound }) => {
      const queue = new StandingQueue();
      return adoptBatchedUdp(fd, {
        ...bound,
        ...this.#offloads,
        hearsEcn: true,
        addresses,
        onBatch: batchesOf(queue),
      });
    });
    this.#shell = new AgentShell(settings.shell, {
      socket: joinFamilies(this.#main),
      sockets: this,
      report: (report) => end.tell({ type: "report", report }),
      isBehind: () => end.backlog >= BACKLOG_MAX,
      settled() {},
    });
  }

  run(): void {
    while (!this.#isStopped) {
      if (this.#isChanged) this.#wireUp();
      const waitMs = this.#shell.nextDeadline() - clock();
      this.#poller.wait(Math.min(WAIT_MAX_MS, Math.max(0, waitMs)));
      if (this.#poller.canRead(EVENT)) for (const message of this.#end.fetch()) this.#heard(message);
      this.#moveDatagrams();
      this.#movePackets();
      const now = clock();
      if (now >= this.#shell.nextDeadline()) this.#shell.tick(now);
      if (this.#isLeaving && !this.#shell.isLeaving) {
        this.#isLeaving = false;
        this.#end.tell({ type: "left" });
      }
    }
    this.#shell.close();
    this.#tun?.close();
    for (const socket of this.#main) socket.close();
  }

  /** SocketMaker. */
  open(options: UdpOptions): DatagramSocket {
    const socket = openBatchedUdp({ ...options, ...this.#offloads, hearsEcn: true, isMinor: true });
    this.#further.add(socket);
    this.#isChanged = true;
    return socket;
  }

  /** SocketMaker. */
  close(socket: DatagramSocket): void {
    socket.close();
    this.#further.delete(socket as BatchedSocket);
    this.#isChanged = true;
  }

  get #offloads() {
    return this.#settings.offloads ? {} : { offloads: NO_OFFLOADS };
  }

  #wireUp(): void {
    this.#isChanged = false;
    this.#polled = [...this.#main, ...this.#further];
    const device = this.#tun === undefined ? [] : [this.#tun.fd];
    this.#poller = new Poller([this.#end.eventFd, ...this.#polled.map(({ fd }) => fd), ...device]);
    this.#watchQueues();
  }

  #moveDatagrams(): void {
    const polled = this.#polled;
    const poller = this.#poller;
    for (let i = 0; i < polled.length; i++) {
      const socket = polled[i];
      if (socket === undefined) continue;
      if (poller.canWrite(i + 1)) socket.flush();
      // One batch, and then the others' turn: another poll costs nothing beside it.
      if (poller.canRead(i + 1)) socket.receive();
    }
  }

  /** From the device, as long as the network takes what comes of it. */
  #movePackets(): void {
    const tun = this.#tun;
    const polled = this.#polled;
    const poller = this.#poller;
    const device = polled.length + 1;
    if (tun !== undefined && !this.#isChanged && !this.#isBlocked()) {
      if (!poller.canRead(device) || !tun.receive()) this.#queue.isShort();
      if (tun.isGone) this.#lostTun(tun);
    }
    if (!this.#isChanged) this.#watchQueues();
  }

  /** Where packets wait for the network, room for them ends the wait, and the device is not read until then. */
  #watchQueues(): void {
    const polled = this.#polled;
    let isBlocked = false;
    for (let i = 0; i < polled.length; i++) {
      const isFull = polled[i]?.isBlocked === true;
      this.#poller.wantWrite(i + 1, isFull);
      isBlocked ||= isFull;
    }
    if (this.#tun !== undefined) this.#poller.wantRead(polled.length + 1, !isBlocked);
  }

  #isBlocked(): boolean {
    return this.#polled.some((socket) => socket.isBlocked);
  }

  #heard(message: ToLoop): void {
    switch (message.type) {
      case "command":
        return this.#shell.command(message.command);
      case "channel":
        this.#shell.isChannelUp = message.isUp;
        return;
      case "ask":
        return this.#answer(message);
      case "tun":
        return this.#adoptTun(message.door);
      case "leave":
        this.#isLeaving = true;
        return this.#shell.leave();
      case "close":
        this.#isStopped = true;
        return;
    }
  }

  #answer({ id, kind, about }: Extract<ToLoop, { type: "ask" }>): void {
    try {
      this.#end.tell({ type: "answer", id, value: this.#shell.ask(kind, about as never) });
    } catch (error) {
      this.#end.tell({ type: "failed", id, problem: String(error) });
    }
  }

  #adoptTun(door: BatchedTunDoor): void {
    const tun = adoptBatchedTun(door, {
      onBatch: (batch) => {
        const drops = isLong(this.#queue, batch) && this.#queue.isLong(clock());
        this.#shell.sendPackets(this.#packets.of(batch, drops ? 1 : 0));
      },
    });
    this.#tun = tun;
    this.#shell.device = intoTun(tun);
    this.#isChanged = true;
  }

  #lostTun(tun: BatchedTun): void {
    this.#tun = undefined;
    this.#shell.device = NOWHERE;
    this.#isChanged = true;
    tun.close();
    this.#end.tell({ type: "tun-gone" });
  }
}

/** Whether the batch tells of a queue that is long; that one is short the queue is told here. */
function isLong(queue: StandingQueue, batch: PacketBatch): boolean {
  if (batch.count >= LONG_BATCH) return true;
  queue.isShort();
  return false;
}

/** Transport data, as the wire begins: of probes and handshakes none is dropped to tell a sender to slow down. */
function isData(batch: DatagramBatch, i: number): boolean {
  return batch.u32(i, 0) === WireGuardType.transport;
}

/** A batch of the device as the machine takes packets: its memory has the room around them that sealing needs. */
class TunPackets implements Packets {
  #batch: TunBatch | undefined;
  #first = 0;
  readonly ecn = Ecn.notCapable;
  memory = new Uint8Array(0);
  count = 0;

  /** The batch from its `first` packet on. */
  of(batch: TunBatch, first: number): this {
    this.#batch = batch;
    this.memory = batch.memory.bytes;
    this.#first = first;
    this.count = batch.count - first;
    return this;
  }

  offset(i: number): number {
    return this.#batch?.at(this.#first + i) ?? 0;
  }

  length(i: number): number {
    return this.#batch?.length(this.#first + i) ?? 0;
  }
}

function intoTun(tun: BatchedTun): PacketSink {
  return {
    deliver(packets) {
      const memory = PinnedMemory.of(packets.memory);
      for (let i = 0; i < packets.count; i++) {
        if (memory === undefined) tun.write(bytesOf(packets, i));
        else tun.borrow(memory, packets.offset(i), packets.length(i));
      }
    },
    flush: () => tun.flush(),
  };
}

const { settings, end } = PollThreadEnd.ofThisThread<LoopSettings, ToLoop, FromLoop>();
const primitives = nativePrimitives();
const loop = new PacketLoop(settings, end);
setThreadNiceness(NICENESS);
end.ready();
// While the coordinator is awaited, anyway.
warmUp(primitives, sealerOf(primitives));
loop.run();
end.close();
