/**
 * The UDP socket on Linux's batched calls. It has no event loop: its owner, a thread of its own, waits with a
 * `Poller` and calls `receive`, which hands over a batch and sends what that batch caused.
 *
 *   const socket = openBatchedUdp({ address: "0.0.0.0", port: 21820, family: 4, onBatch });
 *   const poller = new Poller([socket.fd, eventFd]);
 *   for (;;) { poller.wait(1000); while (socket.receive()) {} }
 *
 * Fragmentation: IPv4 datagrams leave without DF and whatever path MTU the kernel was told is ignored (ip(7),
 * IP_PMTUDISC_OMIT), as the kernel's WireGuard does it: a relay carries packets of up to 1500 bytes for others, cannot
 * tell them of a smaller MTU, and must not believe forgeable ICMP about it. IPv6 keeps the default, where the sender
 * itself fragments after a Packet Too Big.
 *
 * ICMP errors are not asked for (no IP_RECVERR): they name no datagram and would fail sends to others.
 */
import { type Endpoint, endpoint } from "@burrow/protocol";
import { ERRNO } from "../../libc.ts";
import { type AddressHandle, AddressTable } from "../address-table.ts";
import { bindError } from "../bind-error.ts";
import { parseIpWords } from "../ip-text.ts";
import { sizeKernelBuffers } from "../kernel-buffers.ts";
import { dataMtuDiscovery, setMtuDiscovery } from "../mtu-discovery.ts";
import {
  type DatagramBatch,
  type DatagramSocket,
  newUdpCounters,
  type UdpDropReason,
  type UdpOptions,
} from "../socket.ts";
import { LinuxNumber, SockaddrIn, SockaddrIn6 } from "./layout.ts";
import { type Offloads, testedOffloads } from "./offload.ts";
import { ReceivedBatch, Receiver } from "./receiver.ts";
import { MAJOR_QUEUE, MINOR_QUEUE, Sender } from "./sender.ts";
import { closeDescriptor, PinnedMemory, setOption, system, systemError } from "./system.ts";

export interface BatchedSocket extends DatagramSocket {
  readonly fd: number;
  readonly offloads: Offloads;
  /**
   * Hands over what waits, as far as one call brings it, and flushes. False when nothing waited. Never blocks. Not to be
   * called from an `onBatch`: the sockets of a thread share the memory that batches lie in.
   */
  receive(): boolean;
  /**
   * Queues datagrams `from` to `end - 1` of a batch that a batched socket of this thread is handing over: a run
   * (`DatagramBatch.runEnd`), or one. How many were not dropped (and counted) at once.
   */
  forwardRun(to: AddressHandle, batch: DatagramBatch, from: number, end: number): number;
}

export interface BatchedUdpOptions extends UdpOptions {
  /** Default: what the self-test found. */
  readonly offloads?: Offloads;
  /** Ask the kernel for the ECN field of what arrives: `ReceivedBatch.ecn`. */
  readonly hearsEcn?: boolean;
  /** Fewer messages may wait at a time: for hundreds of sockets, most of which send little. */
  readonly isMinor?: boolean;
}

const DATAGRAM_BYTES_MAX = 65_507;

class LinuxSocket implements BatchedSocket {
  readonly fd: number;
  readonly local: readonly Endpoint[];
  readonly port: number;
  readonly addresses: AddressTable;
  readonly counters = newUdpCounters();
  readonly recvBufferBytes: number | undefined;
  readonly offloads: Offloads;
  readonly #options: UdpOptions;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  /** Datagrams in a row lie in one memory. */
  #lastBorrowed: Uint8Array | undefined;
  #lastPinned: PinnedMemory | undefined;
  #closed = false;

