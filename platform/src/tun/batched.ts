/**
 * The TUN device for a thread of its own, the counterpart of `openBatchedUdp`. No event loop: its owner waits with a
 * `Poller` and calls `receive`. What the kernel hands over in pieces of up to 64 KB arrives as packets of the MTU; what
 * is written is put together again, so that one system call moves dozens of packets either way.
 *
 *   main thread:  const door = await prepareBatchedTun({ name: "burrow0", mtu: 1360, addresses, routes });
 *                 new Worker(…, { workerData: { door } });                  // a plain object: it may be posted
 *   its thread:   const tun = adoptBatchedTun(door, { onBatch });
 *                 const poller = new Poller([tun.fd, socket.fd]);
 *                 for (;;) { poller.wait(1000); if (poller.canRead(0)) while (tun.receive()) {} … }
 *
 * **Where packets lie.** All packets of a batch lie in one memory, each with room for what WireGuard puts around it:
 *
 *       at - 16       at              at + length     at + padded   + 16
 *       | header room | the IP packet | padding room  | tag room    | header room of the next …
 *
 * `padded` is what `wireGuardPaddedLength` makes of the length and the MTU. So sealing is in place, and the sealed messages
 * of a batch touch: those of one super-packet, all of one length but the last, are one GSO run.
 *
 *   onBatch(batch) {
 *     const { bytes, view, address } = batch.memory;
 *     for (let i = 0; i < batch.count; i++) {
 *       const at = batch.at(i);
 *       const padded = wireGuardPaddedLength(batch.length(i), mtu);
 *       bytes.fill(0, at + batch.length(i), at + padded);
 *       view.setUint32(at - 16, 4, true);                                   // type 4, receiver index, counter
 *       …
 *       seal(address + at, padded);                                         // ciphertext over plaintext, tag behind
 *       socket.borrow(to, address + at - 16, 16 + padded + 16);             // leaves with the next flush
 *     }
 *   }
 *
 * **Writing.** `borrow` queues a packet where it lies: that memory is the device's until `flush` returns, and may be
 * changed by it (headers of packets that are put together). `write` copies and may be called at any time. Packets of
 * one flow leave in the order they were given; only what had arrived out of order is put straight.
 *
 *   for (…) tun.borrow(slots, at + 16, innerLength);                        // opened in place
 *   tun.flush();
 */
import type { PacketBatch } from "../packet-batch.ts";
import type { PinnedMemory } from "../udp/linux/system.ts";
import type { TunCounters, TunOptions } from "./device.ts";

export interface TunBatch extends PacketBatch {
  readonly memory: PinnedMemory;
  /** Where packet `i` begins in the memory. */
  at(i: number): number;
  /** No more than the MTU. */
  length(i: number): number;
}

/** What the kernel was willing to do. */
export interface TunOffloads {
  /** Checksums may be left to the other side of the device, which TCP in large pieces needs. */
  readonly tcp: boolean;
  /** The same for UDP (Linux 6.2). */
  readonly udp: boolean;
}

/** A device that is set up, for the thread that will use it. */
export interface BatchedTunDoor {
  readonly fd: number;
  readonly name: string;
  readonly mtu: number;
  readonly offloads: TunOffloads;
}

export interface BatchedTunCounters extends TunCounters {
  /** System calls that brought packets, and that took them: what putting together saves. */
  reads: number;
  writes: number;
}

export interface BatchedTunUse {
  /** The batch and its memory are the callee's until it returns; it may write, and flushes what it borrowed from it. */
  onBatch(batch: TunBatch, tun: BatchedTun): void;
}

export interface BatchedTun {
  readonly fd: number;
  readonly name: string;
  readonly mtu: number;
  readonly offloads: TunOffloads;
  readonly counters: Readonly<BatchedTunCounters>;
  /** The interface was deleted by somebody else: nothing comes or goes any more. */
  readonly isGone: boolean;
  /** Hands over what waits, up to some hundred packets, and flushes. False when nothing waited. Never blocks. */
  receive(): boolean;
  /** Queues a packet where it lies, which stays so until `flush`. Junk is dropped and counted. */
  borrow(memory: PinnedMemory, at: number, length: number): void;
  /** Queues a copy of a packet. */
  write(packet: Uint8Array): void;
  /** Hands all that is queued to the system. */
  flush(): void;
  /** Closes the descriptor: the interface, its addresses and routes are gone. */
  close(): void;
}

export interface BatchedTunOptions extends Omit<TunOptions, "onPackets" | "onGone"> {
  /** False: the plain way, one packet a system call, as for kernels that refuse the other. Default: what works. */
  readonly offloads?: boolean;
}
