/** BLAKE2s, HMAC and the key derivation of WireGuard §5.4. */

import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";

/** Hash(a ‖ b ‖ …) */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const state = blake2s.create();
  for (const part of parts) state.update(part);
  return state.digest();
}

/** Mac(key, data): keyed BLAKE2s with 16 bytes of output. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, { key, dkLen: 16 });
}

/** Kdf1(key, input) */
export function kdf1(key: Uint8Array, input: Uint8Array): Uint8Array {
  return expand(hmac(blake2s, key, input), undefined, 1);
}

/** Kdf2(key, input) */
export function kdf2(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const secret = hmac(blake2s, key, input);
  const first = expand(secret, undefined, 1);
  const second = expand(secret, first, 2);
  secret.fill(0);
  return [first, second];
}

/** Kdf3(key, input) */
export function kdf3(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = hmac(blake2s, key, input);
  const first = expand(secret, undefined, 1);
  const second = expand(secret, first, 2);
  const third = expand(secret, second, 3);
  secret.fill(0);
  return [first, second, third];
}

function expand(secret: Uint8Array, previous: Uint8Array | undefined, step: number): Uint8Array {
  const state = hmac.create(blake2s, secret);
  if (previous !== undefined) state.update(previous);
  return state.update(Uint8Array.of(step)).digest();
}
