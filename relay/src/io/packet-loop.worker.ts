/**
 * The thread that moves packets: polls its sockets and an event, passes over each batch once, and allocates nothing
 * per transport packet. It never returns to its event loop: the control plane's messages are fetched when the event
 * says that there are some. What happens to a batch is in pass.ts.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  type AddressHandle,
  adoptBatchedUdp,
  type BatchedSocket,
  closeDescriptor,
  type DatagramBatch,
  nativePrimitives,
  Poller,
  PollThreadEnd,
  sealerOf,
  setThreadNiceness,
  signalEvent,
} from "@burrow/platform";
import type { Bytes, SymmetricKey } from "@burrow/protocol";
import { Forwarder, type ForwarderEvent } from "../core/forwarder.ts";
import type { Limits } from "../core/limits.ts";
import type { LinkIdentity } from "../core/links.ts";
import { QueueDelays } from "../core/queue-delays.ts";
import { applyUpdate, type DataPlaneUpdate } from "../core/updates.ts";
import { type DataPlaneSnapshot, newAddressTable } from "./data-plane.ts";
import { forwardBatch } from "./pass.ts";
import { addressesOf } from "./socket-addresses.ts";
import { sumOf } from "./socket-counters.ts";
import { WayOut } from "./way-out.ts";
import { Ways } from "./ways.ts";

/** Descriptors of one port and address family, opened by the main thread and from now on this thread's. */
export interface LoopSocket {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** Which of the relay's ports: 0 its own, then the further ones. */
  readonly door: number;
  /** For transport data; everything leaves by this. */
  readonly fd: number;
  /** For all else: where the kernel can tell it apart, and the first thread's alone. */
  readonly othersFd: number | undefined;
}

/** Another thread, which is told of every binding, flow and way back. */
export interface LoopSibling {
  readonly port: MessagePort;
  /** Wakes it; this thread's own to close. */
  readonly eventFd: number;
}

export interface LoopSettings {
  readonly identity: LinkIdentity;
  readonly selfKey: SymmetricKey;
  readonly sockets: readonly LoopSocket[];
  readonly limits: Limits;
  readonly initial: readonly DataPlaneUpdate[];
  /** Of the first thread: those that it teaches. */
  readonly siblings: readonly LoopSibling[];
  /** Of the other threads: what the first one teaches comes here. */
  readonly teacher: MessagePort | undefined;
  /** One 64-bit number: trunk packets that any of the threads has sent. */
  readonly trunkCounter: SharedArrayBuffer;
}

export type ToLoop =
  | { readonly type: "update"; readonly update: DataPlaneUpdate }
  | { readonly type: "snapshot"; readonly id: number }
  | { readonly type: "close" };

export type FromLoop =
  | { readonly type: "snapshot"; readonly id: number; readonly snapshot: DataPlaneSnapshot }
  | { readonly type: "event"; readonly event: ForwarderEvent }
  | { readonly type: "learned"; readonly records: Bytes };

/** Batches of one socket before the others and the control plane get their turn: transport data, and all else. */
const BATCHES_MAX = 16;
const OTHER_BATCHES_MAX = 2;
const EVENT = 0;
/** Everybody's packets wait for this thread, so it goes before what fills a machine; as much as the system allows. */
const NICENESS = -10;

class PacketLoop {
  readonly #settings: LoopSettings;
  readonly #end: PollThreadEnd<ToLoop, FromLoop>;
  readonly #ways: Ways;
  readonly #others: readonly BatchedSocket[];
  readonly #forwarder: Forwarder;
  readonly #poller: Poller;
  readonly #delays = new QueueDelays();
  #stopped = false;