  constructor(fd: number, options: BatchedUdpOptions) {
    this.fd = fd;
    this.#options = options;
    this.addresses = options.addresses ?? new AddressTable();
    this.port = boundPort(fd);
    this.local = [endpoint(options.address, this.port)];
    this.recvBufferBytes = sizeKernelBuffers(fd, options);
    const tested = options.offloads ?? testedOffloads();
    const gro = tested.gro && setOption(fd, LinuxNumber.SOL_UDP, LinuxNumber.UDP_GRO, 1);
    this.offloads = { gso: tested.gso, gro };
    if (options.hearsEcn === true) hearEcn(fd, options.family);
    this.#receiver = new Receiver(fd, options.family, options.door ?? 0, this.addresses, this.counters);
    const size = options.isMinor === true ? MINOR_QUEUE : MAJOR_QUEUE;
    this.#sender = new Sender(fd, options.family, this.addresses, this.counters, tested.gso, size);
  }

  get isBlocked(): boolean {
    return this.#sender.isBlocked;
  }

  hasFamily(family: 4 | 6): boolean {
    return this.#options.family === family;
  }

  receive(): boolean {
    if (this.#closed) return false;
    const errno = this.#receiver.receive();
    if (errno === ERRNO.ECONNREFUSED) this.counters.icmpErrors++;
    if (errno !== 0) return false;
    const { batch } = this.#receiver;
    try {
      if (batch.count > 0) this.#options.onBatch(batch, this);
    } finally {
      batch.count = 0;
      this.#sender.flush();
    }
    return true;
  }

  send(to: AddressHandle, bytes: Uint8Array): boolean {
    const refusal = this.#refusal(to, bytes.length);
    if (refusal !== undefined) return this.#drop(refusal);
    return this.#sender.copy(to, bytes) || this.#drop("dropQueueFull");
  }

  forward(to: AddressHandle, batch: DatagramBatch, i: number): boolean {
    if (!(batch instanceof ReceivedBatch)) return this.send(to, batch.bytes(i));
    return this.forwardRun(to, batch, i, i + 1) === 1;
  }

  forwardRun(to: AddressHandle, batch: DatagramBatch, from: number, end: number): number {
    if (!(batch instanceof ReceivedBatch)) throw new TypeError("not a batch of a batched socket");
    const refusal = this.#refusal(to, batch.length(from));
    if (refusal !== undefined) {
      this.counters[refusal] += end - from;
      return 0;
    }
    const queued = this.#sender.borrowRun(to, batch, from, end);
    this.counters.dropQueueFull += end - from - queued;
    return queued;
  }

  borrow(to: AddressHandle, memory: Uint8Array, at: number, length: number, ecn = 0): boolean {
    if (memory !== this.#lastBorrowed) {
      this.#lastBorrowed = memory;
      this.#lastPinned = PinnedMemory.of(memory);
    }
    const pinned = this.#lastPinned;
    if (pinned === undefined) return this.send(to, memory.subarray(at, at + length));
    const refusal = this.#refusal(to, length);
    if (refusal !== undefined) return this.#drop(refusal);
    return this.#sender.borrow(to, pinned.address + at, length, ecn) || this.#drop("dropQueueFull");
  }

  sendWithTtl(to: AddressHandle, bytes: Uint8Array, ttl: number): boolean {
    return this.#sendAlone(
      to,
      bytes,
      () => this.#setTtl(ttl),
      () => this.#setTtl(TTL_DEFAULT),
    );
  }

