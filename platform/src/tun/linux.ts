/** TUN on Linux: a descriptor written to by this thread and read by a worker; addresses and routes by `ip`. */
import { Worker } from "node:worker_threads";
import { UserError } from "@burrow/protocol";
import { ip, setInterfaceAddresses } from "../ip-command.ts";
import { ERRNO, lastErrno } from "../libc.ts";
import type { PacketBatch } from "../packet-batch.ts";
import { newTunCounters, type TunDevice, type TunOptions, tunDropReason } from "./device.ts";
import {
  checkInterfaceName,
  newEventDescriptor,
  openTunDescriptor,
  signalEvent,
  tunLibrary,
} from "./kernel.ts";
import { READER_GONE, READER_READY, type ReaderSettings } from "./reader.worker.ts";
import { newRing, RingReader } from "./ring.ts";

/** Some 700 full packets: 10 ms at 100 MB/s, for which a main thread may be busy with something else. */
const RING_BYTES = 1 << 20;
/** Packets handed over before other events get their turn. */
const BATCH_MAX = 128;
/** The least MTU that carries IPv6 (RFC 8200 §5). */
const MTU_MIN = 1280;
/** The greatest that a TUN device has. The reader is ready for it: somebody may change the MTU while we run. */
const MTU_MAX = 65_535;

class LinuxTun implements TunDevice {
  readonly name: string;
  readonly mtu: number;
  readonly counters = newTunCounters();
  readonly #options: TunOptions;
  readonly #fd: number;
  readonly #stopFd: number;
  readonly #ring: RingReader;
  readonly #worker: Worker;
  readonly #workerEnded: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #batch: { count: number; bytes(i: number): Uint8Array };
  #packets: readonly Uint8Array[] = [];
  #reading = false;
  #turnDue = false;
  #closed = false;

  constructor(options: TunOptions, fd: number) {
    this.name = options.name;
    this.mtu = options.mtu;
    this.#options = options;
    this.#fd = fd;
    this.#stopFd = newEventDescriptor();
    const ring = newRing(RING_BYTES);
    this.#ring = new RingReader(ring);
    this.#batch = { count: 0, bytes: (i) => this.#packetAt(i) };
    const workerData: ReaderSettings = { ring, deviceFd: fd, stopFd: this.#stopFd, packetMax: MTU_MAX };
    this.#worker = new Worker(new URL("./reader.worker.ts", import.meta.url), { workerData });
    this.#worker.on("message", (message: unknown) => this.#onMessage(message));
    this.#worker.on("error", (error) => {
      // Before it reads, opening fails; later it is a mistake of ours that nobody may overlook.
      if (this.#reading) throw error;
      this.#ready.reject(error);
    });
    this.#workerEnded = new Promise((resolve) => this.#worker.on("exit", () => resolve()));
  }

  /** Resolves when the worker reads; rejects when it could not start. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  write(packet: Uint8Array): boolean {
    if (this.#closed) {
      this.counters.dropDown++;
      return false;
    }
    if (packet.length > 0 && Number(tunLibrary().write(this.#fd, packet, packet.length)) === packet.length) {
      this.counters.written++;
      this.counters.writtenBytes += packet.length;
      return true;
    }
    this.counters[tunDropReason(packet.length === 0 ? ERRNO.EINVAL : lastErrno())]++;
    return false;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ring.stop();
    signalEvent(this.#stopFd);
    // The worker may be inside `read` or `poll` with these numbers: they are closed only once it has ended.
    await this.#workerEnded;
    tunLibrary().close(this.#stopFd);
    tunLibrary().close(this.#fd);
  }

  #packetAt(i: number): Uint8Array {
    const packet = this.#packets[i];
    if (packet === undefined) throw new RangeError(`no packet ${i} in a batch of ${this.#packets.length}`);
    return packet;
  }

  #onMessage(message: unknown): void {
    if (this.#closed) return;
    if (message === READER_READY) {
      this.#reading = true;
      this.#ready.resolve();
    } else if (message === READER_GONE) this.#options.onGone?.();
    else {
      this.#ring.rearm();
      this.#turn();
    }
  }

  /** Hands over one batch; what remains waits for its turn behind other events. */
  #turn(): void {
    if (this.#closed) return;
    this.#packets = this.#ring.take(BATCH_MAX);
    this.#batch.count = this.#packets.length;
    for (const packet of this.#packets) this.counters.receivedBytes += packet.length;
    this.counters.received += this.#packets.length;
    try {
      if (this.#packets.length > 0) this.#options.onPackets(this.#batch as PacketBatch);
    } finally {
      this.#batch.count = 0;
      this.#ring.release();
    }
    if (this.#turnDue || this.#ring.empty) return;
    this.#turnDue = true;
    setImmediate(() => {
      this.#turnDue = false;
      this.#turn();
    });
  }
}

/** Checks what a user may have got wrong, before anything is made. */
export function checkTunOptions({ name, mtu }: Pick<TunOptions, "name" | "mtu">): void {
  checkInterfaceName(name);
  if (mtu >= MTU_MIN && mtu <= MTU_MAX) return;
  throw new UserError(`an MTU of ${mtu} cannot be`, `choose one from ${MTU_MIN} to ${MTU_MAX}`);
}

/** Gives the interface its MTU, addresses and routes, and brings it up. */
export async function configureTun(
  options: Pick<TunOptions, "name" | "mtu" | "addresses" | "routes">,
): Promise<void> {
  const { name, mtu, addresses, routes = [] } = options;
  await ip("link", "set", "dev", name, "mtu", String(mtu));
  await setInterfaceAddresses(name, { addresses, routes });
}

export async function openLinuxTun(options: TunOptions): Promise<TunDevice> {
  checkTunOptions(options);
  const fd = openTunDescriptor(options.name);
  try {
    await configureTun(options);
    const tun = new LinuxTun(options, fd);
    await tun.ready;
    return tun;
  } catch (error) {
    tunLibrary().close(fd);
    throw error;
  }
}
