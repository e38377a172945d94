/** The side channel between one client and the coordinator: ordered texts with a delay, until it breaks. */
import type { ParsedMessage } from "@burrow/protocol";
import type { Clock } from "../clock.ts";

export class Channel {
  readonly #clock: Clock;
  readonly #delayMs: number;
  #open = true;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** As text and back, so that what arrives is what the schema lets through. False when the channel is closed. */
  carry<T>(parse: (text: string) => ParsedMessage<T>, message: unknown, to: (message: T) => void): boolean {
    if (!this.#open) return false;
    const parsed = parse(JSON.stringify(message));
    if (!parsed.ok) throw new Error(`a message that its schema refuses: ${parsed.problem}`);
    this.#clock.in(this.#delayMs, () => {
      if (this.#open) to(parsed.message);
    });
    return true;
  }

  close(): void {
    this.#open = false;
  }
}
