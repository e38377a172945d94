/**
 * The primitives by libsodium (`sodium-native`): 1.6 µs to seal a full packet, 31 µs for X25519 without key objects;
 * packets' AEAD by the system's OpenSSL where there is one (libcrypto.ts). Each is loaded once and checked against
 * noble; where that fails, the next one serves.
 */
import { libcryptoAeadKey } from "./libcrypto.ts";
import { noblePrimitives, portablePrimitives, within } from "./portable.ts";
import {
  type AeadKey,
  CounterNonce,
  KEY_LENGTH,
  type Primitives,
  randomBytes,
  TAG_LENGTH,
  undefinedIfThrown,
  XNONCE_LENGTH,
} from "./primitives.ts";

type Bytes = Uint8Array;

/** What is used of sodium-native. Functions throw on forged input and on results of all zeros. */
interface Sodium {
  crypto_scalarmult(out: Bytes, privateKey: Bytes, publicKey: Bytes): void;
  crypto_scalarmult_base(out: Bytes, privateKey: Bytes): void;
  crypto_aead_chacha20poly1305_ietf_encrypt: SodiumSeal;
  crypto_aead_chacha20poly1305_ietf_decrypt: SodiumOpen;
  crypto_aead_xchacha20poly1305_ietf_encrypt: SodiumSeal;
  crypto_aead_xchacha20poly1305_ietf_decrypt: SodiumOpen;
}
type SodiumSeal = (
  out: Bytes,
  plaintext: Bytes,
  ad: Bytes | null,
  secretNonce: null,
  nonce: Bytes,
  key: Bytes,
) => number;
type SodiumOpen = (
  out: Bytes,
  secretNonce: null,
  sealed: Bytes,
  ad: Bytes | null,
  nonce: Bytes,
  key: Bytes,
) => number;

class SodiumAeadKey implements AeadKey {
  readonly #sodium: Sodium;
  readonly #key: Uint8Array;
  readonly #nonce = new CounterNonce();

  constructor(sodium: Sodium, key: Uint8Array) {
    if (key.length !== KEY_LENGTH) throw new RangeError(`a key is ${KEY_LENGTH} bytes, not ${key.length}`);
    this.#sodium = sodium;
    this.#key = key.slice();
  }

  seal(counter: number, buffer: Uint8Array, offset: number, length: number, ad?: Uint8Array): void {
    this.#sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
      within(buffer, offset, length + TAG_LENGTH),
      within(buffer, offset, length),
      ad ?? null,
      null,
      this.#nonce.set(counter),
      this.#key,
    );
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
    const from = within(sealed, sealedOffset, sealedLength);
    const to = within(out, outOffset, sealedLength - TAG_LENGTH);
    const nonce = this.#nonce.set(counter);
    try {
      this.#sodium.crypto_aead_chacha20poly1305_ietf_decrypt(to, null, from, ad ?? null, nonce, this.#key);
      return true;
    } catch {
      return false;
    }
  }

  sign(noncePrefix: number, counter: number, buffer: Uint8Array, offset: number, length: number): void {
    this.#sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
      within(buffer, offset + length, TAG_LENGTH),
      NOTHING,
      within(buffer, offset, length),
      null,
      this.#nonce.set(counter, noncePrefix),
      this.#key,
    );
  }

  verify(noncePrefix: number, counter: number, buffer: Uint8Array, offset: number, length: number): boolean {
    const data = within(buffer, offset, length);
    const tag = within(buffer, offset + length, TAG_LENGTH);
    const nonce = this.#nonce.set(counter, noncePrefix);
    try {
      this.#sodium.crypto_aead_chacha20poly1305_ietf_decrypt(NOTHING, null, tag, data, nonce, this.#key);
      return true;
    } catch {
      return false;
    }
  }

  destroy(): void {
    this.#key.fill(0);
  }
}

const NOTHING = new Uint8Array(0);

