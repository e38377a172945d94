/**
 * Structures and numbers of Linux's socket calls, as the kernel lays them out on 64-bit little-endian machines:
 * x86-64 and arm64 agree in all of them. glibc declares the same; musl splits its 64-bit lengths into 32 bits and a
 * padding that must be zero, which is the same bytes. `layout.test.ts` asks the machine's C compiler.
 *
 *   struct iovec      0  8 base         8  8 length
 *   struct msghdr     0  8 name         8  4 name length    16  8 iov        24  8 iov count
 *                    32  8 control     40  8 control length 48  4 flags
 *   struct mmsghdr    0 56 msghdr      56  4 length         60  4 padding
 *   struct cmsghdr    0  8 length       8  4 level          12  4 type       16    data
 *   sockaddr_in       0  2 family       2  2 port (BE)       4  4 address     8  8 zero
 *   sockaddr_in6      0  2 family       2  2 port (BE)       4  4 flow info   8 16 address   24  4 scope
 *   struct sock_filter 0 2 code         2  1 jump if true    3  1 jump if false   4  4 k
 *   struct sock_fprog 0  2 count        8  8 filters
 *   struct pollfd     0  4 fd           4  2 events          6  2 revents
 */

export const Iovec = { base: 0, length: 8, size: 16 } as const;

export const Mmsghdr = {
  name: 0,
  nameLength: 8,
  iov: 16,
  iovCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
  size: 64,
} as const;

export const Cmsghdr = { length: 0, level: 8, type: 12, data: 16 } as const;

export const SockaddrIn = { family: 0, port: 2, address: 4, size: 16 } as const;
export const SockaddrIn6 = { family: 0, port: 2, address: 8, scope: 24, size: 28 } as const;

export const SockFilter = { code: 0, jumpTrue: 2, jumpFalse: 3, k: 4, size: 8 } as const;
export const SockFprog = { count: 0, filters: 8, size: 16 } as const;
export const Pollfd = { fd: 0, events: 4, revents: 6, size: 8 } as const;

/** CMSG_SPACE of one number of 8 to 32 bits, and CMSG_LEN of one of 16 bits and of one of 32. */
export const CMSG_SPACE = 24;
export const CMSG_LENGTH_U16 = 18;
export const CMSG_LENGTH_U32 = 20;

/** The same on both architectures: asm-generic/{socket,fcntl,poll,mman-common}.h, linux/{in,in6,udp,socket}.h. */
export const LinuxNumber = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_REUSEPORT: 15,
  SO_ATTACH_REUSEPORT_CBPF: 51,
  IPPROTO_IP: 0,
  IP_TOS: 1,
  IP_TTL: 2,
  IP_MTU_DISCOVER: 10,
  IP_RECVTOS: 13,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_PROBE: 3,
  IP_PMTUDISC_OMIT: 5,
  IPPROTO_IPV6: 41,
  IPV6_MTU_DISCOVER: 23,
  IPV6_UNICAST_HOPS: 16,
  IPV6_V6ONLY: 26,
  IPV6_RECVTCLASS: 66,
  IPV6_TCLASS: 67,
  SOL_UDP: 17,
  UDP_SEGMENT: 103,
  UDP_GRO: 104,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  BPF_LD_W_ABS: 0x20,
  BPF_JMP_JEQ_K: 0x15,
  BPF_RET_K: 0x06,
  BPF_RET_A: 0x16,
  BPF_LD_H_ABS: 0x28,
  BPF_MISC_TAX: 0x07,
  BPF_ALU_XOR_X: 0xac,
  BPF_ALU_MUL_K: 0x24,
  BPF_ALU_RSH_K: 0x74,
  BPF_ALU_MOD_K: 0x94,
  SKF_NET_OFF: -0x100000,
  POLLIN: 1,
  POLLOUT: 4,
  EFD_NONBLOCK: 0o4000,
  EFD_CLOEXEC: 0o2000000,
  F_DUPFD_CLOEXEC: 1030,
  MADV_HUGEPAGE: 14,
} as const;

/** The one thing that differs. Undefined where nobody has looked. */
export function callNumbers(): { readonly recvmmsg: number; readonly sendmmsg: number } | undefined {
  if (process.arch === "x64") return { recvmmsg: 299, sendmmsg: 307 };
  return process.arch === "arm64" ? { recvmmsg: 243, sendmmsg: 269 } : undefined;
}

/** UDP_MAX_SEGMENTS of kernels before 6.9 (linux/udp.h); newer ones take more. */
export const SEGMENTS_MAX = 64;
/**
 * The most bytes of one run: 65,535 less the headers of UDP, IP and the link (Ethernet with a VLAN tag). A longer one
 * leaves as well, but the kernel cuts it up before the device sees it (gso_max_size, net/core/dev.c).
 */
export const RUN_BYTES_MAX_V4 = 65_489;
export const RUN_BYTES_MAX_V6 = 65_469;
