/**
 * The cryptography the engine stands on, as an interface. The platform implements it, natively and portably, and holds
 * every implementation to one contract; BLAKE2s stays here (hash.ts), as it is used for handshakes alone.
 *
 *   const key = primitives.aeadKey(secret);
 *   buffer.set(packet, 16);
 *   key.seal(counter, buffer, 16, packet.length);     // buffer: 16 bytes free, ciphertext, 16-byte tag
 *   key.open(counter, datagram, 16, datagram.length - 16, buffer, 0);
 */

export const KEY_LENGTH = 32;
export const TAG_LENGTH = 16;

/**
 * ChaCha20-Poly1305 (RFC 8439) under one key; the nonce is four zero bytes and the counter, little-endian (WireGuard
 * §5.4.6). Buffers come as (array, offset, length) so that an implementation needs no views and allocates nothing.
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
