/** A digest of everything that was sent: equal digests mean equal runs. */
import type { Endpoint } from "@burrow/protocol";
import type { Clock } from "../clock.ts";
import type { Host, Tap } from "../net/network.ts";

export class Trace implements Tap {
  readonly #clock: Clock;
  /** FNV-1a, twice with different starts. */
  #low = 0x811c9dc5;
  #high = 0x01234567;
  #datagrams = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  sent(by: Host, datagram: Uint8Array, to: Endpoint): void {
    this.#datagrams++;
    for (const letter of `${this.#clock.nowMs} ${by.address} ${to} `) this.#mix(letter.charCodeAt(0));
    // The end of a datagram is its tag: it depends on all that is inside.
    for (const byte of datagram.subarray(-8)) this.#mix(byte);
  }

  arrived(): void {}

  get digest(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return `${hex(this.#high)}${hex(this.#low)}-${this.#datagrams}`;
  }

  #mix(byte: number): void {
    this.#low = Math.imul(this.#low ^ byte, 0x01000193);
    this.#high = Math.imul(this.#high ^ byte, 0x01000193) ^ (this.#low >>> 13);
  }
}
