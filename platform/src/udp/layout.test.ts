/** The structures of linux/layout.ts, as this machine's C compiler and headers lay them out. */
import { expect, test } from "bun:test";
import { compiled, compilerFor } from "../testing/c-layout.ts";
import * as layout from "./linux/layout.ts";

const hasCompiler = compilerFor("the layouts of socket calls");

const O = (struct: string, field: string) => `(long)offsetof(struct ${struct}, ${field})`;
const S = (struct: string) => `(long)sizeof(struct ${struct})`;

/** Each expression in C beside the constant that stands for it. */
const PAIRS: readonly (readonly [string, number])[] = [
  [O("iovec", "iov_base"), layout.Iovec.base],
  [O("iovec", "iov_len"), layout.Iovec.length],
  [S("iovec"), layout.Iovec.size],
  [O("mmsghdr", "msg_hdr.msg_name"), layout.Mmsghdr.name],
  [O("mmsghdr", "msg_hdr.msg_namelen"), layout.Mmsghdr.nameLength],
  [O("mmsghdr", "msg_hdr.msg_iov"), layout.Mmsghdr.iov],
  [O("mmsghdr", "msg_hdr.msg_iovlen"), layout.Mmsghdr.iovCount],
  [O("mmsghdr", "msg_hdr.msg_control"), layout.Mmsghdr.control],
  [O("mmsghdr", "msg_hdr.msg_controllen"), layout.Mmsghdr.controlLength],
  [O("mmsghdr", "msg_hdr.msg_flags"), layout.Mmsghdr.flags],
  [O("mmsghdr", "msg_len"), layout.Mmsghdr.length],
  [S("mmsghdr"), layout.Mmsghdr.size],
  [O("cmsghdr", "cmsg_len"), layout.Cmsghdr.length],
  [O("cmsghdr", "cmsg_level"), layout.Cmsghdr.level],
  [O("cmsghdr", "cmsg_type"), layout.Cmsghdr.type],
  [S("cmsghdr"), layout.Cmsghdr.data],
  ["(long)CMSG_SPACE(2)", layout.CMSG_SPACE],
  ["(long)CMSG_SPACE(4)", layout.CMSG_SPACE],
  ["(long)CMSG_LEN(2)", layout.CMSG_LENGTH_U16],
  ["(long)CMSG_LEN(4)", layout.CMSG_LENGTH_U32],
  [O("sockaddr_in", "sin_family"), layout.SockaddrIn.family],
  [O("sockaddr_in", "sin_port"), layout.SockaddrIn.port],
  [O("sockaddr_in", "sin_addr"), layout.SockaddrIn.address],
  [S("sockaddr_in"), layout.SockaddrIn.size],
  [O("sockaddr_in6", "sin6_family"), layout.SockaddrIn6.family],
  [O("sockaddr_in6", "sin6_port"), layout.SockaddrIn6.port],
  [O("sockaddr_in6", "sin6_addr"), layout.SockaddrIn6.address],
  [O("sockaddr_in6", "sin6_scope_id"), layout.SockaddrIn6.scope],
  [S("sockaddr_in6"), layout.SockaddrIn6.size],
  [O("sock_filter", "code"), layout.SockFilter.code],
  [O("sock_filter", "jt"), layout.SockFilter.jumpTrue],
  [O("sock_filter", "jf"), layout.SockFilter.jumpFalse],
  [O("sock_filter", "k"), layout.SockFilter.k],
  [S("sock_filter"), layout.SockFilter.size],
  [O("sock_fprog", "len"), layout.SockFprog.count],
  [O("sock_fprog", "filter"), layout.SockFprog.filters],
  [S("sock_fprog"), layout.SockFprog.size],
  [O("pollfd", "fd"), layout.Pollfd.fd],
  [O("pollfd", "events"), layout.Pollfd.events],
  [O("pollfd", "revents"), layout.Pollfd.revents],
  [S("pollfd"), layout.Pollfd.size],
  ["(long)__NR_recvmmsg", layout.callNumbers()?.recvmmsg ?? -1],
  ["(long)__NR_sendmmsg", layout.callNumbers()?.sendmmsg ?? -1],
  ...Object.entries(layout.LinuxNumber).map(([name, value]) => [`(long)${name}`, value] as const),
];

const HEADERS = [
  "stddef.h",
  "stdio.h",
  "fcntl.h",
  "linux/filter.h",
  "netinet/in.h",
  "netinet/udp.h",
  "poll.h",
  "sys/eventfd.h",
  "sys/mman.h",
  "sys/socket.h",
  "sys/syscall.h",
];

/** Of the kernel, which older C libraries do not name. */
const NEWER = [
  ["UDP_SEGMENT", 103],
  ["UDP_GRO", 104],
  ["SOL_UDP", 17],
  ["IP_PMTUDISC_OMIT", 5],
] as const;

/** What the kernel's headers have in parts. */
const COMPOSED = [
  ["BPF_LD_W_ABS", "(BPF_LD | BPF_W | BPF_ABS)"],
  ["BPF_JMP_JEQ_K", "(BPF_JMP | BPF_JEQ | BPF_K)"],
  ["BPF_RET_K", "(BPF_RET | BPF_K)"],
  ["BPF_RET_A", "(BPF_RET | BPF_A)"],
  ["BPF_LD_H_ABS", "(BPF_LD | BPF_H | BPF_ABS)"],
  ["BPF_MISC_TAX", "(BPF_MISC | BPF_TAX)"],
  ["BPF_ALU_XOR_X", "(BPF_ALU | BPF_XOR | BPF_X)"],
  ["BPF_ALU_MUL_K", "(BPF_ALU | BPF_MUL | BPF_K)"],
  ["BPF_ALU_RSH_K", "(BPF_ALU | BPF_RSH | BPF_K)"],
  ["BPF_ALU_MOD_K", "(BPF_ALU | BPF_MOD | BPF_K)"],
] as const;

test.skipIf(!hasCompiler)("the C compiler agrees with every offset and number", () => {
  const names = new Map<string, string | number>([...NEWER, ...COMPOSED]);
  expect(compiled(HEADERS, names, PAIRS)).toEqual(PAIRS.map(([expression, value]) => [expression, value]));
});
