/**
 * Do GSO and GRO work here? Some kernels and cards corrupt or drop what they cut up, so nothing is believed: bursts
 * with even and odd tails go through loopback, and every byte is compared. What a network card does beyond is seen
 * at run time: a refusal turns GSO off for that socket.
 */
import { AddressTable } from "../address-table.ts";
import { newUdpCounters } from "../socket.ts";
import { LinuxNumber, SockaddrIn } from "./layout.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import { closeDescriptor, PinnedMemory, setOption, system } from "./system.ts";

export interface Offloads {
  /** Runs may leave as one message. */
  readonly gso: boolean;
  /** Arriving runs may be taken as one message. */
  readonly gro: boolean;
}

/** Segment size, how many, and the length of one more at the end: none, a byte, an odd one. */
const BURSTS = [
  [1420, 40, 0],
  [1420, 3, 1],
  [1420, 45, 777],
  [200, 63, 199],
  [1, 2, 0],
] as const;
/** Loopback delivers before `sendmmsg` returns; another processor may be asked to. */
const PATIENCE_MS = 50;

let known: Offloads | undefined;

/** The answer of the first test in this thread; a millisecond's work. */
export function testedOffloads(): Offloads {
  known ??= { gso: carries(true, false), gro: carries(true, true) };
  return known;
}

function carries(gso: boolean, gro: boolean): boolean {
  const from = loopbackSocket();
  const to = loopbackSocket();
  try {
    if (from === undefined || to === undefined) return false;
    if (gro && !setOption(to.fd, LinuxNumber.SOL_UDP, LinuxNumber.UDP_GRO, 1)) return false;
    return BURSTS.every(([size, count, tail]) => burstArrives(from.fd, to, gso, size, count, tail));
  } finally {
    if (from !== undefined) closeDescriptor(from.fd);
    if (to !== undefined) closeDescriptor(to.fd);
  }
}

function burstArrives(
  from: number,
  to: { readonly fd: number; readonly port: number },
  gso: boolean,
  size: number,
  count: number,
  tail: number,
): boolean {
  const addresses = new AddressTable({ capacity: 8 });
  const counters = newUdpCounters();
  const sender = new Sender(from, 4, addresses, counters, gso);
  const receiver = new Receiver(to.fd, 4, 0, addresses, counters);
  const target = addresses.intern("127.0.0.1", to.port);
  const sent = Array.from({ length: count + (tail > 0 ? 1 : 0) }, (_, i) =>
    Uint8Array.from({ length: i < count ? size : tail }, (_, at) => (i * 131 + at * 7 + (at >> 8)) & 255),
  );
  for (const bytes of sent) sender.copy(target, bytes);
  sender.flush();
  if (counters.sent !== sent.length || !sender.usesSegments) return false;
  let arrived = 0;
  for (const until = performance.now() + PATIENCE_MS; arrived < sent.length && performance.now() < until; ) {
    if (receiver.receive() !== 0) continue;
    for (let i = 0; i < receiver.batch.count; i++, arrived++) {
      if (!same(receiver.batch.bytes(i), sent[arrived])) return false;
    }
  }
  return arrived === sent.length;
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return a.length === b?.length && a.every((byte, i) => byte === b[i]);
}

function loopbackSocket(): { readonly fd: number; readonly port: number } | undefined {
  const { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = LinuxNumber;
  const fd = system().socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const name = new PinnedMemory(SockaddrIn.size);
  name.view.setUint16(SockaddrIn.family, AF_INET, true);
  name.view.setUint32(SockaddrIn.address, 0x7f000001, false);
  const length = new PinnedMemory(4);
  length.u32[0] = SockaddrIn.size;
  if (
    system().bind(fd, name.bytes, SockaddrIn.size) !== 0 ||
    system().getsockname(fd, name.bytes, length.bytes) !== 0
  ) {
    closeDescriptor(fd);
    return undefined;
  }
  return { fd, port: name.view.getUint16(SockaddrIn.port, false) };
}
