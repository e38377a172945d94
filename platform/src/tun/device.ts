/**
 * What a TUN device is to the rest of Burrow: IP packets that the system routes into it arrive in batches; packets
 * written to it come out of the system as if received from a wire.
 *
 *   const tun = await openTun({
 *     name: "burrow0", mtu: 1420,
 *     addresses: [{ address: "100.64.0.7", prefixLength: 32 }], routes: ["100.64.0.0/10"],
 *     onPackets(batch) { for (let i = 0; i < batch.count; i++) tunnel.send(batch.bytes(i)); },
 *   });
 *   tun.write(packet);
 */
import { ERRNO } from "../libc.ts";
import type { PacketBatch } from "../packet-batch.ts";

export interface TunAddress {
  readonly address: string;
  readonly prefixLength: number;
}

export interface TunOptions {
  /** The interface's name: 1 to 15 letters, digits, `-`, `_` or `.`. */
  readonly name: string;
  readonly mtu: number;
  readonly addresses: readonly TunAddress[];
  /** Prefixes that the system is to route into the device: "100.64.0.0/10". */
  readonly routes?: readonly string[];
  onPackets(batch: PacketBatch): void;
  /** The device went away without `close`: somebody deleted the interface. */
  onGone?(): void;
}

export interface TunCounters {
  received: number;
  receivedBytes: number;
  written: number;
  writtenBytes: number;
  /** Not written: the kernel had no room; the bytes were no IP packet; the interface was down; others. */
  dropFull: number;
  dropMalformed: number;
  dropDown: number;
  dropOther: number;
}

export interface TunDevice {
  readonly name: string;
  readonly mtu: number;
  readonly counters: Readonly<TunCounters>;
  /** Hands one IP packet to the system before it returns. False when it was dropped, and counted. */
  write(packet: Uint8Array): boolean;
  /** Removes the interface, its addresses and routes. No packet is handed over afterwards. */
  close(): Promise<void>;
}

export function newTunCounters(): TunCounters {
  return {
    received: 0,
    receivedBytes: 0,
    written: 0,
    writtenBytes: 0,
    dropFull: 0,
    dropMalformed: 0,
    dropDown: 0,
    dropOther: 0,
  };
}

/** The reason to count for the errno of a write. */
export function tunDropReason(errno: number): Extract<keyof TunCounters, `drop${string}`> {
  switch (errno) {
    case ERRNO.EAGAIN:
    case ERRNO.ENOMEM:
    case ERRNO.ENOBUFS:
      return "dropFull";
    case ERRNO.EINVAL:
      return "dropMalformed";
    case ERRNO.EIO:
    case ERRNO.EBADFD:
      return "dropDown";
    default:
      return "dropOther";
  }
}
