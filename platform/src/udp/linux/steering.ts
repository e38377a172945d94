/**
 * Several sockets on one port, each with its own receive buffer: a program in the kernel (classic BPF,
 * SO_ATTACH_REUSEPORT_CBPF, Linux 4.5) looks at each datagram and picks one. Datagrams that begin with a certain word
 * are shared out among threads by their source; all else goes to a socket of its own, so that it crowds out nothing.
 */
import type { UdpOptions } from "../socket.ts";
import { LinuxNumber, SockFilter, SockFprog } from "./layout.ts";
import { type BatchedSocket, openBatchedUdp } from "./socket.ts";
import { PinnedMemory, system } from "./system.ts";

export interface SteeredSockets {
  /** Hear what begins with the word, each those of its sources; the first also hears what has less than a word. */
  readonly chosen: readonly BatchedSocket[];
  /** Hears all else; undefined where the kernel cannot steer: then one socket alone hears all. */
  readonly others: BatchedSocket | undefined;
}

export interface SteeredOptions extends UdpOptions {
  /** Sockets for the chosen kind. */
  readonly count: number;
  readonly othersRecvBufferBytes: number;
}

/** `firstWord`: the first four bytes as a big-endian number. Throws a UserError as `openBatchedUdp` does. */
export function openSteeredUdp(options: SteeredOptions, firstWord: number): SteeredSockets {
  // Sockets that share a port share it with any of this user's that ask: first make sure that it is free.
  const probe = openBatchedUdp(options);
  const { port } = probe;
  probe.close();
  const shared = { ...options, port, reusePort: true };
  const chosen: BatchedSocket[] = [];
  for (let i = 0; i < options.count; i++) chosen.push(openBatchedUdp(shared));
  const others = openBatchedUdp({ ...shared, recvBufferBytes: options.othersRecvBufferBytes });
  const program = programOf(options.family, firstWord, options.count);
  if (attach(others.fd, program)) return { chosen, others };
  for (const socket of [...chosen.slice(1), others]) socket.close();
  return { chosen: chosen.slice(0, 1), others: undefined };
}

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/** Offsets of the source address (its last word) and the source port from the network header, without options. */
const SOURCE_V4 = { address: 12, port: 20 } as const;
const SOURCE_V6 = { address: 20, port: 40 } as const;
/** Knuth's multiplicative hash; of the product the upper half is well mixed. */
const GOLDEN = 0x9e3779b1;

/** Its answer is a socket's number in the order of binding; a datagram too short to load ends it with 0. */
function programOf(family: 4 | 6, firstWord: number, count: number): readonly Instruction[] {
  const n = LinuxNumber;
  const source = family === 4 ? SOURCE_V4 : SOURCE_V6;
  return [
    [n.BPF_LD_W_ABS, 0, 0, 0],
    [n.BPF_JMP_JEQ_K, 1, 0, firstWord],
    [n.BPF_RET_K, 0, 0, count],
    [n.BPF_LD_W_ABS, 0, 0, n.SKF_NET_OFF + source.address],
    [n.BPF_MISC_TAX, 0, 0, 0],
    [n.BPF_LD_H_ABS, 0, 0, n.SKF_NET_OFF + source.port],
    [n.BPF_ALU_XOR_X, 0, 0, 0],
    [n.BPF_ALU_MUL_K, 0, 0, GOLDEN],
    [n.BPF_ALU_RSH_K, 0, 0, 16],
    [n.BPF_ALU_MOD_K, 0, 0, count],
    [n.BPF_RET_A, 0, 0, 0],
  ];
}

function attach(fd: number, program: readonly Instruction[]): boolean {
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
