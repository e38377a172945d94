/** The volley of probes that opens an untried path: when each leaves, and which of them only open our own NAT. */

/** In ms after the volley's start: wide enough for a round trip by satellite. */
const OFFSETS_MS = [0, 30, 60, 120, 200, 350, 550, 800, 1_200, 1_800, 2_600] as const;
/**
 * Of a first volley so many probes open our own NAT and die on the way, while the other side may yet have to begin.
 * When that was too little, all of the next volley's first fifth of a second does.
 */
const OPENERS = 2;
/** Leaves our own router and dies at the next one. */
export const OPENING_TTL = 2;
const OPENERS_OF_LATER_VOLLEYS = 5;

export class Volley {
  #sent = 0;
  #count = 0;
  #hasPeerBegun = false;
  #isHeard = false;

  begin(): void {
    this.#count++;
    this.#sent = 0;
    this.#hasPeerBegun = false;
    this.#isHeard = false;
  }

  /** The next one counts as the first again. */
  forgetEarlier(): void {
    this.#count = 0;
  }

  /** The peer has begun its volley. True when that is news. */
  peerHasBegun(): boolean {
    const isNews = !this.#hasPeerBegun;
    this.#hasPeerBegun = true;
    return isNews;
  }

  /** A probe of the peer came by the path. True for the first one since the volley began. */
  heard(): boolean {
    const isFirst = !this.#isHeard;
    this.#isHeard = true;
    this.#hasPeerBegun = true;
    return isFirst;
  }

  /** Whether there was one before this one. */
  get isLater(): boolean {
    return this.#count > 1;
  }

  /** Only one probe is left of it. */
  shorten(): void {
    this.#sent = OFFSETS_MS.length - 1;
  }

  reset(): void {
    this.#sent = 0;
  }

  /** Whether the next probe is early enough to die on the way: the other side may yet have to begin. */
  get isEarly(): boolean {
    return !this.#hasPeerBegun && this.#sent < (this.isLater ? OPENERS_OF_LATER_VOLLEYS : OPENERS);
  }

  /** A probe left; the next one does after so many ms, undefined when this was the last. */
  sent(): number | undefined {
    this.#sent++;
    const offsetMs = OFFSETS_MS[this.#sent];
    return offsetMs === undefined ? undefined : offsetMs - (OFFSETS_MS[this.#sent - 1] ?? 0);
  }
}
