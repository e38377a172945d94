/** A digest of everything that was sent: equal digests mean equal runs. */
import type { Endpoint } from "@burrow/protocol";
import type { Clock } from "../clock.ts";
import type { Host } from "../net/host.ts";
import type { Tap } from "../net/network.ts";

export class Trace implements Tap {
  readonly #clock: Clock;
  #hash = 0n;
  #datagrams = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  sent(by: Host, datagram: Uint8Array, to: Endpoint): void {
    this.#datagrams++;
    this.#hash = Bun.hash.wyhash(`${this.#clock.nowMs} ${by.endpoints[0]} ${to}`, this.#hash);
    this.#hash = Bun.hash.wyhash(datagram, this.#hash);
  }

  arrived(): void {}

  get digest(): string {
    return `${this.#hash.toString(16).padStart(16, "0")}-${this.#datagrams}`;
  }
}
