/**
 * The UDP socket on `Bun.udpSocket`: runs wherever Bun does. Owns the queue and the batches; the address table may
 * be shared.
 *
 * What Bun 1.4 does, each seen in a trial:
 * - it calls `data` once per datagram; microtasks run in between, immediates run after the whole burst. So a batch
 *   is handed over in an immediate, which costs a lone datagram nothing that can be measured;
 * - `send` throws what the kernel answers, also for an ICMP error that an *earlier* datagram caused, and then the
 *   present one was not sent; `sendMany` stops at such a place and returns how many went, without a word why;
 * - `send` returns false, and `sendMany` a short count, when the kernel's buffer is full; `drain` follows;
 * - `error` gets the error as its first argument, for ICMP errors and for what `data` throws;
 * - an IPv6 socket takes the IPv4 port as well unless the flag below, which the types leave out, is set.
 */
import { type Endpoint, endpoint } from "@burrow/protocol";
import { codeOf } from "../errors.ts";
import { type AddressHandle, AddressTable, NO_ADDRESS } from "./address-table.ts";
import { bindError } from "./bind-error.ts";
import { sizeKernelBuffers } from "./kernel-buffers.ts";
import { dataMtuDiscovery, type MtuDiscovery, setMtuDiscovery } from "./mtu-discovery.ts";
import {
  type DatagramBatch,
  type DatagramSocket,
  dropReasonOf,
  newUdpCounters,
  type UdpDropReason,
  type UdpOptions,
} from "./socket.ts";

/** LIBUS_SOCKET_IPV6_ONLY in Bun's sockets library; `node:dgram` sets it for `ipv6Only`. */
const FLAG_IPV6_ONLY = 8;

/** Datagrams handed over at a time: what one `recvmmsg` of Bun's brings, a few times over. */
const BATCH_MAX = 64;
/** Datagrams handed to one `sendMany`. */
const FLUSH_AT = 64;
/** Bytes that may wait for the kernel: some 350 full datagrams, or eight of the largest. */
const QUEUE_BYTES_MAX = 512 * 1024;
/** Room for the queue's bytes to begin with: hundreds of sockets may be open that send one probe each. */
const ARENA_BYTES_MIN = 16 * 1024;
/** What even an empty datagram takes of it: bounds their number. */
const QUEUE_BYTES_MIN_EACH = 64;
const DATAGRAM_BYTES_MAX = 65_507;
/** An ICMP error of an earlier datagram fails a send at most this often before it counts as the send's own. */
const SEND_TRIES = 3;
/** Linux's default for both families (`net.ipv4.ip_default_ttl`); 0 is not "default" to `setTTL`. */
const TTL_DEFAULT = 64;

const FIELDS = 3;

type BunSocket = Bun.udp.Socket<"uint8array">;

class Batch implements DatagramBatch {
  readonly #bytes: Uint8Array<ArrayBuffer>[] = [];
  readonly #sources: AddressHandle[] = [];

  get count(): number {
    return this.#bytes.length;
  }

  bytes(i: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes[i];
    if (bytes === undefined) throw new RangeError(`no packet ${i} in a batch of ${this.count}`);
    return bytes;
  }

  source(i: number): AddressHandle {
    return this.#sources[i] ?? NO_ADDRESS;
  }

  length(i: number): number {
    return this.#bytes[i]?.length ?? 0;
  }

  u32(i: number, at: number): number {
    const bytes = this.#bytes[i];
    if (bytes === undefined || at + 4 > bytes.length) return 0;
    const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
  }

  runEnd(i: number): number {
    if (this.length(i) < 8) return i + 1;
    let end = i + 1;
    while (end < this.count && this.#areAlike(i, end)) end++;
    return end;
  }

  #areAlike(i: number, j: number): boolean {
    const sameHead = this.u32(i, 0) === this.u32(j, 0) && this.u32(i, 4) === this.u32(j, 4);
    return sameHead && this.source(i) === this.source(j) && this.length(i) === this.length(j);
  }

  push(bytes: Uint8Array<ArrayBuffer>, source: AddressHandle): void {
    this.#bytes.push(bytes);
    this.#sources.push(source);
  }

  clear(): void {
    this.#bytes.length = 0;
    this.#sources.length = 0;
  }
}

class PortableSocket implements DatagramSocket {
  readonly addresses: AddressTable;
  readonly counters = newUdpCounters();
  readonly #options: UdpOptions;
  #socket: BunSocket | undefined;
  #local: readonly Endpoint[] = [];
  #recvBufferBytes: number | undefined;
  #fd: number | undefined;

  /** Arriving datagrams, and the batch being handed over: swapped, so that a callback may take its time. */
  #arriving = new Batch();
  #delivering = new Batch();
  #deliveryDue = false;

  /** Waiting datagrams as `sendMany` takes them (bytes, port, address), their bytes in `#arena`. */
  readonly #queue: (Uint8Array | number | string)[] = [];
  #arena = new Uint8Array(0);
  #arenaUsed = 0;
  #queuedBytes = 0;
  /** The kernel's buffer is full: wait for `drain`. */
  #blocked = false;

