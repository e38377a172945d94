/** Cryptography for simulated parts: real and native, with the scenario's dice in place of true randomness. */
import { nativePrimitives } from "@burrow/platform";
import type { Sealer } from "@burrow/protocol";
import type { Random } from "../random.ts";

const native = nativePrimitives();

export const sealer: Sealer = {
  seal: (key, nonce, header, plaintext) => native.xaeadSeal(key, nonce, plaintext, header),
  open: (key, nonce, header, sealed) => native.xaeadOpen(key, nonce, sealed, header),
};

export const agreement = native.x25519;

export function primitivesWith(random: Random) {
  return { ...native, randomBytes: random.bytes };
}

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function keyPair(random: Random): KeyPair {
  const privateKey = random.bytes(32);
  return { privateKey, publicKey: native.x25519Public(privateKey) };
}
