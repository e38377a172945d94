/** Native, portable and noble primitives: one contract, and the same bytes from all. */
import { describe, expect, test } from "bun:test";
import { libcryptoAeadKey } from "./libcrypto.ts";
import { libsodiumPrimitives, nativePrimitives } from "./native.ts";
import { noblePrimitives, portablePrimitives } from "./portable.ts";
import { primitivesContract, referenceContract, sameResults } from "./primitives.contract.ts";

referenceContract();
primitivesContract("noble", noblePrimitives);
primitivesContract("portable", portablePrimitives());
primitivesContract("native", nativePrimitives());
const sodium = libsodiumPrimitives();
if (sodium !== undefined) primitivesContract("libsodium", sodium);
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
describe("portable against noble", () => sameResults(portablePrimitives(), noblePrimitives));
