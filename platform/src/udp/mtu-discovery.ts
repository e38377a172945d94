/**
 * Whether a socket's datagrams may be fragmented on their way, on Linux where the C library can be asked (ip(7),
 * IP_MTU_DISCOVER).
 */
import { openLibc } from "../libc.ts";
import { LinuxNumber } from "./linux/layout.ts";

/** The values are the same for IPv6 (linux/in6.h). */
const VALUES = {
  /** The kernel's default: DF, and fragments where ICMP said that it must be; IPv6's only way. */
  default: LinuxNumber.IP_PMTUDISC_WANT,
  /** DF, whatever the path's MTU is believed to be: what does not fit is lost, or refused (EMSGSIZE). */
  whole: LinuxNumber.IP_PMTUDISC_PROBE,
  /** No DF: what does not fit is fragmented on the way. */
  fragments: LinuxNumber.IP_PMTUDISC_OMIT,
} as const;
const INT_BYTES = 4;

const SYMBOLS = { setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" } } as const;
let library: ReturnType<typeof openLibc<typeof SYMBOLS>> | undefined;

export type MtuDiscovery = keyof typeof VALUES;

/** False where the system cannot be asked, or refuses. */
export function setMtuDiscovery(fd: number, family: 4 | 6, how: MtuDiscovery): boolean {
  if (process.platform !== "linux") return false;
  try {
    library ??= openLibc(SYMBOLS);
  } catch {
    return false;
  }
  const value = new Int32Array(new ArrayBuffer(INT_BYTES));
  value[0] = VALUES[how];
  const { IPPROTO_IP, IP_MTU_DISCOVER, IPPROTO_IPV6, IPV6_MTU_DISCOVER } = LinuxNumber;
  const [level, option] = family === 4 ? [IPPROTO_IP, IP_MTU_DISCOVER] : [IPPROTO_IPV6, IPV6_MTU_DISCOVER];
  return library.setsockopt(fd, level, option, value, INT_BYTES) === 0;
}

/** How data leave: as the kernel's WireGuard has it, IPv4 without DF, and IPv6 by the kernel's own rules. */
export function dataMtuDiscovery(family: 4 | 6): MtuDiscovery {
  return family === 4 ? "fragments" : "default";
}
