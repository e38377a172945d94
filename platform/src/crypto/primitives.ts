/**
 * The cryptography that needs speed, behind one interface: native where libsodium loads, portable everywhere.
 * What a WireGuard engine asks for fits it by structure. Implementations pass `primitives.contract.ts`.
 *
 *   const primitives = nativePrimitives();           // kind: "native", or "portable" where nothing native loads
 *   const key = primitives.aeadKey(secret);
 *   buffer.set(packet, 16);
 *   key.seal(counter, buffer, 16, packet.length);    // buffer: 16 bytes free, ciphertext, 16-byte tag
 */

export const KEY_LENGTH = 32;
export const TAG_LENGTH = 16;
export const NONCE_LENGTH = 12;
export const XNONCE_LENGTH = 24;

/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) under one key; the nonce is four zero bytes and the counter, little-endian
 * (WireGuard §5.4.6). Counters are exact below 2^53; keys are retired long before.
 */
export interface AeadKey {
  /** Encrypts `length` bytes at `offset` where they lie and writes the 16-byte tag behind them. */
  seal(counter: number, buffer: Uint8Array, offset: number, length: number, ad?: Uint8Array): void;
  /**
   * Decrypts `sealedLength` bytes, tag included, to `out`. False when they are forged or shorter than a tag; what
   * lies in `out` is then unspecified. `out` may be `sealed` itself at the same offset, but not overlap it otherwise.
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
  /**
   * Authenticates without encrypting: writes the tag of `length` bytes at `offset`, as additional data to no plaintext,
   * behind them. `noncePrefix` stands in place of the nonce's zero bytes, little-endian.
   */
  sign(noncePrefix: number, counter: number, buffer: Uint8Array, offset: number, length: number): void;
  /** Whether the tag of the `length` bytes at `offset` lies behind them. */
  verify(noncePrefix: number, counter: number, buffer: Uint8Array, offset: number, length: number): boolean;
  /** Wipes the key. The object is not used again. */
  destroy(): void;
}

export interface Primitives {
  /** "portable" seals some 60 times slower: worth a warning to whoever carries bulk data. */
  readonly kind: "native" | "portable";
  /** RFC 7748 §5. Undefined when the result is all zeros: the public key is of low order, nothing is shared. */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  x25519Public(privateKey: Uint8Array): Uint8Array;
  /** Copies the key. */
  aeadKey(key: Uint8Array): AeadKey;
  /** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): 24-byte nonce, the tag behind the ciphertext. */
  xaeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array;
  /** Undefined when forged or shorter than a tag. */
  xaeadOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, ad: Uint8Array): Uint8Array | undefined;
  randomBytes(length: number): Uint8Array;
}

/** A nonce for counters, written in place: 32 bits, by default zero, and 64 bits, all little-endian. */
export class CounterNonce {
  readonly bytes = new Uint8Array(NONCE_LENGTH);
  readonly #view = new DataView(this.bytes.buffer);

  set(counter: number, prefix = 0): Uint8Array {
    this.#view.setUint32(0, prefix, true);
    this.#view.setUint32(4, counter % 0x1_0000_0000, true);
    this.#view.setUint32(8, Math.floor(counter / 0x1_0000_0000), true);
    return this.bytes;
  }
}

/** For what throws on a stranger's doing (forged bytes, keys of low order) where a value is wanted. */
export function undefinedIfThrown<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

export function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  // Web Crypto gives at most 65,536 bytes at a time.
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}
