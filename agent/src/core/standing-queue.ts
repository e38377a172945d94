/**
 * Keeps packets from waiting for ever in the queues before us, the device's and the socket's. A sender that meets no loss
 * fills whatever queue there is, and everybody else then waits behind it. A queue that is not short once in a whole
 * interval does no good, so one packet is dropped, which tells TCP to send less, and further ones ever sooner until it is
 * short (CoDel's control law, RFC 8289 §3.2; by length, since the kernel does not say how long a packet has waited).
 */

/** RFC 8289 §4.4: the longest round trip of an ordinary connection. */
const INTERVAL_MS = 100;

export class StandingQueue {
  #dropAtMs: number | undefined;
  #drops = 0;
  #lastDropMs = Number.NEGATIVE_INFINITY;

  /** The queue was found empty, or nearly so. */
  isShort(): void {
    this.#dropAtMs = undefined;
  }

  /** The queue was found long. True when a packet of it is to be dropped. */
  isLong(now: number): boolean {
    if (this.#dropAtMs === undefined) {
      // One that stands again soon after is the same trouble, and met with what it took the last time.
      if (now - this.#lastDropMs > INTERVAL_MS * 8) this.#drops = 0;
      else this.#drops = Math.max(0, this.#drops - 2);
      this.#dropAtMs = now + INTERVAL_MS;
      return false;
    }
    if (now < this.#dropAtMs) return false;
    this.#drops++;
    this.#lastDropMs = now;
    this.#dropAtMs = now + INTERVAL_MS / Math.sqrt(this.#drops);
    return true;
  }
}