  constructor(options: UdpOptions) {
    this.#options = options;
    this.addresses = options.addresses ?? new AddressTable();
  }

  async open(): Promise<void> {
    const { address, port, family } = this.#options;
    const settings = {
      hostname: address,
      port,
      binaryType: "uint8array" as const,
      flags: family === 6 ? FLAG_IPV6_ONLY : 0,
      socket: {
        data: (_: BunSocket, bytes: Uint8Array, port: number, host: string, flags?: Bun.udp.ReceiveFlags) =>
          this.#onDatagram(bytes as Uint8Array<ArrayBuffer>, port, host, flags?.truncated === true),
        drain: () => this.#onDrain(),
        error: (...args: unknown[]) => this.#onError(args),
      },
    };
    // Bun throws a bind's failure at once instead of rejecting: hence no `.catch`.
    let socket: BunSocket;
    try {
      socket = await Bun.udpSocket(settings);
    } catch (error) {
      throw bindError(error, address, port);
    }
    this.#socket = socket;
    this.#local = [endpoint(address, socket.port)];
    const fd = (socket as { readonly fd?: unknown }).fd;
    if (typeof fd !== "number" || fd < 0) return;
    this.#fd = fd;
    this.#recvBufferBytes = sizeKernelBuffers(fd, this.#options);
    this.#setMtuDiscovery(dataMtuDiscovery(family));
  }

  get local(): readonly Endpoint[] {
    return this.#local;
  }

  get port(): number {
    return this.#socket?.port ?? 0;
  }

  get recvBufferBytes(): number | undefined {
    return this.#recvBufferBytes;
  }

  get isBlocked(): boolean {
    return this.#blocked;
  }

  hasFamily(family: 4 | 6): boolean {
    return this.#options.family === family;
  }

