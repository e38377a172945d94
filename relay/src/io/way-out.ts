/**
 * The way out of one socket. As long as the kernel takes what it is given, packets go straight from where they were
 * received; when it does not, they wait in a fair queue by pair (fair-queue.ts), and each drain sends in turn.
 */
import type { AddressHandle, BatchedSocket, DatagramBatch } from "@burrow/platform";
import { FairQueue, NO_PLACE } from "../core/fair-queue.ts";
import type { QueueDelays } from "../core/queue-delays.ts";

/** Packets that may wait: 50 ms of full packets at 1 Gbit/s. */
const PLACES = 4_096;
const QUEUES = 1_024;
/** Any packet of a 1500-byte link; larger ones do not wait. */
const PLACE_BYTES = 2_048;
/** Packets handed to the socket between two looks at whether it still takes them. */
const DRAIN_AT_A_TIME = 32;

export class WayOut {
  readonly socket: BatchedSocket;
  readonly #seed: number;
  readonly #lost: (packets: number, bytes: number) => void;
  readonly #delays: QueueDelays;
  #queue: FairQueue | undefined;
  /** When the packet at a place came, monotonic milliseconds. */
  #cameMs = new Float64Array(0);
  #bytes = new Uint8Array(0);

  /** `lost` is told of packets that had to make room, `delays` of how long the others waited. */
  constructor(
    socket: BatchedSocket,
    seed: number,
    lost: (packets: number, bytes: number) => void,
    delays: QueueDelays,
  ) {
    this.#delays = delays;
    this.socket = socket;
    this.#seed = seed;
    this.#lost = lost;
  }

  /** Something waits for the kernel to take it. */
  get isBlocked(): boolean {
    return this.socket.isBlocked || (this.#queue !== undefined && this.#queue.size > 0);
  }

  /** Datagrams `from` to `end - 1`, which are a run. How many were not dropped at once. */
  forward(to: number, batch: DatagramBatch, from: number, end: number): number {
    if (!this.isBlocked) return this.socket.forwardRun(to as AddressHandle, batch, from, end);
    const length = batch.length(from);
    if (length > PLACE_BYTES) return this.socket.forwardRun(to as AddressHandle, batch, from, end);
    for (let i = from; i < end; i++) this.#push(to, batch, i, length);
    return end - from;
  }

  /** The kernel has room again. */
  drain(): void {
    const { socket } = this;
    socket.flush();
    const queue = this.#queue;
    if (queue === undefined) return;
    while (queue.size > 0 && !socket.isBlocked) {
      const now = performance.now();
      for (let n = 0; n < DRAIN_AT_A_TIME; n++) {
        const place = queue.shift();
        if (place === NO_PLACE) break;
        this.#delays.add(now - (this.#cameMs[place] ?? now));
        const at = place * PLACE_BYTES;
        const bytes = this.#bytes.subarray(at, at + queue.length(place));
        if (!socket.send(queue.destination(place) as AddressHandle, bytes)) this.#lost(1, bytes.length);
      }
      socket.flush();
    }
  }

  #push(to: number, batch: DatagramBatch, i: number, length: number): void {
    if (this.#queue === undefined) {
      this.#queue = new FairQueue(PLACES, QUEUES);
      this.#bytes = new Uint8Array(PLACES * PLACE_BYTES);
      this.#cameMs = new Float64Array(PLACES);
    }
    const queue = this.#queue;
    const { lost, lostBytes } = queue;
    const place = queue.push(this.#hashOf(batch.source(i), to), to, length);
    this.#bytes.set(batch.bytes(i), place * PLACE_BYTES);
    this.#cameMs[place] = performance.now();
    if (queue.lost > lost) this.#lost(queue.lost - lost, queue.lostBytes - lostBytes);
  }

  #hashOf(from: number, to: number): number {
    let hash = Math.imul(from ^ this.#seed, 0xcc9e2d51) ^ to;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }
}
