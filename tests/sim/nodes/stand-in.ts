/**
 * A stand-in for ChaCha20-Poly1305 in simulated worlds: a few nanoseconds a byte, no view and no call into native code.
 * It keeps what machines rely on: only the same key, nonce and additional data open a packet, and only whole. It keeps
 * nothing secret. The real one is proven where it is used (platform/src/crypto, agent/src/core/wireguard).
 */
import type { AeadKey } from "@burrow/platform";
import type { Sealer } from "@burrow/protocol";
import { Mixer } from "../mixer.ts";

type Bytes = Uint8Array;

const TAG_LENGTH = 16;
const NOTHING = new Uint8Array(0);

const mixer = new Mixer();

/** Hides a packet's bytes from careless eyes. */
function xor(bytes: Bytes, offset: number, length: number, pad: number): void {
  for (let i = 0; i < length; i++) bytes[offset + i] = (bytes[offset + i] ?? 0) ^ (pad >>> ((i & 3) * 8));
}

function writeTag(out: Bytes, at: number): void {
  for (let i = 0; i < TAG_LENGTH; i++) out[at + i] = tagByte(i);
}

function isTag(bytes: Bytes, at: number): boolean {
  for (let i = 0; i < TAG_LENGTH; i++) if (bytes[at + i] !== tagByte(i)) return false;
  return true;
}

function tagByte(i: number): number {
  const word = i < 4 ? mixer.a : i < 8 ? mixer.b : i < 12 ? mixer.a ^ mixer.b : mixer.a + mixer.b;
  return (word >>> ((i & 3) * 8)) & 0xff;
}

function keyed(key: Bytes): Mixer {
  return mixer.reset(1, 2).bytes(key, 0, key.length);
}

/** As of sealed probes, binds and cookies. */
export const standInSealer: Sealer = {
  seal(key, nonce, header, plaintext) {
    const sealed = new Uint8Array(plaintext.length + TAG_LENGTH);
    sealed.set(plaintext);
    keyed(key).bytes(nonce, 0, nonce.length);
    xor(sealed, 0, plaintext.length, mixer.a);
    mixer.bytes(header, 0, header.length).bytes(sealed, 0, plaintext.length);
    writeTag(sealed, plaintext.length);
    return sealed;
  },
  open(key, nonce, header, sealed) {
    const length = sealed.length - TAG_LENGTH;
    if (length < 0) return undefined;
    keyed(key).bytes(nonce, 0, nonce.length);
    const pad = mixer.a;
    mixer.bytes(header, 0, header.length).bytes(sealed, 0, length);
    if (!isTag(sealed, length)) return undefined;
    const plaintext = sealed.slice(0, length);
    xor(plaintext, 0, length, pad);
    return plaintext;
  },
};

export class StandInKey implements AeadKey {
  readonly #a: number;
  readonly #b: number;

  constructor(key: Bytes) {
    keyed(key);
    this.#a = mixer.a;
    this.#b = mixer.b;
  }

  seal(counter: number, buffer: Bytes, offset: number, length: number, ad: Bytes = NOTHING): void {
    this.#begin(0, counter);
    xor(buffer, offset, length, mixer.a);
    mixer.bytes(ad, 0, ad.length).bytes(buffer, offset, length);
    writeTag(buffer, offset + length);
  }

  open(
    counter: number,
    sealed: Bytes,
    sealedOffset: number,
    sealedLength: number,
    out: Bytes,
    outOffset: number,
    ad: Bytes = NOTHING,
  ): boolean {
    const length = sealedLength - TAG_LENGTH;
    if (length < 0) return false;
    this.#begin(0, counter);
    const pad = mixer.a;
    mixer.bytes(ad, 0, ad.length).bytes(sealed, sealedOffset, length);
    if (!isTag(sealed, sealedOffset + length)) return false;
    for (let i = 0; i < length; i++) out[outOffset + i] = sealed[sealedOffset + i] ?? 0;
    xor(out, outOffset, length, pad);
    return true;
  }

  sign(noncePrefix: number, counter: number, buffer: Bytes, offset: number, length: number): void {
    this.#begin(noncePrefix, counter).bytes(buffer, offset, length);
    writeTag(buffer, offset + length);
  }

  verify(noncePrefix: number, counter: number, buffer: Bytes, offset: number, length: number): boolean {
    this.#begin(noncePrefix, counter).bytes(buffer, offset, length);
    return isTag(buffer, offset + length);
  }

  destroy(): void {}

  #begin(noncePrefix: number, counter: number): Mixer {
    return mixer
      .reset(this.#a, this.#b)
      .word(noncePrefix)
      .word(counter | 0)
      .word(Math.floor(counter / 0x1_0000_0000));
  }
}