  send(to: AddressHandle, bytes: Uint8Array): boolean {
    const refusal = this.#refusal(to, bytes);
    if (refusal !== undefined) return this.#drop(refusal);
    const room = roomOf(bytes);
    if (this.#queuedBytes + room > QUEUE_BYTES_MAX) this.flush();
    if (this.#queuedBytes + room > QUEUE_BYTES_MAX) return this.#drop("dropQueueFull");
    const copy = this.#allot(bytes.length);
    copy.set(bytes);
    this.#queuedBytes += room;
    this.#queue.push(copy, this.addresses.port(to), this.addresses.host(to));
    if (this.#queue.length >= FLUSH_AT * FIELDS && !this.#blocked) this.flush();
    return true;
  }

  forward(to: AddressHandle, batch: DatagramBatch, i: number): boolean {
    return this.send(to, batch.bytes(i));
  }

  borrow(to: AddressHandle, memory: Uint8Array, at: number, length: number): boolean {
    return this.send(to, memory.subarray(at, at + length));
  }

  sendWithTtl(to: AddressHandle, bytes: Uint8Array, ttl: number): boolean {
    return this.#sendAlone(
      to,
      bytes,
      () => this.#socket?.setTTL(ttl),
      () => this.#socket?.setTTL(TTL_DEFAULT),
    );
  }

  sendWhole(to: AddressHandle, bytes: Uint8Array): boolean {
    return this.#sendAlone(
      to,
      bytes,
      () => this.#setMtuDiscovery("whole"),
      () => this.#setMtuDiscovery(dataMtuDiscovery(this.#options.family)),
    );
  }

  /** Asks the kernel again even while waiting for `drain`: a lost wake-up then costs one flush, not the socket. */
  flush(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.#socket === undefined) return;
    this.#blocked = false;
    let at = 0;
    while (at < queue.length) {
      const chunk = at + FLUSH_AT * FIELDS;
      at += this.#sendMany(at === 0 && chunk >= queue.length ? queue : queue.slice(at, chunk));
      if (at === chunk || at >= queue.length) continue;
      const bytes = queue[at] as Uint8Array;
      const outcome = this.#sendOne(bytes, queue[at + 1] as number, queue[at + 2] as string);
      if (outcome === "blocked") {
        this.#blocked = true;
        for (let i = 0; i < at; i += FIELDS) this.#queuedBytes -= roomOf(queue[i] as Uint8Array);
        queue.splice(0, at);
        return;
      }
      if (outcome !== "sent") this.#drop(outcome);
      at += FIELDS;
    }
    queue.length = 0;
    this.#arenaUsed = 0;
    this.#queuedBytes = 0;
  }

  close(): void {
    if (this.#socket === undefined) return;
    this.flush();
    for (let i = 0; i < this.#queue.length; i += FIELDS) this.#drop("dropQueueFull");
    this.#queue.length = 0;
    this.#socket.close();
    this.#socket = undefined;
    this.#fd = undefined;
    this.#arriving.clear();
  }

  /** A place in the arena; when it is full a larger one takes over, and the old lives as long as its datagrams. */
  #allot(length: number): Uint8Array {
    if (this.#arenaUsed + length > this.#arena.length) {
      const wanted = Math.max(ARENA_BYTES_MIN, this.#arena.length * 2, length);
      this.#arena = new Uint8Array(Math.min(wanted, QUEUE_BYTES_MAX));
      this.#arenaUsed = 0;
    }
    this.#arenaUsed += length;
    return this.#arena.subarray(this.#arenaUsed - length, this.#arenaUsed);
  }

  #drop(reason: UdpDropReason): false {
    this.counters[reason]++;
    return false;
  }

  /** What Bun would throw a programmer's error for, and hence must not see. */
  #refusal(to: AddressHandle, bytes: Uint8Array): UdpDropReason | undefined {
    if (this.#socket === undefined) return "dropClosed";
    if (this.addresses.port(to) === 0) return "dropBadAddress";
    if (this.addresses.family(to) !== this.#options.family) return "dropNoFamily";
    return bytes.length > DATAGRAM_BYTES_MAX ? "dropTooBig" : undefined;
  }

  /** At once, after what is queued, with the socket set up for it and back. */
  #sendAlone(to: AddressHandle, bytes: Uint8Array, prepare: () => void, restore: () => void): boolean {
    const refusal = this.#refusal(to, bytes);
    if (refusal !== undefined) return this.#drop(refusal);
    this.flush();
    if (this.#blocked) return this.#drop("dropQueueFull");
    prepare();
    try {
      const outcome = this.#sendOne(bytes, this.addresses.port(to), this.addresses.host(to));
      return outcome === "sent" || this.#drop(outcome === "blocked" ? "dropQueueFull" : outcome);
    } finally {
      restore();
    }
  }

  #setMtuDiscovery(how: MtuDiscovery): void {
    if (this.#fd !== undefined) setMtuDiscovery(this.#fd, this.#options.family, how);
  }

  /** Returns how many entries of `queue` were taken: a multiple of FIELDS. Errors are left to the next `#sendOne`. */
  #sendMany(queue: readonly (Uint8Array | number | string)[]): number {
    if (queue.length === FIELDS || this.#socket === undefined) return 0;
    let sent = 0;
    try {
      sent = this.#socket.sendMany(queue);
    } catch (error) {
      this.#noteIcmp(error);
    }
    this.counters.sent += sent;
    for (let i = 0; i < sent * FIELDS; i += FIELDS) {
      this.counters.sentBytes += (queue[i] as Uint8Array).length;
    }
    return sent * FIELDS;
  }

  #sendOne(bytes: Uint8Array, port: number, host: string): "sent" | "blocked" | UdpDropReason {
    let code: string | undefined;
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      try {
        if (this.#socket?.send(bytes, port, host) !== true) return "blocked";
        this.counters.sent++;
        this.counters.sentBytes += bytes.length;
        return "sent";
      } catch (error) {
        this.#noteIcmp(error);
        code = codeOf(error);
      }
    }
    return dropReasonOf(code);
  }

  /** An unconnected socket's send is refused only on behalf of an earlier datagram. */
  #noteIcmp(error: unknown): void {
    if (codeOf(error) === "ECONNREFUSED") this.counters.icmpErrors++;
  }

  #onDatagram(bytes: Uint8Array<ArrayBuffer>, port: number, host: string, truncated: boolean): void {
    this.counters.received++;
    this.counters.receivedBytes += bytes.length;
    if (truncated) {
      this.counters.dropTruncated++;
      return;
    }
    const source = this.addresses.intern(host, port, this.#options.door);
    if (source === NO_ADDRESS) {
      this.counters.dropUnanswerable++;
      return;
    }
    this.#arriving.push(bytes, source);
    if (this.#arriving.count >= BATCH_MAX) this.#deliver();
    else if (!this.#deliveryDue) {
      this.#deliveryDue = true;
      setImmediate(() => {
        this.#deliveryDue = false;
        this.#deliver();
      });
    }
  }

  #deliver(): void {
    if (this.#arriving.count === 0 || this.#delivering.count !== 0) return;
    const batch = this.#arriving;
    this.#arriving = this.#delivering;
    this.#delivering = batch;
    try {
      this.#options.onBatch(batch, this);
    } finally {
      batch.clear();
      this.flush();
    }
  }

  #onDrain(): void {
    this.#blocked = false;
    this.flush();
  }

  /** Bun passes the error first (1.4) or after the socket (its types). What our own callback threw stays fatal. */
  #onError(args: readonly unknown[]): void {
    const error = args.find((arg) => arg instanceof Error);
    if (error !== undefined && codeOf(error) === undefined) {
      queueMicrotask(() => {
        throw error;
      });
    } else this.counters.icmpErrors++;
  }
}

/** What a datagram takes of the queue's bound. */
function roomOf(bytes: Uint8Array): number {
  return Math.max(bytes.length, QUEUE_BYTES_MIN_EACH);
}

export async function openPortableUdp(options: UdpOptions): Promise<DatagramSocket> {
  const socket = new PortableSocket(options);
  await socket.open();
  return socket;
}