  constructor(settings: LoopSettings, end: PollThreadEnd<ToLoop, FromLoop>) {
    this.#settings = settings;
    this.#end = end;
    const primitives = nativePrimitives();
    const addresses = newAddressTable(settings.limits);
    const seed = new DataView(primitives.randomBytes(4).slice().buffer).getInt32(0);
    const lost = (packets: number, bytes: number) => this.#forwarder.countLost(packets, bytes);
    const onBatch = (batch: DatagramBatch) => this.#forward(batch);
    const adopt = (fd: number, { address, family, port, door }: LoopSocket) =>
      adoptBatchedUdp(fd, { address, family, port, door, addresses, onBatch });
    this.#ways = new Ways(addresses);
    for (const socket of settings.sockets) {
      this.#ways.add(
        socket.door,
        socket.family,
        new WayOut(adopt(socket.fd, socket), seed, lost, this.#delays),
      );
    }
    this.#others = settings.sockets.flatMap((socket) =>
      socket.othersFd === undefined ? [] : adopt(socket.othersFd, socket),
    );
    const trunkCounter = new BigInt64Array(settings.trunkCounter);
    this.#forwarder = new Forwarder(
      {
        identity: settings.identity,
        addresses: addressesOf(addresses, (family, door) => this.#ways.has(door, family)),
        sink: {
          send: (bytes, to) =>
            this.#ways.to(to as AddressHandle)?.socket.send(to as AddressHandle, bytes) ?? false,
          event: (event) => this.#report({ type: "event", event }),
          learned: (records, isNew) => this.#teach(records, isNew),
        },
        sealer: sealerOf(primitives),
        agreement: (privateKey, publicKey) => primitives.x25519(privateKey, publicKey),
        trunkMac: (key) => primitives.aeadKey(key),
        random: primitives.randomBytes,
        limits: settings.limits,
        soundsRelays: settings.teacher === undefined,
        nextTrunkCounter: () => Number(Atomics.add(trunkCounter, 0, 1n)),
      },
      clock(),
    );
    this.#forwarder.setTicketKeys([settings.selfKey]);
    for (const update of settings.initial) {
      applyUpdate(this.#forwarder, update, settings.selfKey, clock());
    }
    const sockets = [...this.#ways.all.map(({ socket }) => socket), ...this.#others];
    this.#poller = new Poller([end.eventFd, ...sockets.map(({ fd }) => fd)]);
  }

  run(): void {
    this.#end.ready();
    const poller = this.#poller;
    const ways = this.#ways.all;
    const others = this.#others;
    while (!this.#stopped) {
      poller.wait(Math.max(0, this.#forwarder.nextDeadline() - clock()));
      if (poller.canRead(EVENT)) this.#fetchMessages();
      for (let i = 0; i < ways.length; i++) {
        const way = ways[i];
        if (way === undefined) continue;
        if (poller.canWrite(i + 1)) way.drain();
        if (poller.canRead(i + 1)) for (let n = 0; n < BATCHES_MAX && way.socket.receive(); n++);
      }
      for (let i = 0; i < others.length; i++) {
        if (!poller.canRead(i + 1 + ways.length)) continue;
        for (let n = 0; n < OTHER_BATCHES_MAX && others[i]?.receive() === true; n++);
      }
      for (let i = 0; i < ways.length; i++) poller.wantWrite(i + 1, ways[i]?.isBlocked === true);
      if (clock() >= this.#forwarder.nextDeadline()) {
        this.#forwarder.tick(clock(), Date.now());
        this.#ways.flush();
      }
    }
    for (const { socket } of ways) socket.close();
    for (const socket of others) socket.close();
  }

  #forward(batch: DatagramBatch): void {
    // A lesson is posted before the packet that gave it is sent on: whoever answers that finds it learned.
    this.#learn();
    forwardBatch(batch, this.#forwarder, this.#ways, clock());
  }

  /** What this thread learned: to the journal, and to the other threads at once. */
  #teach(records: Bytes, isNew: boolean): void {
    if (isNew) this.#report({ type: "learned", records });
    for (const { port, eventFd } of this.#settings.siblings) {
      port.postMessage(records);
      signalEvent(eventFd);
    }
  }

  /** Of the first thread only: the others know what they know from it. */
  #report(message: FromLoop): void {
    if (this.#settings.teacher === undefined) this.#tell(message);
  }

  #fetchMessages(): void {
    for (const message of this.#end.fetch()) this.#heard(message);
    this.#learn();
  }

  /** What the first thread taught since the last look. */
  #learn(): void {
    const { teacher } = this.#settings;
    if (teacher === undefined) return;
    for (;;) {
      const received = receiveMessageOnPort(teacher);
      if (received === undefined) return;
      this.#forwarder.recall(received.message as Bytes, clock());
    }
  }

  #heard(message: ToLoop): void {
    switch (message.type) {
      case "update":
        applyUpdate(this.#forwarder, message.update, this.#settings.selfKey, clock());
        return;
      case "snapshot":
        this.#tell({ type: "snapshot", id: message.id, snapshot: this.#snapshot() });
        return;
      case "close":
        this.#stopped = true;
        return;
    }
  }

  #snapshot(): DataPlaneSnapshot {
    return {
      forwarder: this.#forwarder.snapshot(),
      delays: this.#delays.snapshot(),
      socket: sumOf([...this.#ways.all.map(({ socket }) => socket), ...this.#others]),
    };
  }

  #tell(message: FromLoop): void {
    this.#end.tell(message);
  }
}

/** Unix milliseconds that no one sets back: the wall clock at the start, and the time since. */
function clock(): number {
  return performance.timeOrigin + performance.now();
}

const { settings, end } = PollThreadEnd.ofThisThread<LoopSettings, ToLoop, FromLoop>();
const loop = new PacketLoop(settings, end);
setThreadNiceness(NICENESS);
loop.run();
end.close();
settings.teacher?.close();
for (const { port, eventFd } of settings.siblings) {
  port.close();
  closeDescriptor(eventFd);
}
