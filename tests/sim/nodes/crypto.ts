/** Cryptography for simulated parts: agreements and hashes as they are, a cheap stand-in for what seals each packet. */
import { nativePrimitives, type Primitives } from "@burrow/platform";
import type { Sealer, TrunkMacOf } from "@burrow/protocol";
import type { Random } from "../random.ts";
import { StandInKey, standInSealer } from "./stand-in.ts";

const native = nativePrimitives();

export const sealer: Sealer = standInSealer;

export const trunkMac: TrunkMacOf = (key) => new StandInKey(key);

export const agreement = native.x25519;

/** With the scenario's dice in place of true randomness. */
export function primitivesWith(random: Random): Primitives {
  return {
    ...native,
    aeadKey: (key) => new StandInKey(key),
    xaeadSeal: (key, nonce, plaintext, ad) => sealer.seal(key, nonce, ad, plaintext),
    xaeadOpen: (key, nonce, sealed, ad) => sealer.open(key, nonce, ad, sealed),
    randomBytes: random.bytes,
  };
}

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function keyPair(random: Random): KeyPair {
  const privateKey = random.bytes(32);
  return { privateKey, publicKey: native.x25519Public(privateKey) };
}
