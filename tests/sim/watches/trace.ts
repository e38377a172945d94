/** A digest of everything that was sent: equal digests mean equal runs. */
import type { Endpoint } from "@burrow/protocol";
import type { Clock } from "../clock.ts";
import { Mixer } from "../mixer.ts";
import type { Host } from "../net/host.ts";
import type { Tap } from "../net/network.ts";

const MICROSECONDS = 1_000;

export class Trace implements Tap {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #mixer = new Mixer();
  /** Endpoints by the order in which they came up. */
  readonly #numbers = new Map<Endpoint, number>();
  #datagrams = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs;
  }

  sent(by: Host, datagram: Uint8Array, to: Endpoint, fromPort: number): void {
    this.#datagrams++;
    this.#mixer
      .word((this.#clock.nowMs - this.#startMs) * MICROSECONDS)
      .word(this.#numberOf(by.endpoints[0]))
      .word(fromPort)
      .word(this.#numberOf(to))
      .bytes(datagram, 0, datagram.length);
  }

  arrived(): void {}

  get digest(): string {
    const lanes = [this.#mixer.a, this.#mixer.b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0"));
    return `${lanes.join("")}-${this.#datagrams}`;
  }

  #numberOf(endpoint: Endpoint | undefined): number {
    if (endpoint === undefined) return -1;
    const known = this.#numbers.get(endpoint);
    if (known !== undefined) return known;
    this.#numbers.set(endpoint, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}
