/**
 * The C library, opened by whichever name this system has for it, and what an errno means.
 * Leaves the choice of functions to its callers: each declares the few symbols that it uses.
 */
import { dlopen, type FFIFunction, read } from "bun:ffi";
import { UserError } from "@burrow/protocol";

/** On Linux glibc, then musl as it names itself on x86-64 and arm64. */
const LIBRARY_NAMES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"],
  darwin: ["libSystem.B.dylib"],
};

/** Linux's numbers, the same on x86-64 and arm64 (asm-generic/errno-base.h, errno.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EBADFD: 77,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
} as const;

export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(ERRNO)) if (value === errno) return name;
  return `errno ${errno}`;
}

/** Opens the C library with the given symbols; where that cannot be, a UserError. */
export function openLibc<const Symbols extends Record<string, FFIFunction>>(symbols: Symbols) {
  let cause: unknown;
  for (const name of LIBRARY_NAMES[process.platform] ?? []) {
    try {
      return dlopen(name, symbols).symbols;
    } catch (error) {
      cause = error;
    }
  }
  throw new UserError(
    "the C library cannot be opened for direct system calls",
    "run on Linux (x86-64 or arm64, glibc or musl) or macOS",
    { cause },
  );
}

const ERRNO_SYMBOLS = { __errno_location: { args: [], returns: "ptr" } } as const;
let errnoLibrary: ReturnType<typeof openLibc<typeof ERRNO_SYMBOLS>> | undefined;

/** The calling thread's errno, on Linux; ask at once after the call that failed. */
export function lastErrno(): number {
  errnoLibrary ??= openLibc(ERRNO_SYMBOLS);
  const location = errnoLibrary.__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}
