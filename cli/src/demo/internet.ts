/**
 * An internet for one process: real UDP sockets on loopback, whose datagrams leave only after the time that they
 * would travel between two places, and whose ways can be cut. Nothing else is emulated: no loss, no NAT, no jitter.
 */
import {
  type AddressHandle,
  type DatagramBatch,
  type DatagramSocket,
  openUdp,
  type UdpOptions,
} from "@burrow/platform";
import { type Endpoint, splitEndpoint } from "@burrow/protocol";
import { emulatedRttMs, type Site } from "./places.ts";

const LOOPBACK = "127.0.0.1";

interface InFlight {
  readonly dueMs: number;
  /** When it passes the middle of its way, where cables are cut. */
  readonly middleMs: number;
  readonly from: EmulatedSocket;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

export class EmulatedInternet {
  readonly #sitesByPort = new Map<number, Site>();
  /** By way, the spans of time in which nothing passed its middle. */
  readonly #cuts = new Map<string, { readonly fromMs: number; toMs: number }[]>();
  /** Ordered by due time. */
  readonly #inFlight: InFlight[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Datagrams lost to a cut. */
  cutDatagrams = 0;

  /** What opens the sockets of a host at `site`, in place of the platform's. IPv4 on loopback, whatever is asked. */
  opener(site: Site): (options: Pick<UdpOptions, "port" | "onBatch">) => Promise<DatagramSocket> {
    return async ({ port, onBatch }) => {
      let late: EmulatedSocket | undefined;
      const inner = await openUdp({
        address: LOOPBACK,
        port,
        family: 4,
        // Answers sent from within the callback must take their time like all others.
        onBatch: (batch, socket) => onBatch(batch, late ?? socket),
      });
      this.#sitesByPort.set(inner.port, site);
      late = new EmulatedSocket(this, site, inner);
      return late;
    };
  }

  /** From now on nothing passes the middle of the way between the two sites, in either direction. */
  cut(a: Site, b: Site): void {
    const spans = this.#cuts.get(wayOf(a, b)) ?? [];
    this.#cuts.set(wayOf(a, b), spans);
    spans.push({ fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY });
  }

  mend(a: Site, b: Site): void {
    const span = this.#cuts.get(wayOf(a, b))?.at(-1);
    if (span !== undefined) span.toMs = Math.min(span.toMs, performance.now());
  }

  #isCut(a: Site, b: Site, atMs: number): boolean {
    return this.#cuts.get(wayOf(a, b))?.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs) ?? false;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#inFlight.length = 0;
  }

  /** Takes a datagram on its way. False when there is no way. */
  carry(from: EmulatedSocket, to: Endpoint, bytes: Uint8Array): boolean {
    const destination = this.#siteAt(to);
    if (destination === undefined || this.#closed) return false;
    const delayMs = emulatedRttMs(from.site.at, destination.at) / 2;
    const now = performance.now();
    const packet = { dueMs: now + delayMs, middleMs: now + delayMs / 2, from, to, bytes: bytes.slice() };
    const after = this.#inFlight.findLastIndex((other) => other.dueMs <= packet.dueMs);
    this.#inFlight.splice(after + 1, 0, packet);
    if (after === -1) this.#schedule();
    return true;
  }

  #siteAt(endpoint: Endpoint): Site | undefined {
    const { address, port } = splitEndpoint(endpoint);
    return address === LOOPBACK ? this.#sitesByPort.get(port) : undefined;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const next = this.#inFlight[0];
    if (next === undefined || this.#closed) return;
    this.#timer = setTimeout(() => this.#deliver(), Math.max(0, next.dueMs - performance.now()));
  }

  #deliver(): void {
    const now = performance.now();
    const touched = new Set<EmulatedSocket>();
    while (this.#inFlight[0] !== undefined && this.#inFlight[0].dueMs <= now) {
      const packet = this.#inFlight.shift();
      const destination = packet === undefined ? undefined : this.#siteAt(packet.to);
      if (packet === undefined || destination === undefined) continue;
      if (this.#isCut(packet.from.site, destination, packet.middleMs)) {
        this.cutDatagrams++;
        continue;
      }
      packet.from.arrive(packet.to, packet.bytes);
      touched.add(packet.from);
    }
    for (const socket of touched) socket.flushArrived();
    this.#schedule();
  }
}

/** A real socket that sends late. Receives, counts and keeps addresses as the one inside does. */
class EmulatedSocket implements DatagramSocket {
  readonly site: Site;
  readonly #internet: EmulatedInternet;
  readonly #inner: DatagramSocket;
  #closed = false;

  constructor(internet: EmulatedInternet, site: Site, inner: DatagramSocket) {
    this.#internet = internet;
    this.site = site;
    this.#inner = inner;
  }

  get local() {
    return this.#inner.local;
  }
  get port() {
    return this.#inner.port;
  }
  get addresses() {
    return this.#inner.addresses;
  }
  get counters() {
    return this.#inner.counters;
  }
  get recvBufferBytes() {
    return this.#inner.recvBufferBytes;
  }
  get isBlocked() {
    return false;
  }

  hasFamily(family: 4 | 6): boolean {
    return this.#inner.hasFamily(family);
  }

  send(to: AddressHandle, bytes: Uint8Array): boolean {
    return !this.#closed && this.#internet.carry(this, this.addresses.endpoint(to), bytes);
  }

  forward(to: AddressHandle, batch: DatagramBatch, i: number): boolean {
    return this.send(to, batch.bytes(i));
  }

  borrow(to: AddressHandle, memory: Uint8Array, at: number, length: number): boolean {
    return this.send(to, memory.subarray(at, at + length));
  }

  sendWithTtl(to: AddressHandle, bytes: Uint8Array): boolean {
    return this.send(to, bytes);
  }

  sendWhole(to: AddressHandle, bytes: Uint8Array): boolean {
    return this.send(to, bytes);
  }

  /** What was sent is on its way already. */
  flush(): void {}

  close(): void {
    this.#closed = true;
    this.#inner.close();
  }

  arrive(to: Endpoint, bytes: Uint8Array): void {
    if (!this.#closed) this.#inner.send(this.addresses.internEndpoint(to), bytes);
  }

  flushArrived(): void {
    if (!this.#closed) this.#inner.flush();
  }
}

function wayOf(a: Site, b: Site): string {
  return [a.name, b.name].sort().join(" ");
}
