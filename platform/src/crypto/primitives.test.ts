/** Native, portable and noble primitives: one contract, and the same bytes from all. */
import { describe, expect, test } from "bun:test";
import { LibcryptoAeadKey, libcryptoAeadKey, openLibcrypto } from "./libcrypto.ts";
import { libsodiumPrimitives, nativePrimitives } from "./native.ts";
import { noblePrimitives, portablePrimitives } from "./portable.ts";
import { primitivesContract, referenceContract, sameResults } from "./primitives.contract.ts";

referenceContract();
primitivesContract("noble", noblePrimitives);
primitivesContract("portable", portablePrimitives());
primitivesContract("native", nativePrimitives());
const sodium = libsodiumPrimitives();
if (sodium !== undefined) primitivesContract("libsodium", sodium);
const libcrypto = openLibcrypto();
const aeadKey = libcryptoAeadKey();
if (aeadKey !== undefined) primitivesContract("libcrypto", { ...noblePrimitives, aeadKey });

test("libsodium loads on the systems that we ship to", () => {
  expect(nativePrimitives().kind).toBe("native");
  expect(portablePrimitives().kind).toBe("portable");
});

describe("native against noble", () => sameResults(nativePrimitives(), noblePrimitives));
if (sodium !== undefined) describe("libsodium against noble", () => sameResults(sodium, noblePrimitives));
if (aeadKey !== undefined) {
  describe("libcrypto against noble", () => sameResults({ ...noblePrimitives, aeadKey }, noblePrimitives));

  test("a destroyed key of libcrypto's is not used again", () => {
    const key = aeadKey(new Uint8Array(32));
    key.seal(1, new Uint8Array(32), 0, 16);
    key.destroy();
    expect(() => key.seal(2, new Uint8Array(32), 0, 16)).toThrow("destroyed");
    expect(key.open(2, new Uint8Array(32), 0, 32, new Uint8Array(16), 0)).toBe(false);
  });
}
if (libcrypto !== undefined) {
  test("what libcrypto refuses to encipher is not sealed", () => {
    const seals = (library: typeof libcrypto) => () => {
      const key = new LibcryptoAeadKey(library, new Uint8Array(32));
      key.seal(1, new Uint8Array(32), 0, 16);
      key.destroy();
    };
    expect(seals(libcrypto)).not.toThrow();
    // Of the two calls that set a context up, the one with a nonce.
    const nonceRefused: typeof libcrypto.EVP_CipherInit_ex = (...args) =>
      args[4] === 0 ? libcrypto.EVP_CipherInit_ex(...args) : 0;
    expect(seals({ ...libcrypto, EVP_CipherInit_ex: nonceRefused })).toThrow("refused");
    expect(seals({ ...libcrypto, EVP_Cipher: () => -1 })).toThrow("refused");
    expect(seals({ ...libcrypto, EVP_CipherFinal_ex: () => 0 })).toThrow("refused");
    expect(seals({ ...libcrypto, EVP_CIPHER_CTX_ctrl: () => 0 })).toThrow("refused");
  });
}
describe("portable against noble", () => sameResults(portablePrimitives(), noblePrimitives));
