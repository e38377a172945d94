/** Whose is a receiver index? Ours are random (WireGuard §5.4), one per outstanding initiation and per keypair. */
import type { Keypair } from "./keypairs.ts";
import type { Peer } from "./peer.ts";

/** What an index of ours stands for: a session, or (keypair undefined) an initiation that waits. */
export interface IndexEntry {
  readonly peer: Peer;
  readonly keypair: Keypair | undefined;
}

export class IndexTable {
  readonly #entries = new Map<number, IndexEntry>();
  readonly #random: (out: Uint8Array) => void;
  readonly #draw = new Uint32Array(1);
  readonly #drawBytes = new Uint8Array(this.#draw.buffer);

  constructor(random: (out: Uint8Array) => void) {
    this.#random = random;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** An index that nobody has. It is taken with `set`. */
  draw(): number {
    for (;;) {
      this.#random(this.#drawBytes);
      const index = this.#draw[0] ?? 0;
      if (!this.#entries.has(index)) return index;
    }
  }

  get(index: number): IndexEntry | undefined {
    return this.#entries.get(index);
  }

  set(index: number, entry: IndexEntry): void {
    this.#entries.set(index, entry);
  }

  delete(index: number): void {
    this.#entries.delete(index);
  }
}
