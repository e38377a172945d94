/**
 * A wire of a given length: moves packets between two TUN devices in two network namespaces and hands each over
 * DELAY_MS after it came, in order. For kernels without `netem`. Runs as a process of its own inside the first namespace:
 *
 *   bun delay-line.ts DEVICE_HERE NETNS_FILE DEVICE_THERE DELAY_MS
 *
 * One thread, one `ppoll`, and per direction a ring of slots with a due time each: the delay is constant, so the
 * oldest packet is always the next one due. A full ring drops what comes, as a full queue does.
 */
import { dlopen, type Pointer, ptr } from "bun:ffi";

/** Larger than any packet of a device with the usual MTU of 1500, and a power of two. */
const SLOT_BYTES = 2048;

/** 100 ms at 160,000 packets a second. Untouched pages cost nothing. */
const SLOTS = 16_384;

/** Packets taken from one device before the others get their turn. */
const BURST = 128;

/** Below a second, so that the whole of it fits the nanoseconds of a `timespec`. */
const WAIT_MAX_MS = 999;

// <linux/if_tun.h>, <linux/prctl.h>, <sched.h>, <fcntl.h>, <poll.h>
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFREQ_BYTES = 40;
const IFREQ_FLAGS_AT = 16;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const CLONE_NEWNET = 0x40000000;
const O_RDONLY = 0;
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const POLLIN = 1;
const POLLFD_BYTES = 8;

const libc = dlopen("libc.so.6", {
  open: { args: ["ptr", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "u64"], returns: "i32" },
  setns: { args: ["i32", "i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "u64"], returns: "i32" },
  write: { args: ["i32", "ptr", "u64"], returns: "i32" },
  ppoll: { args: ["ptr", "u64", "ptr", "ptr"], returns: "i32" },
}).symbols;

/** One direction: reads from one device, writes to the other. */
class Lane {
  readonly #from: number;
  readonly #to: number;
  readonly #delayMs: number;
  // The buffer first, the pointer from it: a pointer taken from a fresh typed array would not survive its `.buffer`.
  readonly #packets = new ArrayBuffer(SLOTS * SLOT_BYTES);
  readonly #address = ptr(this.#packets);
  readonly #lengths = new Uint16Array(SLOTS);
  readonly #due = new Float64Array(SLOTS);
  #first = 0;
  #count = 0;

  constructor(from: number, to: number, delayMs: number) {
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
  }

  /** When the next packet must leave; `Infinity` when none waits. */
  get nextDue(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : (this.#due[this.#first] ?? 0);
  }

  takeIn(now: number): void {
    for (let taken = 0; taken < BURST; taken++) {
      const full = this.#count === SLOTS;
      // A full ring overwrites its newest packet, which is the one that is lost.
      const slot = (this.#first + (full ? SLOTS - 1 : this.#count)) % SLOTS;
      const length = libc.read(this.#from, this.#at(slot), SLOT_BYTES);
      if (length <= 0) return;
      this.#lengths[slot] = length;
      this.#due[slot] = now + this.#delayMs;
      if (!full) this.#count += 1;
    }
  }

  letOut(now: number): void {
    while (this.#count > 0 && (this.#due[this.#first] ?? 0) <= now) {
      // A device that is down refuses the packet: gone, as on a wire.
      libc.write(this.#to, this.#at(this.#first), this.#lengths[this.#first] ?? 0);
      this.#first = (this.#first + 1) % SLOTS;
      this.#count -= 1;
    }
  }

  #at(slot: number): Pointer {
    return (this.#address + slot * SLOT_BYTES) as Pointer;
  }
}

function main(args: readonly string[]): void {
  const [deviceHere, netns, deviceThere, delay] = args;
  const delayMs = Number(delay);
  if (deviceHere === undefined || netns === undefined || deviceThere === undefined || !(delayMs >= 0)) {
    fail("usage: delay-line.ts DEVICE_HERE NETNS_FILE DEVICE_THERE DELAY_MS", 2);
  }
  // Not longer than the lab that needs it.
  libc.prctl(PR_SET_PDEATHSIG, SIGKILL);

  const here = openTun(deviceHere);
  enterNamespace(netns);
  const there = openTun(deviceThere);
  console.log("ready");

  const lanes = [new Lane(here, there, delayMs), new Lane(there, here, delayMs)] as const;
  const pollfds = new ArrayBuffer(2 * POLLFD_BYTES);
  const pollView = new DataView(pollfds);
  pollView.setInt32(0, here, true);
  pollView.setInt16(4, POLLIN, true);
  pollView.setInt32(POLLFD_BYTES, there, true);
  pollView.setInt16(POLLFD_BYTES + 4, POLLIN, true);
  const timeout = new ArrayBuffer(16);
  const timeoutView = new BigInt64Array(timeout);
  const [pollPtr, timeoutPtr] = [ptr(pollfds), ptr(timeout)];

  for (;;) {
    const waitMs = Math.min(lanes[0].nextDue, lanes[1].nextDue) - performance.now();
    timeoutView[1] = BigInt(Math.round(Math.min(Math.max(waitMs, 0), WAIT_MAX_MS) * 1e6));
    libc.ppoll(pollPtr, 2, timeoutPtr, null);
    const now = performance.now();
    for (const lane of lanes) lane.takeIn(now);
    for (const lane of lanes) lane.letOut(now);
  }
}

function openTun(device: string): number {
  const fd = openFile("/dev/net/tun", O_RDWR | O_NONBLOCK);
  const request = new ArrayBuffer(IFREQ_BYTES);
  new TextEncoder().encodeInto(device, new Uint8Array(request, 0, IFREQ_FLAGS_AT - 1));
  new DataView(request).setUint16(IFREQ_FLAGS_AT, IFF_TUN | IFF_NO_PI, true);
  if (libc.ioctl(fd, TUNSETIFF, ptr(request)) !== 0) fail(`cannot attach to the TUN device ${device}`);
  return fd;
}

/** For the calling thread, which is the only one that matters here: a TUN belongs where its file was opened. */
function enterNamespace(file: string): void {
  if (libc.setns(openFile(file, O_RDONLY), CLONE_NEWNET) !== 0) fail(`cannot enter the namespace ${file}`);
}

function openFile(path: string, flags: number): number {
  const name = new TextEncoder().encode(`${path}\0`);
  const fd = libc.open(ptr(name), flags);
  if (fd < 0) fail(`cannot open ${path}`);
  return fd;
}

function fail(message: string, exitCode = 1): never {
  console.error(`delay-line: ${message}`);
  process.exit(exitCode);
}

main(process.argv.slice(2));
