/**
 * The thread that moves packets: polls its sockets and an event, passes over each batch once, and allocates nothing
 * per transport packet. It never returns to its event loop: the control plane's messages are fetched when the event
 * says that there are some.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  type AddressHandle,
  type BatchedSocket,
  clearEvent,
  type DatagramBatch,
  type DatagramSocket,
  nativePrimitives,
  newUdpCounters,
  openDualStack,
  openSteeredUdp,
  Poller,
  type SteeredSockets,
  type UdpCounters,
  type UdpOptions,
} from "@burrow/platform";
import {
  type Bytes,
  type Endpoint,
  endpoint,
  nobleTrunkMac,
  type SymmetricKey,
  splitEndpoint,
  UserError,
  WireGuardType,
} from "@burrow/protocol";
import { Forwarder, type ForwarderEvent, HANDLED, NEEDS_BYTES } from "../core/forwarder.ts";
import type { Limits } from "../core/limits.ts";
import type { LinkIdentity } from "../core/links.ts";
import { applyUpdate, type DataPlaneUpdate } from "../core/updates.ts";
import { type DataPlaneSnapshot, newAddressTable } from "./data-plane.ts";
import { sealerOf } from "./sealer.ts";
import { addressesOf } from "./socket-addresses.ts";
import { WayOut } from "./way-out.ts";

export interface LoopSettings {
  readonly identity: LinkIdentity;
  readonly selfKey: SymmetricKey;
  readonly listen: { readonly address: string; readonly port: number };
  readonly limits: Limits;
  readonly initial: readonly DataPlaneUpdate[];
  readonly eventFd: number;
  readonly port: MessagePort;
}

export type ToLoop =
  | { readonly type: "update"; readonly update: DataPlaneUpdate }
  | { readonly type: "snapshot"; readonly id: number }
  | { readonly type: "close" };

export type FromLoop =
  | { readonly type: "open"; readonly local: readonly Endpoint[]; readonly port: number }
  | { readonly type: "refused"; readonly message: string; readonly remedy: string }
  | { readonly type: "snapshot"; readonly id: number; readonly snapshot: DataPlaneSnapshot }
  | { readonly type: "event"; readonly event: ForwarderEvent }
  | { readonly type: "learned"; readonly records: Bytes };

/** What may arrive while this thread is busy elsewhere; the system may give less. */
const RECV_BUFFER_BYTES = 8 * 1024 * 1024;
/** What waits in the kernel waits in order of arrival: no more than keeps a 10 Gbit/s card busy between two polls. */
const SEND_BUFFER_BYTES = 512 * 1024;
/** Batches of one socket before the others and the control plane get their turn: transport data, and all else. */
const BATCHES_MAX = 16;
const OTHER_BATCHES_MAX = 2;
/** Binds, handshakes and probes of 10,000 agents that come at once. */
const OTHERS_RECV_BUFFER_BYTES = 4 * 1024 * 1024;
/** Transport data, as the wire begins: type 4 and three zero bytes. */
const TRANSPORT_FIRST_WORD = 0x0400_0000;
const EVENT = 0;

class PacketLoop {
  readonly #settings: LoopSettings;
  readonly #socket: DatagramSocket;
  readonly #ways: readonly WayOut[];
  readonly #others: readonly BatchedSocket[];
  readonly #wayOf4: WayOut | undefined;
  readonly #wayOf6: WayOut | undefined;
  readonly #forwarder: Forwarder;
  readonly #poller: Poller;
  #stopped = false;

  constructor(settings: LoopSettings, { socket, members, others }: LoopSockets) {
    this.#settings = settings;
    this.#socket = socket;
    this.#others = others;
    const primitives = nativePrimitives();
    const seed = new DataView(primitives.randomBytes(4).slice().buffer).getInt32(0);
    const lost = (packets: number, bytes: number) => this.#forwarder.countLost(packets, bytes);
    this.#ways = members.map((member) => new WayOut(member, seed, lost));
    this.#wayOf4 = this.#ways.find((way) => way.socket.hasFamily(4));
    this.#wayOf6 = this.#ways.find((way) => way.socket.hasFamily(6));
    this.#forwarder = new Forwarder(
      {
        identity: settings.identity,
        addresses: addressesOf(socket.addresses, (family) => socket.hasFamily(family)),
        sink: {
          send: (bytes, to) => socket.send(to as AddressHandle, bytes),
          event: (event) => this.#tell({ type: "event", event }),
          learned: (records) => this.#tell({ type: "learned", records }),
        },
        sealer: sealerOf(primitives),
        agreement: (privateKey, publicKey) => primitives.x25519(privateKey, publicKey),
        trunkMac: nobleTrunkMac,
        random: primitives.randomBytes,
        limits: settings.limits,
      },
      clock(),
    );
    this.#forwarder.setTicketKeys([settings.selfKey]);
    for (const update of settings.initial) {
      applyUpdate(this.#forwarder, update, settings.selfKey, clock());
    }
    this.#poller = new Poller([settings.eventFd, ...[...members, ...others].map(({ fd }) => fd)]);
  }

