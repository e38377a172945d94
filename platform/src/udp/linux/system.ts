/**
 * Linux's socket calls by FFI, and errors by their names.
 *
 * The batched calls go through `syscall`: musl's `sendmmsg` is a loop of single sends, and the kernel's own layout
 * then holds for every C library. `syscall` and `fcntl` are variadic in C; both architectures pass their integers in the
 * registers that fixed arguments take.
 */
import { FFIType, type Pointer, ptr } from "bun:ffi";
import { errnoName, lastErrno, openLibc } from "../../libc.ts";
import { callNumbers, LinuxNumber } from "./layout.ts";

const SYMBOLS = {
  syscall: {
    args: [FFIType.u64_fast, FFIType.u64_fast, "ptr", FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast],
    returns: "i32",
  },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "u64"], returns: FFIType.i64_fast },
  write: { args: ["i32", "ptr", "u64"], returns: FFIType.i64_fast },
  setpriority: { args: ["i32", "u32", "i32"], returns: "i32" },
  madvise: { args: ["ptr", "u64", "i32"], returns: "i32" },
  memmove: { args: ["ptr", "ptr", "u64"], returns: "ptr" },
} as const;

let library: ReturnType<typeof openLibc<typeof SYMBOLS>> | undefined;

export function system() {
  library ??= openLibc(SYMBOLS);
  return library;
}

/** Whether this machine's calls are the ones described here. */
export function hasBatchedCalls(): boolean {
  if (process.platform !== "linux" || callNumbers() === undefined) return false;
  try {
    system();
    return true;
  } catch {
    return false;
  }
}

/** Of x86-64, and of arm64 with pages of 4 KB; where they are others the advice does nothing. */
const HUGE_PAGE_BYTES = 2 << 20;

/**
 * Memory that the kernel is given addresses of: never moved, and alive as long as this object is. Large ones lie in huge
 * pages where the kernel has them to give: packets spread over megabytes cost it fewer walks through page tables.
 */
export class PinnedMemory {
  static readonly #all = new WeakMap<Uint8Array, PinnedMemory>();

  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly u32: Uint32Array<ArrayBuffer>;
  readonly i32: Int32Array<ArrayBuffer>;
  readonly address: number;
  readonly #f64: Float64Array<ArrayBuffer>;

  constructor(size: number) {
    const length = (size + 7) & ~7;
    const hugePages = Math.floor(length / HUGE_PAGE_BYTES);
    // The buffer first: an array that makes its buffer later moves, and its address with it.
    const buffer = new ArrayBuffer(hugePages === 0 ? length : length + HUGE_PAGE_BYTES);
    const start = hugePages === 0 ? 0 : -ptr(buffer) & (HUGE_PAGE_BYTES - 1);
    this.bytes = new Uint8Array(buffer, start, length);
    this.view = new DataView(buffer, start, length);
    this.u32 = new Uint32Array(buffer, start, length >> 2);
    this.i32 = new Int32Array(buffer, start, length >> 2);
    this.#f64 = new Float64Array(buffer, start, length >> 3);
    this.address = ptr(buffer) + start;
    if (hugePages > 0) {
      system().madvise(pointer(this.address), hugePages * HUGE_PAGE_BYTES, LinuxNumber.MADV_HUGEPAGE);
    }
    PinnedMemory.#all.set(this.bytes, this);
  }

  /** Whose `bytes` these are, if any's. */
  static of(bytes: Uint8Array): PinnedMemory | undefined {
    return PinnedMemory.#all.get(bytes);
  }

  /**
   * Writes an address (below 2^52) at an offset that is a multiple of 8. Without a conversion: with 2^52 added a number
   * lies in the lower 52 bits of its double, under the bits of that power.
   */
  setAddress(at: number, address: number): void {
    this.#f64[at >> 3] = address + 2 ** 52;
    const high = (at >> 2) + 1;
    this.i32[high] = (this.i32[high] ?? 0) & 0xf_ffff;
  }
}

export function pointer(address: number): Pointer {
  return address as Pointer;
}

/** An error of a system call with its name as `code`, as Bun's own sockets throw them. */
export function systemError(call: string): Error {
  const code = errnoName(lastErrno());
  return Object.assign(new Error(`${call}: ${code}`), { code });
}

const number = new PinnedMemory(4);

/** False when the kernel refuses. */
export function setOption(fd: number, level: number, option: number, value: number): boolean {
  number.u32[0] = value;
  return system().setsockopt(fd, level, option, number.bytes, 4) === 0;
}

/** A descriptor whose only use is to wake a thread out of `poll`. */
export function openEvent(): number {
  const fd = system().eventfd(0, LinuxNumber.EFD_NONBLOCK | LinuxNumber.EFD_CLOEXEC);
  if (fd < 0) throw systemError("eventfd");
  return fd;
}

/** Another descriptor of the same event (or file): open until it is closed, whoever closes the first. */
export function duplicateDescriptor(fd: number): number {
  const copy = system().fcntl(fd, LinuxNumber.F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw systemError("fcntl");
  return copy;
}

const one = new PinnedMemory(8);
one.u32[0] = 1;

export function signalEvent(fd: number): void {
  system().write(fd, one.bytes, 8);
}

const taken = new PinnedMemory(8);

/** Makes the event unsignalled again. */
export function clearEvent(fd: number): void {
  system().read(fd, taken.bytes, 8);
}

export function closeDescriptor(fd: number): void {
  system().close(fd);
}

/** setpriority(2): of a thread, the calling one. */
const PRIO_PROCESS = 0;
const THIS_THREAD = 0;

/**
 * Lets the calling thread go before others (-20) or after them (19). False where that takes a right that this process
 * does not have (CAP_SYS_NICE): then nothing changes.
 */
export function setThreadNiceness(niceness: number): boolean {
  return system().setpriority(PRIO_PROCESS, THIS_THREAD, niceness) === 0;
}
