/** Waits, blocking the thread, until one of several descriptors can be read, or written where that is asked for. */
import { LinuxNumber, Pollfd } from "./layout.ts";
import { PinnedMemory, pointer, system } from "./system.ts";

export class Poller {
  readonly #entries: PinnedMemory;
  readonly #count: number;

  constructor(descriptors: readonly number[]) {
    this.#count = descriptors.length;
    this.#entries = new PinnedMemory(descriptors.length * Pollfd.size);
    for (const [i, fd] of descriptors.entries()) {
      this.#entries.u32[(i * Pollfd.size) >> 2] = fd;
      this.#want(i, LinuxNumber.POLLIN, true);
    }
  }

  /** Whether something to read from descriptor `i` ends the wait, as it does unless this says otherwise. */
  wantRead(i: number, wanted: boolean): void {
    this.#want(i, LinuxNumber.POLLIN, wanted);
  }

  /** Whether room to write to descriptor `i` ends the wait as well. */
  wantWrite(i: number, wanted: boolean): void {
    this.#want(i, LinuxNumber.POLLOUT, wanted);
  }

  /** Returns after `timeoutMs` at the latest (rounded up), or on a signal. */
  wait(timeoutMs: number): void {
    const count = system().poll(pointer(this.#entries.address), this.#count, Math.ceil(timeoutMs));
    if (count > 0) return;
    for (let i = 0; i < this.#count; i++) {
      this.#entries.view.setInt16(i * Pollfd.size + Pollfd.revents, 0, true);
    }
  }

  #want(i: number, event: number, wanted: boolean): void {
    const at = i * Pollfd.size + Pollfd.events;
    const others = this.#entries.view.getInt16(at, true) & ~event;
    this.#entries.view.setInt16(at, wanted ? others | event : others, true);
  }

  /** Something is there to read (an error counts) since the last wait. */
  canRead(i: number): boolean {
    const events = this.#entries.view.getInt16(i * Pollfd.size + Pollfd.revents, true);
    return (events & ~LinuxNumber.POLLOUT) !== 0;
  }

  canWrite(i: number): boolean {
    const events = this.#entries.view.getInt16(i * Pollfd.size + Pollfd.revents, true);
    return (events & LinuxNumber.POLLOUT) !== 0;
  }
}