function sodiumPrimitives(sodium: Sodium): Primitives {
  return {
    kind: "native",
    x25519(privateKey, publicKey) {
      mustBe(privateKey, KEY_LENGTH);
      mustBe(publicKey, KEY_LENGTH);
      const shared = new Uint8Array(KEY_LENGTH);
      return undefinedIfThrown(() => {
        sodium.crypto_scalarmult(shared, privateKey, publicKey);
        return shared;
      });
    },
    x25519Public(privateKey) {
      mustBe(privateKey, KEY_LENGTH);
      const publicKey = new Uint8Array(KEY_LENGTH);
      sodium.crypto_scalarmult_base(publicKey, privateKey);
      return publicKey;
    },
    aeadKey: (key) => new SodiumAeadKey(sodium, key),
    xaeadSeal(key, nonce, plaintext, ad) {
      const sealed = new Uint8Array(plaintext.length + TAG_LENGTH);
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, plaintext, ad, null, nonce, key);
      return sealed;
    },
    xaeadOpen(key, nonce, sealed, ad) {
      mustBe(key, KEY_LENGTH);
      mustBe(nonce, XNONCE_LENGTH);
      if (sealed.length < TAG_LENGTH) return undefined;
      const plaintext = new Uint8Array(sealed.length - TAG_LENGTH);
      return undefinedIfThrown(() => {
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext, null, sealed, ad, nonce, key);
        return plaintext;
      });
    },
    randomBytes,
  };
}

/** sodium-native asserts lengths too, but inside what a stranger's bytes may fail: a wrong length is our mistake. */
function mustBe(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${length} bytes wanted, not ${bytes.length}`);
}

/** One agreement, and one packet that is sealed, opened, and refused when changed, against noble. */
function agreesWithNoble(candidate: Primitives): boolean {
  const secret = randomBytes(KEY_LENGTH);
  const other = noblePrimitives.x25519Public(randomBytes(KEY_LENGTH));
  const shared = candidate.x25519(secret, other);
  const sealedBy = (primitives: Primitives) => {
    const buffer = new Uint8Array(PACKET_LENGTH + TAG_LENGTH);
    const key = primitives.aeadKey(secret);
    key.seal(7, buffer, 0, PACKET_LENGTH);
    key.destroy();
    return Buffer.from(buffer);
  };
  const sealed = sealedBy(noblePrimitives);
  const signedBy = (primitives: Primitives) => {
    const buffer = new Uint8Array(PACKET_LENGTH + TAG_LENGTH);
    const key = primitives.aeadKey(secret);
    key.sign(5, 7, buffer, 0, PACKET_LENGTH);
    key.destroy();
    return Buffer.from(buffer);
  };
  const signed = signedBy(noblePrimitives);
  const verifies = (bytes: Uint8Array) => {
    const key = candidate.aeadKey(secret);
    const isTrue = key.verify(5, 7, bytes, 0, PACKET_LENGTH);
    key.destroy();
    return isTrue;
  };
  const opens = (bytes: Uint8Array) => {
    const key = candidate.aeadKey(secret);
    const isOpen = key.open(7, bytes, 0, bytes.length, bytes, 0);
    key.destroy();
    return isOpen && bytes.subarray(0, PACKET_LENGTH).every((byte) => byte === 0);
  };
  const changed = Uint8Array.from(sealed);
  changed[PACKET_LENGTH] = (changed[PACKET_LENGTH] ?? 0) ^ 1;
  return (
    shared !== undefined &&
    Buffer.from(shared).equals(noblePrimitives.x25519(secret, other) ?? new Uint8Array()) &&
    sealedBy(candidate).equals(sealed) &&
    opens(Uint8Array.from(sealed)) &&
    !opens(changed) &&
    signedBy(candidate).equals(signed) &&
    verifies(signed) &&
    !verifies(changed)
  );
}

/** Longer than what vector code does at a time, and no whole number of blocks. */
const PACKET_LENGTH = 1_001;

let chosen: Primitives | undefined;

/** The fastest primitives that load and prove right here. Look at `kind`. */
export function nativePrimitives(): Primitives {
  if (chosen !== undefined) return chosen;
  const sodium = libsodiumPrimitives() ?? portablePrimitives();
  chosen = withLibcrypto(sodium) ?? sodium;
  return chosen;
}

/** Everything by libsodium; undefined where it does not load or computes something else. */
export function libsodiumPrimitives(): Primitives | undefined {
  return undefinedIfThrown(() => {
    const candidate = sodiumPrimitives(require("sodium-native") as Sodium);
    return agreesWithNoble(candidate) ? candidate : undefined;
  });
}

/** With packets' AEAD by the system's OpenSSL, if it has one that computes the same. */
function withLibcrypto(primitives: Primitives): Primitives | undefined {
  return undefinedIfThrown(() => {
    const aeadKey = libcryptoAeadKey();
    if (aeadKey === undefined) return undefined;
    const candidate: Primitives = { ...primitives, kind: "native", aeadKey };
    return agreesWithNoble(candidate) ? candidate : undefined;
  });
}