  sendWhole(to: AddressHandle, bytes: Uint8Array): boolean {
    const { family } = this.#options;
    return this.#sendAlone(
      to,
      bytes,
      () => setMtuDiscovery(this.fd, family, "whole"),
      () => setMtuDiscovery(this.fd, family, dataMtuDiscovery(family)),
    );
  }

  flush(): void {
    if (!this.#closed) this.#sender.flush();
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#sender.discard("dropQueueFull");
    this.#closed = true;
    closeDescriptor(this.fd);
  }

  #drop(reason: UdpDropReason): false {
    this.counters[reason]++;
    return false;
  }

  #refusal(to: AddressHandle, length: number): UdpDropReason | undefined {
    if (this.#closed) return "dropClosed";
    if (this.addresses.port(to) === 0) return "dropBadAddress";
    if (this.addresses.family(to) !== this.#options.family) return "dropNoFamily";
    return length > DATAGRAM_BYTES_MAX ? "dropTooBig" : undefined;
  }

  /** At once, after what is queued, with the socket set up for it and back. */
  #sendAlone(to: AddressHandle, bytes: Uint8Array, prepare: () => void, restore: () => void): boolean {
    const refusal = this.#refusal(to, bytes.length);
    if (refusal !== undefined) return this.#drop(refusal);
    this.#sender.flush();
    if (this.#sender.isBlocked) return this.#drop("dropQueueFull");
    const before = this.counters.sent;
    prepare();
    this.#sender.copy(to, bytes);
    this.#sender.flush();
    restore();
    return this.counters.sent > before;
  }

  #setTtl(ttl: number): void {
    const { IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS } = LinuxNumber;
    if (this.#options.family === 4) setOption(this.fd, IPPROTO_IP, IP_TTL, ttl);
    else setOption(this.fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
  }
}

function hearEcn(fd: number, family: 4 | 6): void {
  const { IPPROTO_IP, IP_RECVTOS, IPPROTO_IPV6, IPV6_RECVTCLASS } = LinuxNumber;
  if (family === 4) setOption(fd, IPPROTO_IP, IP_RECVTOS, 1);
  else setOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

/** What both options take for "the system's default". */
const TTL_DEFAULT = -1;

/**
 * A socket out of a descriptor that another thread opened and bound with the same address and family, and no longer
 * uses: from now on it is this one's to close.
 */
export function adoptBatchedUdp(fd: number, options: BatchedUdpOptions): BatchedSocket {
  return new LinuxSocket(fd, options);
}

/** Opens a bound socket. Throws a UserError when the port is taken, forbidden, or the address not this machine's. */
export function openBatchedUdp(options: BatchedUdpOptions): BatchedSocket {
  try {
    return new LinuxSocket(openBound(options), options);
  } catch (error) {
    throw bindError(error, options.address, options.port);
  }
}

function openBound({ address, port, family, reusePort }: UdpOptions): number {
  const { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = LinuxNumber;
  const domain = family === 4 ? AF_INET : AF_INET6;
  const fd = system().socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError("socket");
  if (family === 6) setOption(fd, LinuxNumber.IPPROTO_IPV6, LinuxNumber.IPV6_V6ONLY, 1);
  setMtuDiscovery(fd, family, dataMtuDiscovery(family));
  if (reusePort === true) setOption(fd, LinuxNumber.SOL_SOCKET, LinuxNumber.SO_REUSEPORT, 1);
  const name = nameOf(address, port, family);
  if (system().bind(fd, name.bytes, family === 4 ? SockaddrIn.size : SockaddrIn6.size) === 0) return fd;
  const error = systemError("bind");
  closeDescriptor(fd);
  throw error;
}

function nameOf(address: string, port: number, family: 4 | 6): PinnedMemory {
  const words = new Uint32Array(4);
  if (!parseIpWords(address, words)) throw Object.assign(new Error("no address"), { code: "EINVAL" });
  const name = new PinnedMemory(32);
  const { AF_INET, AF_INET6 } = LinuxNumber;
  name.view.setUint16(SockaddrIn.family, family === 4 ? AF_INET : AF_INET6, true);
  name.view.setUint16(SockaddrIn.port, port, false);
  if (family === 4) name.view.setUint32(SockaddrIn.address, words[3] ?? 0, false);
  else for (const [i, word] of words.entries()) name.view.setUint32(SockaddrIn6.address + i * 4, word, false);
  return name;
}

function boundPort(fd: number): number {
  const name = new PinnedMemory(32);
  const length = new PinnedMemory(4);
  length.u32[0] = 32;
  if (system().getsockname(fd, name.bytes, length.bytes) !== 0) throw systemError("getsockname");
  return name.view.getUint16(SockaddrIn.port, false);
}
