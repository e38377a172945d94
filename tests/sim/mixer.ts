/**
 * Words and bytes mixed into 64 bits, in two lanes by MurmurHash3's steps: nothing but arithmetic on small numbers, since
 * a world does this for every packet several times.
 */
type Bytes = Uint8Array;

export class Mixer {
  #a = 0;
  #b = 0;

  reset(a: number, b: number): this {
    this.#a = a;
    this.#b = b;
    return this;
  }

  word(word: number): this {
    const k = Math.imul(word, 0xcc9e2d51);
    const spread = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    const a = this.#a ^ spread;
    this.#a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
    const b = this.#b + spread;
    this.#b = Math.imul(b ^ (b >>> 15), 0x85ebca6b) ^ this.#a;
    return this;
  }

  bytes(bytes: Bytes, offset: number, length: number): this {
    const end = offset + length;
    let at = offset;
    for (; at + 4 <= end; at += 4) this.word(wordAt(bytes, at));
    for (; at < end; at++) this.word((bytes[at] ?? 0) + 0x100);
    return this.word(length);
  }

  get a(): number {
    return this.#a;
  }

  get b(): number {
    return this.#b;
  }
}

function wordAt(bytes: Bytes, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}
