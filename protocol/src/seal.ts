/**
 * Sealing of control packets: XChaCha20-Poly1305 with 24 random nonce bytes (draft-irtf-cfrg-xchacha-03), so that
 * no party needs to keep a counter across restarts. Randomness is an argument: callers pass the nonce.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { type Bytes, equalBytes } from "./bytes.ts";
import { fromBase64, toBase64, utf8 } from "./encoding.ts";
import { type KeyText, keyFromText, keyToText, type PublicKey } from "./ids.ts";

export const NONCE_LENGTH = 24;
export const TAG_LENGTH = 16;
export const SYMMETRIC_KEY_LENGTH = 32;

/** 32 bytes shared by the two who seal and open. */
export type SymmetricKey = Bytes & { readonly __brand?: "SymmetricKey" };

/** The two calls that everything sealed goes through, so that a native AEAD can stand in for noble. */
export interface Sealer {
  /** Ciphertext and tag: `plaintext.length + 16` bytes. */
  seal(key: SymmetricKey, nonce: Bytes, header: Bytes, plaintext: Bytes): Bytes;
  /** The plaintext, or undefined when key, header or bytes are not the ones that were sealed. Never throws. */
  open(key: SymmetricKey, nonce: Bytes, header: Bytes, sealed: Bytes): Bytes | undefined;
}

export const nobleSealer: Sealer = {
  seal: (key, nonce, header, plaintext) => xchacha20poly1305(key, nonce, header).encrypt(plaintext),
  open: (key, nonce, header, sealed) => {
    if (sealed.length < TAG_LENGTH) return undefined;
    try {
      return xchacha20poly1305(key, nonce, header).decrypt(sealed);
    } catch {
      return undefined;
    }
  },
};

/** X25519, as `(private, public) → shared`; undefined for the points that give all zeros (RFC 7748 §6.1). */
export type Agreement = (privateKey: Bytes, publicKey: PublicKey) => Bytes | undefined;

export const nobleAgreement: Agreement = (privateKey, publicKey) => {
  try {
    return x25519.getSharedSecret(privateKey, publicKey);
  } catch {
    return undefined;
  }
};

/** A key for one purpose between two static keys; both sides compute the same, whoever calls. */
function pairKey(label: string, shared: Bytes, a: PublicKey, b: PublicKey): SymmetricKey {
  const [first, second] = compareBytes(a, b) <= 0 ? [a, b] : [b, a];
  const info = new Uint8Array(64);
  info.set(first, 0);
  info.set(second, 32);
  return hkdf(blake2s, shared, utf8(label), info, SYMMETRIC_KEY_LENGTH);
}

/** Key under which two agents seal probes to each other. `shared` is X25519 of their static keys. */
export function probeKey(shared: Bytes, a: PublicKey, b: PublicKey): SymmetricKey {
  return pairKey("burrow probe v1", shared, a, b);
}

/** Key under which `sender` authenticates trunk packets to `receiver`; every boot shares it, see trunk.ts. */
export function trunkKey(shared: Bytes, sender: PublicKey, receiver: PublicKey): SymmetricKey {
  // Directional: each side counts its own nonces, so the two directions must not share a key.
  const info = new Uint8Array(64);
  info.set(sender, 0);
  info.set(receiver, 32);
  return hkdf(blake2s, shared, utf8("burrow trunk v1"), info, SYMMETRIC_KEY_LENGTH);
}

/**
 * Proof that one holds the private key of `claimed`, for the side channel: X25519 with the server's one-time key,
 * bound to its nonce and to both keys. Either side computes it; the server compares.
 */
export function channelProof(shared: Bytes, nonce: Bytes, serverKey: PublicKey, claimed: PublicKey): Bytes {
  const info = new Uint8Array(nonce.length + 64);
  info.set(nonce, 0);
  info.set(serverKey, nonce.length);
  info.set(claimed, nonce.length + 32);
  return hkdf(blake2s, shared, utf8("burrow channel proof v1"), info, 32);
}

/**
 * What a client says of its key when it is challenged; undefined for a challenge that is of no use. Nonce and the
 * server's one-time key are base64, as the challenge has them.
 */
export function answerChallenge(
  challenge: { readonly nonce: string; readonly key: string },
  identity: { readonly privateKey: Bytes; readonly publicKey: PublicKey },
  agreement: Agreement,
): { readonly key: KeyText; readonly proof: string } | undefined {
  const nonce = fromBase64(challenge.nonce);
  const serverKey = keyFromText(challenge.key);
  const shared = serverKey === undefined ? undefined : agreement(identity.privateKey, serverKey);
  if (nonce === undefined || serverKey === undefined || shared === undefined) return undefined;
  const proof = channelProof(shared, nonce, serverKey, identity.publicKey);
  return { key: keyToText(identity.publicKey), proof: toBase64(proof) };
}

export function proofMatches(expected: Bytes, given: Bytes): boolean {
  return equalBytes(expected, given);
}

function compareBytes(a: Bytes, b: Bytes): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
