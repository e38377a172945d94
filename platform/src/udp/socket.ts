/**
 * What a UDP socket is to the rest of Burrow: datagrams arrive in batches, leave through a queue that is flushed,
 * and addresses are handles into an `AddressTable`. Every implementation passes `socket.contract.ts`.
 *
 *   const socket = await openUdp({ address: "0.0.0.0", port: 21820, family: 4, onBatch(batch, socket) {
 *     for (let i = 0; i < batch.count; i++) socket.send(batch.source(i), batch.bytes(i));   // an echo
 *   } });                                                    // what was queued leaves when onBatch returns
 *   socket.send(socket.addresses.internEndpoint(relay), bytes);
 *   socket.flush();
 *
 * Whatever the network or a hostile sender does ends up in `counters`, never in an exception.
 */
import type { Endpoint } from "@burrow/protocol";
import type { PacketBatch } from "../packet-batch.ts";
import type { AddressHandle, AddressTable } from "./address-table.ts";

export interface DatagramBatch extends PacketBatch {
  /** Where datagram `i` came from. Pin it in the address table to keep it beyond the callback. */
  source(i: number): AddressHandle;
  /** For packet loops that may not allocate, as `bytes` does: the length of datagram `i`, */
  length(i: number): number;
  /** and its little-endian 32-bit word at `at`; 0 where it has none. */
  u32(i: number, at: number): number;
  /** The end of the run that begins with datagram `i`: neighbours of one source, one length, and the same first 8 bytes. */
  runEnd(i: number): number;
}

/** Counted since the socket was opened. A datagram is counted once: as sent, or under the reason it was not. */
export interface UdpCounters {
  received: number;
  receivedBytes: number;
  sent: number;
  sentBytes: number;
  /** Arrived, but cut short by the receive buffer, or from an address that cannot be answered (port 0). */
  dropTruncated: number;
  dropUnanswerable: number;
  /** Not sent: the queue was full while the kernel's send buffer was. */
  dropQueueFull: number;
  /** Not sent: no socket of that address family, a handle that names nothing, or a closed socket. */
  dropNoFamily: number;
  dropBadAddress: number;
  dropClosed: number;
  /** Not sent, by what the kernel answered: no route; a firewall; larger than the path or UDP allows; others. */
  dropUnreachable: number;
  dropForbidden: number;
  dropTooBig: number;
  dropOther: number;
  /** ICMP errors heard for earlier datagrams (port closed, host unreachable), by sockets that ask for them. */
  icmpErrors: number;
}

export type UdpDropReason = Extract<keyof UdpCounters, `drop${string}`>;

export interface DatagramSocket {
  /** What the socket is bound to: one endpoint per family that it has. */
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly addresses: AddressTable;
  readonly counters: Readonly<UdpCounters>;
  /** The kernel's receive buffer in bytes, as the kernel counts; undefined where it cannot be asked. */
  readonly recvBufferBytes: number | undefined;

  hasFamily(family: 4 | 6): boolean;

  /**
   * Queues a datagram; `bytes` is copied before this returns. It leaves with the next flush, at the end of the
   * `onBatch` it was queued in, or when the queue is full. False when it was dropped (and counted) at once.
   */
  send(to: AddressHandle, bytes: Uint8Array): boolean;

  /**
   * Queues datagram `i` of a batch that is being handed over, by any socket, without copying where this one can.
   * It leaves at the end of that `onBatch` if not before. False as for `send`.
   */
  forward(to: AddressHandle, batch: DatagramBatch, i: number): boolean;

  /**
   * Queues a datagram that lies in `memory`, without copying where this socket can (from a `PinnedMemory`): it must
   * stay as it is until the next flush. `ecn`: this field in its IP header, where this socket can (RFC 3168 §5). False as
   * for `send`.
   */
  borrow(to: AddressHandle, memory: Uint8Array, at: number, length: number, ecn?: number): boolean;

  /** The kernel took no more at the last flush; what is queued waits for room. */
  readonly isBlocked: boolean;

  /** Sends one datagram at once, after what is queued, with another IP time-to-live (hop limit). */
  sendWithTtl(to: AddressHandle, bytes: Uint8Array, ttl: number): boolean;

  /**
   * Sends one datagram at once, after what is queued, and unfragmented, where the system has a way to ask for that: it
   * arrives whole or not at all. Others may be fragmented on their way.
   */
  sendWhole(to: AddressHandle, bytes: Uint8Array): boolean;

  flush(): void;

  /** Sends what is queued, as far as the kernel takes it, and closes. Nothing arrives afterwards. */
  close(): void;
}

export interface UdpOptions {
  /** A local address: "0.0.0.0", "::", "127.0.0.5". */
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly family: 4 | 6;
  onBatch(batch: DatagramBatch, socket: DatagramSocket): void;
  /** Shared with other sockets, or its own when absent. */
  readonly addresses?: AddressTable;
  /** Wanted kernel buffers in bytes; as much of it is taken as the system gives. */
  readonly recvBufferBytes?: number;
  readonly sendBufferBytes?: number;
  /** Which of several sockets that share a table this is: sources are interned with it (`AddressTable.door`). */
  readonly door?: number;
  /** Share the port with others of this user that ask for it (SO_REUSEPORT): each hears its part of the sources. */
  readonly reusePort?: boolean;
}

export function newUdpCounters(): UdpCounters {
  return {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    dropTruncated: 0,
    dropUnanswerable: 0,
    dropQueueFull: 0,
    dropNoFamily: 0,
    dropBadAddress: 0,
    dropClosed: 0,
    dropUnreachable: 0,
    dropForbidden: 0,
    dropTooBig: 0,
    dropOther: 0,
    icmpErrors: 0,
  };
}

/** The reason to count for an error code of a send. */
export function dropReasonOf(code: string | undefined): UdpDropReason {
  switch (code) {
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
    case "EHOSTDOWN":
    case "ECONNREFUSED":
      return "dropUnreachable";
    case "EPERM":
    case "EACCES":
      return "dropForbidden";
    case "EMSGSIZE":
      return "dropTooBig";
    case "EAFNOSUPPORT":
      return "dropNoFamily";
    case "EAGAIN":
    case "ENOBUFS":
    case "ENOMEM":
      return "dropQueueFull";
    default:
      return "dropOther";
  }
}
