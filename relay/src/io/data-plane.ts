/**
 * The data plane as the control plane sees it: updates go in as plain messages, counters come out. Behind it is the
 * forwarder with its sockets: in a thread of its own where Linux's batched calls are, else on the main thread.
 *
 *   const plane = await openDataPlane({ ... });
 *   plane.update({ type: "ticket-key", key });          // packets flow
 *   const { forwarder } = await plane.snapshot();
 *   await plane.close();
 */
import {
  AddressTable,
  type DatagramBatch,
  type DatagramSocket,
  type Primitives,
  type UdpCounters,
} from "@burrow/platform";
import { type Bytes, type Endpoint, endpoint, type SymmetricKey, splitEndpoint } from "@burrow/protocol";
import type { ForwarderEvent } from "../core/forwarder.ts";
import type { Limits } from "../core/limits.ts";
import type { LinkIdentity } from "../core/links.ts";
import type { QueueDelaysSnapshot } from "../core/queue-delays.ts";
import type { ForwarderSnapshot } from "../core/snapshot.ts";
import type { DataPlaneUpdate } from "../core/updates.ts";

export interface DataPlaneSnapshot {
  readonly forwarder: ForwarderSnapshot;
  /** Of the packets that had to wait; the others left at once. */
  readonly delays: QueueDelaysSnapshot;
  readonly socket: Readonly<UdpCounters>;
}

export interface DataPlane {
  /** What the socket is bound to. */
  readonly local: readonly Endpoint[];
  readonly port: number;
  /** Of those that were wanted, the ports that could be opened. */
  readonly furtherPorts: readonly number[];
  /** Takes effect soon, in order. */
  update(update: DataPlaneUpdate): void;
  snapshot(): Promise<DataPlaneSnapshot>;
  close(): Promise<void>;
}

/** Opens the relay's UDP socket; both families where the address allows it. */
export type OpenRelaySocket = (options: {
  readonly address: string;
  readonly port: number;
  /** For a further port: the first one's table, and which port it is. */
  readonly addresses?: AddressTable;
  readonly door?: number;
  onBatch(batch: DatagramBatch, socket: DatagramSocket): void;
}) => Promise<DatagramSocket>;

export interface DataPlaneOptions {
  readonly identity: LinkIdentity;
  /** A ticket key of this process alone, for checking itself. */
  readonly selfKey: SymmetricKey;
  readonly listen: { readonly address: string; readonly port: number };
  /** More ports at the same address, for networks that let only those pass; each as far as it can be had. */
  readonly furtherPorts: readonly number[];
  /** Packet threads, where the data plane has threads of its own. Default 1. */
  readonly threads?: number | undefined;
  /** Then the data plane stays on this thread. */
  readonly openSocket?: OpenRelaySocket | undefined;
  readonly primitives: Primitives;
  /** `random`, `now` and `unixNow` are those of a data plane on this thread; one of its own has the system's. */
  readonly random: (length: number) => Bytes;
  /** Unix milliseconds that nobody sets back or forth. */
  readonly now: () => number;
  /** The wall clock, which may have been set since the start. */
  readonly unixNow: () => number;
  readonly limits: Limits;
  /** Applied before the first packet is looked at. */
  readonly initial: readonly DataPlaneUpdate[];
  onEvent(event: ForwarderEvent): void;
  /** A further port could not be opened. */
  onClosedPort(port: number, problem: string): void;
  /** Records that should outlive this process (core/memory.ts). */
  onLearned(records: Bytes): void;
}

/** Addresses of strangers that are remembered beside those of agents, clients and relays. */
const STRANGERS = 8_192;

/** Room for everyone who may be bound, and for strangers besides. */
export function newAddressTable({ sessionsMax, outsideMax, relaysMax }: Limits): AddressTable {
  return new AddressTable({
    capacity: sessionsMax + outsideMax + relaysMax + STRANGERS,
    unpinnable: STRANGERS,
  });
}

/** The endpoint at which a socket bound to `of` hears its own machine. */
export function loopbackOf(of: Endpoint): Endpoint {
  const { address, port } = splitEndpoint(of);
  if (address === "0.0.0.0") return endpoint("127.0.0.1", port);
  return address === "::" ? endpoint("::1", port) : of;
}
