/**
 * Two sockets on one port, so that one kind of datagram cannot crowd out another: a program in the kernel (classic
 * BPF, SO_ATTACH_REUSEPORT_CBPF, Linux 4.5) looks at each datagram's first word and picks the receive buffer.
 */
import type { UdpOptions } from "../socket.ts";
import { LinuxNumber, SockFilter, SockFprog } from "./layout.ts";
import { type BatchedSocket, openBatchedUdp } from "./socket.ts";
import { PinnedMemory, system } from "./system.ts";

export interface SteeredSockets {
  /** Hears what begins with the word, and what has less than one. */
  readonly chosen: BatchedSocket;
  /** Hears all else; undefined where the kernel cannot steer: then the first hears all. */
  readonly others: BatchedSocket | undefined;
}

/** `firstWord`: the first four bytes as a big-endian number. Throws a UserError as `openBatchedUdp` does. */
export function openSteeredUdp(
  options: UdpOptions & { readonly othersRecvBufferBytes: number },
  firstWord: number,
): SteeredSockets {
  // Sockets that share a port share it with any of this user's that ask: first make sure that it is free.
  const probe = openBatchedUdp(options);
  const { port } = probe;
  probe.close();
  const chosen = openBatchedUdp({ ...options, port, reusePort: true });
  const recvBufferBytes = options.othersRecvBufferBytes;
  const others = openBatchedUdp({ ...options, port, reusePort: true, recvBufferBytes });
  if (attach(chosen.fd, firstWord)) return { chosen, others };
  others.close();
  return { chosen, others: undefined };
}

/** The program's answer is a socket's number in the order of binding; a datagram too short to load ends it with 0. */
function attach(fd: number, firstWord: number): boolean {
  const { BPF_LD_W_ABS, BPF_JMP_JEQ_K, BPF_RET_K } = LinuxNumber;
  const program = [
    [BPF_LD_W_ABS, 0, 0, 0],
    [BPF_JMP_JEQ_K, 0, 1, firstWord],
    [BPF_RET_K, 0, 0, 0],
    [BPF_RET_K, 0, 0, 1],
  ] as const;
  const filters = new PinnedMemory(program.length * SockFilter.size);
  for (const [i, [code, jumpTrue, jumpFalse, k]] of program.entries()) {
    const at = i * SockFilter.size;
    filters.view.setUint16(at + SockFilter.code, code, true);
    filters.view.setUint8(at + SockFilter.jumpTrue, jumpTrue);
    filters.view.setUint8(at + SockFilter.jumpFalse, jumpFalse);
    filters.view.setUint32(at + SockFilter.k, k, true);
  }
  const header = new PinnedMemory(SockFprog.size);
  header.view.setUint16(SockFprog.count, program.length, true);
  header.setAddress(SockFprog.filters, filters.address);
  const { SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF } = LinuxNumber;
  const done = system().setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, header.bytes, SockFprog.size);
  return done === 0;
}
