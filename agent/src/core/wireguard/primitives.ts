/**
 * The cryptography the engine stands on, as an interface, and its portable implementation. The platform brings a
 * native one behind the same interface; BLAKE2s stays here (hash.ts), as it is used for handshakes alone.
 *
 *   const key = primitives.aeadKey(secret);
 *   buffer.set(packet, 16);
 *   key.seal(counter, buffer, 16, packet.length);     // buffer: 16 bytes free, ciphertext, 16-byte tag
 *   key.open(counter, datagram, 16, datagram.length - 16, buffer, 0);
 */
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";

export const KEY_LENGTH = 32;
export const TAG_LENGTH = 16;
const NONCE_LENGTH = 12;

/**
 * ChaCha20-Poly1305 (RFC 8439) under one key; the nonce is four zero bytes and the counter, little-endian (WireGuard
 * §5.4.6). Buffers come as (array, offset, length) so that an implementation needs no views and allocates nothing.
 */
export interface AeadKey {
  /** Encrypts `length` bytes at `offset` where they lie and writes the 16-byte tag behind them. */
  seal(counter: number, buffer: Uint8Array, offset: number, length: number, ad?: Uint8Array): void;
  /**
   * Decrypts `sealedLength` bytes, tag included, to `out`. False when they are forged or shorter than a tag; what
   * lies in `out` is then unspecified. `out` is another buffer than `sealed`.
   */
  open(
    counter: number,
    sealed: Uint8Array,
    sealedOffset: number,
    sealedLength: number,
    out: Uint8Array,
    outOffset: number,
    ad?: Uint8Array,
  ): boolean;
  /** Wipes the key. The object is not used again. */
  destroy(): void;
}

export interface WireGuardPrimitives {
  /** RFC 7748. Undefined when the result is all zeros: the public key is of low order, nothing is shared. */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  x25519Public(privateKey: Uint8Array): Uint8Array;
  /** Copies the key. */
  aeadKey(key: Uint8Array): AeadKey;
  /** XChaCha20-Poly1305, for cookies: 24-byte nonce. */
  xaeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array;
  /** Undefined when forged. */
  xaeadOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, ad: Uint8Array): Uint8Array | undefined;
}

/** Portable and slow for bulk data (about 15 MB/s); right for handshakes and where nothing native loads. */
export const noblePrimitives: WireGuardPrimitives = {
  x25519: (privateKey, publicKey) => undefinedIfThrown(() => x25519.getSharedSecret(privateKey, publicKey)),
  x25519Public: (privateKey) => x25519.getPublicKey(privateKey),
  aeadKey: (key) => new NobleAeadKey(key),
  xaeadSeal: (key, nonce, plaintext, ad) => xchacha20poly1305(key, nonce, ad).encrypt(plaintext),
  xaeadOpen: (key, nonce, sealed, ad) =>
    undefinedIfThrown(() => xchacha20poly1305(key, nonce, ad).decrypt(sealed)),
};

class NobleAeadKey implements AeadKey {
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_LENGTH);
  readonly #nonceView = new DataView(this.#nonce.buffer);

  constructor(key: Uint8Array) {
    this.#key = key.slice();
  }

  seal(counter: number, buffer: Uint8Array, offset: number, length: number, ad?: Uint8Array): void {
    this.#setNonce(counter);
    const sealed = chacha20poly1305(this.#key, this.#nonce, ad).encrypt(
      buffer.subarray(offset, offset + length),
    );
    buffer.set(sealed, offset);
  }

  open(
    counter: number,
    sealed: Uint8Array,
    sealedOffset: number,
    sealedLength: number,
    out: Uint8Array,
    outOffset: number,
    ad?: Uint8Array,
  ): boolean {
    if (sealedLength < TAG_LENGTH) return false;
    this.#setNonce(counter);
    const cipher = chacha20poly1305(this.#key, this.#nonce, ad);
    const plaintext = undefinedIfThrown(() =>
      cipher.decrypt(sealed.subarray(sealedOffset, sealedOffset + sealedLength)),
    );
    if (plaintext === undefined) return false;
    out.set(plaintext, outOffset);
    return true;
  }

  destroy(): void {
    this.#key.fill(0);
  }

  #setNonce(counter: number): void {
    this.#nonceView.setUint32(4, counter % 0x1_0000_0000, true);
    this.#nonceView.setUint32(8, Math.floor(counter / 0x1_0000_0000), true);
  }
}

/** noble throws where we want a value: on forged input and on keys of low order, both of them a stranger's doing. */
function undefinedIfThrown<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}
