/** Linux's calls for TUN devices, and what their failures mean to a user. */
import { FFIType, type Pointer, ptr } from "bun:ffi";
import { UserError } from "@burrow/protocol";
import { ERRNO, errnoName, lastErrno, openLibc } from "../libc.ts";

/**
 * `open` and `ioctl` are variadic in C. On Linux, x86-64 and arm64 (AAPCS64) pass variadic integers and pointers in
 * the registers that fixed ones take, so they may be declared with fixed arguments.
 */
const SYMBOLS = {
  open: { args: ["ptr", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  read: { args: ["i32", "ptr", "u64"], returns: FFIType.i64_fast },
  write: { args: ["i32", "ptr", "u64"], returns: FFIType.i64_fast },
  readv: { args: ["i32", "ptr", "i32"], returns: FFIType.i64_fast },
  writev: { args: ["i32", "ptr", "i32"], returns: FFIType.i64_fast },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
} as const;

/** All numbers below are the same on x86-64 and arm64: asm-generic/fcntl.h, poll.h, linux/if_tun.h, linux/if.h. */
const O_RDWR = 0o2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
export const TunNumber = {
  /** _IOW('T', 202, int) */
  TUNSETIFF: 0x400454ca,
  IFF_TUN: 0x0001,
  IFF_NO_PI: 0x1000,
  IFF_VNET_HDR: 0x4000,
  /** _IOW('T', 208, unsigned int); its argument is the number itself. */
  TUNSETOFFLOAD: 0x400454d0,
} as const;
/**
 * What this side is ready for: unfinished checksums, TCP over both IPs and, from Linux 6.2 on, UDP. Not TUN_F_TSO_ECN:
 * without it the kernel itself cuts up what has CWR, which by the old rule stands on the first segment and by Accurate
 * ECN on all.
 */
export const TunFeature = { CSUM: 0x01, TSO4: 0x02, TSO6: 0x04, USO4: 0x20, USO6: 0x40 } as const;
/** struct ifreq: 16 bytes of name, then 16-bit flags; 40 bytes on 64-bit systems. */
export const IFREQ_LENGTH = 40;
export const IFREQ_FLAGS = 16;
/** With the terminating zero. */
const IFNAMSIZ = 16;
const POLLIN = 0x001;
/** struct pollfd: fd, events, revents. */
const POLLFD_LENGTH = 8;

const DEVICE = "/dev/net/tun";

let library: ReturnType<typeof openLibc<typeof SYMBOLS>> | undefined;

export function tunLibrary() {
  library ??= openLibc(SYMBOLS);
  return library;
}

function bytesOf(text: string, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  new TextEncoder().encodeInto(text, bytes);
  return bytes;
}

const NEEDS_RIGHTS =
  "run as root or give CAP_NET_ADMIN (AmbientCapabilities=CAP_NET_ADMIN in a systemd unit, --cap-add NET_ADMIN in a container), or use `--device none`, which takes no packets of this machine";

/**
 * Opens the device non-blocking and makes the interface; the interface lives as long as the descriptor.
 * `withHeader`: a virtio header stands before each packet (offload/virtio-header.ts).
 */
export function openTunDescriptor(name: string, withHeader = false): number {
  const libc = tunLibrary();
  const fd = libc.open(bytesOf(DEVICE, DEVICE.length + 1), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw openError(lastErrno());
  const request = bytesOf(name, IFREQ_LENGTH);
  const { TUNSETIFF, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR } = TunNumber;
  const flags = IFF_TUN | IFF_NO_PI | (withHeader ? IFF_VNET_HDR : 0);
  new DataView(request.buffer).setUint16(IFREQ_FLAGS, flags, true);
  if (libc.ioctl(fd, TUNSETIFF, request) !== 0) {
    const errno = lastErrno();
    libc.close(fd);
    throw nameError(name, errno);
  }
  return fd;
}

/** False when the kernel does not know all of these `TunFeature`s. */
export function setTunOffload(fd: number, features: number): boolean {
  return tunLibrary().ioctl(fd, TunNumber.TUNSETOFFLOAD, features as Pointer) === 0;
}

function openError(errno: number): UserError {
  if (errno === ERRNO.ENOENT || errno === ERRNO.ENODEV) {
    return new UserError(
      `there is no ${DEVICE} on this machine`,
      "load the module (`modprobe tun`), or give the container the device (`--device /dev/net/tun`), or use `--device none`",
    );
  }
  if (errno === ERRNO.EACCES || errno === ERRNO.EPERM) {
    return new UserError(`no right to open ${DEVICE}`, NEEDS_RIGHTS);
  }
  return new UserError(`cannot open ${DEVICE}: ${errnoName(errno)}`, "see `ls -l /dev/net/tun` and `dmesg`");
}

function nameError(name: string, errno: number): UserError {
  if (errno === ERRNO.EPERM) return new UserError(`no right to create the interface ${name}`, NEEDS_RIGHTS);
  if (errno === ERRNO.EBUSY) {
    return new UserError(
      `the interface ${name} is in use by another program`,
      "stop that program, or choose another name: `--device tun:NAME`",
    );
  }
  if (errno === ERRNO.EINVAL) {
    return new UserError(
      `an interface ${name} exists already and is no TUN device`,
      "choose another name: `--device tun:NAME`",
    );
  }
  return new UserError(`cannot create the interface ${name}: ${errnoName(errno)}`, "see `dmesg`");
}

/** Throws a UserError for a name that Linux would not take. */
export function checkInterfaceName(name: string): void {
  if (/^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(name) && name.length < IFNAMSIZ) return;
  throw new UserError(
    `"${name}" is no name for an interface`,
    `use 1 to ${IFNAMSIZ - 1} letters, digits, "-", "_" or "."`,
  );
}

/** A descriptor whose only use is to wake a thread out of `poll`. */
export function newEventDescriptor(): number {
  const fd = tunLibrary().eventfd(0, O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw new Error(`eventfd: ${errnoName(lastErrno())}`);
  return fd;
}

const ONE = new BigUint64Array(new ArrayBuffer(8)).fill(1n);

export function signalEvent(fd: number): void {
  tunLibrary().write(fd, ONE, ONE.byteLength);
}

/** Waits until one of two descriptors is readable. */
export class PollPair {
  readonly #entries = new Int32Array(new ArrayBuffer(2 * POLLFD_LENGTH));
  readonly #results = new Int16Array(this.#entries.buffer);
  readonly #address: Pointer;

  constructor(first: number, second: number) {
    this.#entries[0] = first;
    this.#entries[2] = second;
    this.#results[2] = POLLIN;
    this.#results[6] = POLLIN;
    this.#address = ptr(this.#entries);
  }

  /** Blocks the thread. "failed" when the first descriptor has an error: its device is gone. */
  wait(): "ready" | "failed" {
    if (tunLibrary().poll(this.#address, 2, -1) <= 0) return "ready";
    return ((this.#results[3] ?? 0) & ~POLLIN) !== 0 ? "failed" : "ready";
  }
}