  run(): void {
    const { local, port } = this.#socket;
    this.#tell({ type: "open", local, port });
    const poller = this.#poller;
    const ways = this.#ways;
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
      if (clock() >= this.#forwarder.nextDeadline()) this.#forwarder.tick(clock());
    }
    for (const { socket } of ways) socket.close();
    for (const socket of others) socket.close();
  }

  /** The pass over a batch. What is queued leaves when the socket's callback returns. */
  forward(batch: DatagramBatch): void {
    const now = clock();
    const { count } = batch;
    const forwarder = this.#forwarder;
    for (let i = 0; i < count; i++) {
      const firstWord = batch.u32(i, 0);
      let to = NEEDS_BYTES;
      // The first word of transport data: its type and three zero bytes.
      if (firstWord === WireGuardType.transport) {
        to = forwarder.forwardTransport(batch.u32(i, 4), batch.length(i), batch.source(i), now);
      } else if (!forwarder.isWorthALook(firstWord, batch.source(i), now)) continue;
      if (to === NEEDS_BYTES) to = forwarder.forward(batch.bytes(i), batch.source(i), now);
      if (to !== HANDLED && !this.#send(to, batch, i)) forwarder.countSendFailure(batch.length(i));
    }
    // Of every socket: a packet may leave by another one than it came by, and lies in the batch's memory.
    for (let i = 0; i < this.#ways.length; i++) this.#ways[i]?.socket.flush();
  }

  #send(to: number, batch: DatagramBatch, i: number): boolean {
    const isV4 = this.#wayOf6 === undefined || this.#socket.addresses.family(to as AddressHandle) === 4;
    const way = isV4 ? this.#wayOf4 : this.#wayOf6;
    return way?.forward(to, batch, i) ?? false;
  }

  #fetchMessages(): void {
    clearEvent(this.#settings.eventFd);
    for (;;) {
      const received = receiveMessageOnPort(this.#settings.port);
      if (received === undefined) return;
      this.#heard(received.message as ToLoop);
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
      socket: sumOf([...this.#ways.map(({ socket }) => socket), ...this.#others]),
    };
  }

  #tell(message: FromLoop): void {
    this.#settings.port.postMessage(message);
  }
}

function sumOf(sockets: readonly DatagramSocket[]): UdpCounters {
  const sum = newUdpCounters();
  for (const { counters } of sockets) {
    for (const name of Object.keys(sum) as (keyof UdpCounters)[]) sum[name] += counters[name];
  }
  return sum;
}

/** Unix milliseconds that no one sets back: the wall clock at the start, and the time since. */
function clock(): number {
  return performance.timeOrigin + performance.now();
}

interface LoopSockets {
  /** What all else is asked of: addresses, families, sending. */
  readonly socket: DatagramSocket;
  /** For transport data, one of each family; everything leaves by these. */
  readonly members: readonly BatchedSocket[];
  /** For what is not transport data, where the kernel can tell it apart: strangers fill these buffers only. */
  readonly others: readonly BatchedSocket[];
}

async function open(
  { listen, limits }: LoopSettings,
  onBatch: (batch: DatagramBatch) => void,
): Promise<LoopSockets> {
  const steered: SteeredSockets[] = [];
  const openMember = async (options: UdpOptions) => {
    const sockets = { ...options, onBatch, othersRecvBufferBytes: OTHERS_RECV_BUFFER_BYTES };
    const pair = openSteeredUdp(sockets, TRANSPORT_FIRST_WORD);
    steered.push(pair);
    return pair.chosen;
  };
  const shared = {
    port: listen.port,
    onBatch,
    addresses: newAddressTable(limits),
    recvBufferBytes: RECV_BUFFER_BYTES,
    sendBufferBytes: SEND_BUFFER_BYTES,
  };
  let socket: DatagramSocket;
  if (listen.address === "0.0.0.0" || listen.address === "::") {
    socket = await openDualStack(shared, openMember);
  } else {
    const { address } = splitEndpoint(endpoint(listen.address, listen.port));
    socket = await openMember({ ...shared, address, family: address.includes(":") ? 6 : 4 });
  }
  // A pair of families that did not find a common port has been closed, and another was tried.
  for (const { chosen, others } of steered) if (chosen.port !== socket.port) others?.close();
  const open = steered.filter(({ chosen }) => chosen.port === socket.port);
  return {
    socket,
    members: open.map(({ chosen }) => chosen),
    others: open.flatMap(({ others }) => others ?? []),
  };
}

async function main(settings: LoopSettings): Promise<void> {
  let loop: PacketLoop | undefined;
  try {
    const sockets = await open(settings, (batch) => loop?.forward(batch));
    loop = new PacketLoop(settings, sockets);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const refused: FromLoop = { type: "refused", message: error.message, remedy: error.remedy };
    settings.port.postMessage(refused);
    settings.port.close();
    return;
  }
  loop.run();
  settings.port.close();
}

await main(workerData as LoopSettings);
