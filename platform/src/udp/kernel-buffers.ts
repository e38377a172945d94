/** Sizes of a socket's kernel buffers, where the C library can be asked; elsewhere the system's defaults stay. */
import { openLibc } from "../libc.ts";

/** asm-generic/socket.h: the same on x86-64 and arm64. */
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
/** The same beyond the system's maximum, for those with CAP_NET_ADMIN. */
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const INT_BYTES = 4;

const SYMBOLS = {
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
} as const;

let library: ReturnType<typeof openLibc<typeof SYMBOLS>> | undefined;

export interface BufferSizes {
  readonly recvBufferBytes?: number | undefined;
  readonly sendBufferBytes?: number | undefined;
}

/** Asks for the sizes; returns the receive buffer that there is now, or undefined where that is unknown. */
export function sizeKernelBuffers(fd: number, wanted: BufferSizes): number | undefined {
  // The option numbers are Linux's.
  if (process.platform !== "linux") return undefined;
  try {
    library ??= openLibc(SYMBOLS);
  } catch {
    return undefined;
  }
  const value = new Int32Array(new ArrayBuffer(INT_BYTES));
  const length = new Int32Array(new ArrayBuffer(INT_BYTES));
  const set = (option: number, force: number, bytes: number | undefined) => {
    if (bytes === undefined || library === undefined) return;
    value[0] = bytes;
    if (library.setsockopt(fd, SOL_SOCKET, force, value, INT_BYTES) !== 0) {
      library.setsockopt(fd, SOL_SOCKET, option, value, INT_BYTES);
    }
  };
  set(SO_RCVBUF, SO_RCVBUFFORCE, wanted.recvBufferBytes);
  set(SO_SNDBUF, SO_SNDBUFFORCE, wanted.sendBufferBytes);
  length[0] = INT_BYTES;
  return library.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, length) === 0 ? value[0] : undefined;
}
