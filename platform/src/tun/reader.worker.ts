/**
 * The thread that waits for the device: reads packets straight into the ring, wakes the main thread when it is not
 * awake, and sleeps while the ring is full (the kernel then queues, and drops what is beyond its queue).
 */
import { type Pointer, ptr } from "bun:ffi";
import { parentPort, workerData } from "node:worker_threads";
import { PollPair, tunLibrary } from "./kernel.ts";
import { RingWriter } from "./ring.ts";

export interface ReaderSettings {
  readonly ring: SharedArrayBuffer;
  readonly deviceFd: number;
  readonly stopFd: number;
  readonly packetMax: number;
}

/** What the main thread is told: reading begins; there are packets; the device is gone. */
export const READER_READY = "ready";
export const READER_WAKE = "wake";
export const READER_GONE = "gone";

function readUntilStopped({ ring: shared, deviceFd, stopFd, packetMax }: ReaderSettings): void {
  const libc = tunLibrary();
  const ring = new RingWriter(shared, packetMax);
  const base = ptr(ring.data);
  const poll = new PollPair(deviceFd, stopFd);
  parentPort?.postMessage(READER_READY);
  while (!ring.stopped) {
    const at = ring.reserve();
    if (at === -1) {
      ring.waitForRoom();
      continue;
    }
    const length = Number(libc.read(deviceFd, (base + at) as Pointer, packetMax));
    if (length > 0) {
      ring.commit(length);
      if (ring.shouldWake()) parentPort?.postMessage(READER_WAKE);
    } else if (poll.wait() === "failed") {
      // Whatever the errno was: nothing to read yet is what poll waits for, and anything worse it reports.
      if (!ring.stopped) parentPort?.postMessage(READER_GONE);
      return;
    }
  }
}

/** Other parts' workers load this module as well, by the package's door. */
function isReader(data: Partial<ReaderSettings> | null): data is ReaderSettings {
  return parentPort !== null && data?.ring instanceof SharedArrayBuffer && data.deviceFd !== undefined;
}

if (isReader(workerData)) readUntilStopped(workerData);
