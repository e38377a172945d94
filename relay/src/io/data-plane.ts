/**
 * The data plane as the control plane sees it: updates go in as plain messages, counters come out. Behind it is the
 * forwarder with its socket; here on the main thread, elsewhere perhaps in a worker, under the same interface.
 *
 *   const plane = await openDataPlane({ ... });
 *   plane.update({ type: "ticket-key", key });          // packets flow
 *   const { forwarder } = await plane.snapshot();
 *   await plane.close();
 */

import type {
  AddressHandle,
  AddressTable,
  DatagramBatch,
  DatagramSocket,
  UdpCounters,
} from "@burrow/platform";
import {
  type Agreement,
  type Bytes,
  type Endpoint,
  endpoint,
  type Sealer,
  type SymmetricKey,
  splitEndpoint,
  type TrunkMac,
} from "@burrow/protocol";
import { type Addresses, NO_ADDRESS } from "../core/addresses.ts";
import { Forwarder, type ForwarderEvent, HANDLED } from "../core/forwarder.ts";
import type { Limits } from "../core/limits.ts";
import type { LinkIdentity } from "../core/links.ts";
import type { ForwarderSnapshot } from "../core/snapshot.ts";
import type { DataPlaneUpdate } from "../core/updates.ts";

export interface DataPlaneSnapshot {
  readonly forwarder: ForwarderSnapshot;
  readonly socket: Readonly<UdpCounters>;
}

export interface DataPlane {
  /** What the socket is bound to. */
  readonly local: readonly Endpoint[];
  readonly port: number;
  /** Takes effect soon, in order. */
  update(update: DataPlaneUpdate): void;
  snapshot(): Promise<DataPlaneSnapshot>;
  close(): Promise<void>;
}

/** Opens the relay's UDP socket; both families where the address allows it. */
export type OpenRelaySocket = (options: {
  readonly address: string;
  readonly port: number;
  onBatch(batch: DatagramBatch, socket: DatagramSocket): void;
}) => Promise<DatagramSocket>;

export interface DataPlaneOptions {
  readonly identity: LinkIdentity;
  /** A ticket key of this process alone, for checking itself. */
  readonly selfKey: SymmetricKey;
  readonly listen: { readonly address: string; readonly port: number };
  readonly openSocket: OpenRelaySocket;
  readonly sealer: Sealer;
  readonly agreement: Agreement;
  readonly trunkMac: TrunkMac;
  readonly random: (length: number) => Bytes;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly limits: Limits;
  onEvent(event: ForwarderEvent): void;
}

/** On this thread. Rejects with a UserError when the port cannot be had. */
export async function openDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { identity, selfKey, now, sealer, agreement, trunkMac, random, limits } = options;
  let forwarder: Forwarder | undefined;
  const socket = await options.openSocket({
    ...options.listen,
    onBatch(batch, from) {
      if (forwarder !== undefined) forwardBatch(forwarder, batch, from, now());
    },
  });
  forwarder = new Forwarder(
    {
      identity,
      addresses: addressesOf(socket),
      sink: {
        send: (bytes, to) => socket.send(to as AddressHandle, bytes),
        event: (event) => options.onEvent(event),
      },
      sealer,
      agreement,
      trunkMac,
      random,
      limits,
    },
    now(),
  );
  forwarder.setTicketKeys([selfKey]);
  const plane = new MainThreadDataPlane(forwarder, socket, selfKey, now);
  plane.start();
  return plane;
}

/** One pass over what arrived together. What is queued leaves when the socket's callback returns. */
function forwardBatch(forwarder: Forwarder, batch: DatagramBatch, socket: DatagramSocket, now: number): void {
  for (let i = 0; i < batch.count; i++) {
    const bytes = batch.bytes(i);
    const to = forwarder.forward(bytes, batch.source(i), now);
    if (to !== HANDLED && !socket.send(to as AddressHandle, bytes)) forwarder.countSendFailure(bytes.length);
  }
}

class MainThreadDataPlane implements DataPlane {
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly #forwarder: Forwarder;
  readonly #socket: DatagramSocket;
  readonly #selfKey: SymmetricKey;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(forwarder: Forwarder, socket: DatagramSocket, selfKey: SymmetricKey, now: () => number) {
    this.#forwarder = forwarder;
    this.#socket = socket;
    this.#selfKey = selfKey;
    this.#now = now;
    this.local = socket.local;
    this.port = socket.port;
  }

  start(): void {
    const waitMs = Math.max(1, Math.min(1_000, this.#forwarder.nextDeadline() - this.#now()));
    this.#timer = setTimeout(() => {
      this.#forwarder.tick(this.#now());
      this.start();
    }, waitMs);
  }

  update(update: DataPlaneUpdate): void {
    if (this.#closed) return;
    switch (update.type) {
      case "ticket-key":
        this.#forwarder.setTicketKeys([update.key, this.#selfKey]);
        return;
      case "relays":
        this.#forwarder.setRelays(update.relays);
        return;
      case "routes":
        this.#forwarder.setRoutes(update.upsert, update.remove, update.replace, this.#now());
        return;
      case "revoke":
        this.#forwarder.revoke(update.agent);
        return;
      case "drain":
        this.#forwarder.setDraining(update.draining);
        return;
    }
  }

  snapshot(): Promise<DataPlaneSnapshot> {
    return Promise.resolve({ forwarder: this.#forwarder.snapshot(), socket: { ...this.#socket.counters } });
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closed = true;
    this.#socket.close();
    return Promise.resolve();
  }
}

/** The socket's address table, as the forwarder wants it. */
function addressesOf(socket: DatagramSocket): Addresses {
  const table: AddressTable = socket.addresses;
  return {
    capacity: table.capacity,
    pin: (handle) => table.pin(handle as AddressHandle),
    unpin: (handle) => table.unpin(handle as AddressHandle),
    endpoint: (handle) => table.endpoint(handle as AddressHandle),
    reach: (of) => {
      const { address, port } = splitEndpoint(of);
      const handle = table.intern(address, port);
      return handle >= 0 && socket.hasFamily(table.family(handle)) ? handle : NO_ADDRESS;
    },
    hostHash: (handle) => hostHash(table, handle as AddressHandle),
    isLoopback: (handle) => isLoopback(table, handle as AddressHandle),
  };
}

/** 127.0.0.0/8 and ::1 (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
function isLoopback(table: AddressTable, handle: AddressHandle): boolean {
  if (table.family(handle) === 4) return table.word(handle, 3) >>> 24 === 127;
  return (
    table.word(handle, 0) === 0 &&
    table.word(handle, 1) === 0 &&
    table.word(handle, 2) === 0 &&
    table.word(handle, 3) === 1
  );
}

/** IPv4: the whole address. IPv6: the /64, since whoever has one address of it has them all. */
function hostHash(table: AddressTable, handle: AddressHandle): number {
  const [high, low] =
    table.family(handle) === 4 ? [table.word(handle, 3), 0] : [table.word(handle, 0), table.word(handle, 1)];
  let hash = Math.imul(high ^ 0x9e3779b9, 0x85ebca6b) ^ low;
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return hash ^ (hash >>> 13);
}

/** The endpoint at which a socket bound to `of` hears its own machine. */
export function loopbackOf(of: Endpoint): Endpoint {
  const { address, port } = splitEndpoint(of);
  if (address === "0.0.0.0") return endpoint("127.0.0.1", port);
  return address === "::" ? endpoint("::1", port) : of;
}
