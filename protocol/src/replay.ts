/**
 * Sliding replay window (RFC 6479): which counters were seen, in a ring of 32-bit words that is never shifted.
 * Counters are numbers below 2^53; whoever uses this retires the key long before that.
 *
 *   word:      ... [ cleared when reached ] [ newest ] [ ............ window ............ ] [ forgotten ] ...
 *   counters:  jump ahead of any size is fine     at most 16,352 behind the newest            always refused
 */
const WORD_BITS = 32;
/** A ring of 2^14 bits. One word is always being filled, so the window is one word short of the ring. */
const RING_WORDS = 512;

/** How far behind the newest counter a packet may come; more than the 2^13 that links with many paths need. */
export const REPLAY_WINDOW_COUNTERS = (RING_WORDS - 1) * WORD_BITS;

export class ReplayWindow {
  readonly #ring = new Uint32Array(RING_WORDS);
  /** One more than the newest counter accepted; 0 at first. */
  #next = 0;

  /** Would this counter be taken? Changes nothing, so it may be asked before the packet is authenticated. */
  isFresh(counter: number): boolean {
    if (counter >= this.#next) return true;
    if (counter + REPLAY_WINDOW_COUNTERS < this.#next) return false;
    const word = this.#ring[Math.floor(counter / WORD_BITS) % RING_WORDS] ?? 0;
    return (word & (1 << (counter % WORD_BITS))) === 0;
  }

  /** Takes an authenticated packet's counter. False when it is a replay or too old; then nothing changes. */
  accept(counter: number): boolean {
    if (!this.isFresh(counter)) return false;
    const index = Math.floor(counter / WORD_BITS);
    if (counter >= this.#next) {
      const newest = this.#next === 0 ? -1 : Math.floor((this.#next - 1) / WORD_BITS);
      const cleared = Math.min(index - newest, RING_WORDS);
      for (let i = 0; i < cleared; i++) this.#ring[(index - i) % RING_WORDS] = 0;
      this.#next = counter + 1;
    }
    const slot = index % RING_WORDS;
    this.#ring[slot] = (this.#ring[slot] ?? 0) | (1 << (counter % WORD_BITS));
    return true;
  }

  reset(): void {
    this.#ring.fill(0);
    this.#next = 0;
  }
}
