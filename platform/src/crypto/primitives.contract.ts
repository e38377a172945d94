/** What all `Primitives` do: the RFCs' vectors, buffers used in place, and no way past the tag. */
import { describe, expect, test } from "bun:test";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { type Primitives, TAG_LENGTH } from "./primitives.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const ascii = (text: string) => new TextEncoder().encode(text);

const SUNSCREEN = ascii(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
);
const KEY = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
const AD = hex("50515253c0c1c2c3c4c5c6c7");

export function primitivesContract(name: string, primitives: Primitives): void {
  describe(`${name}: X25519`, () => {
    test("RFC 7748 §5.2 vectors", () => {
      expect(
        primitives.x25519(
          hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
          hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
        ),
      ).toEqual(hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
      // The second scalar has its high bits set, the second point its topmost bit.
      expect(
        primitives.x25519(
          hex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
          hex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
        ),
      ).toEqual(hex("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"));
    });

    test("RFC 7748 §6.1: both sides agree", () => {
      const alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
      const bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
      const alicePublic = primitives.x25519Public(alice);
      const bobPublic = primitives.x25519Public(bob);
      expect(alicePublic).toEqual(hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
      expect(bobPublic).toEqual(hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
      const shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
      expect(primitives.x25519(alice, bobPublic)).toEqual(shared);
      expect(primitives.x25519(bob, alicePublic)).toEqual(shared);
    });

    test("points of low order share nothing", () => {
      const secret = primitives.randomBytes(32);
      const lowOrder = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      ];
      for (const point of lowOrder)
        expect([point, primitives.x25519(secret, hex(point))]).toEqual([point, undefined]);
    });
  });

  describe(`${name}: ChaCha20-Poly1305`, () => {
    test("RFC 8439 §2.8 with a counter as nonce: sealed in place, opened in place", () => {
      const key = primitives.aeadKey(KEY);
      const buffer = new Uint8Array(16 + SUNSCREEN.length + TAG_LENGTH + 5).fill(0xee);
      buffer.set(SUNSCREEN, 16);
      key.seal(1, buffer, 16, SUNSCREEN.length, AD);
      const sealed = buffer.slice(16, 16 + SUNSCREEN.length + TAG_LENGTH);
      expect(sealed).toEqual(referenceSeal(KEY, 1, SUNSCREEN, AD));
      expect(buffer.slice(0, 16)).toEqual(new Uint8Array(16).fill(0xee));
      expect(buffer.slice(-5)).toEqual(new Uint8Array(5).fill(0xee));
      expect(key.open(1, buffer, 16, sealed.length, buffer, 16, AD)).toBe(true);
      expect(buffer.slice(16, 16 + SUNSCREEN.length)).toEqual(SUNSCREEN);
    });

    test("counters beyond 32 bits reach the nonce's upper half", () => {
      for (const counter of [0, 1, 0xffff_ffff, 0x1_0000_0000, 2 ** 52 + 3]) {
        const buffer = new Uint8Array(4 + TAG_LENGTH);
        primitives.aeadKey(KEY).seal(counter, buffer, 0, 4);
        expect(buffer).toEqual(referenceSeal(KEY, counter, new Uint8Array(4), new Uint8Array()));
      }
    });

    test("nothing at all is a message too: the keep-alive", () => {
      const key = primitives.aeadKey(KEY);
      const buffer = new Uint8Array(TAG_LENGTH);
      key.seal(9, buffer, 0, 0);
      expect(buffer).toEqual(referenceSeal(KEY, 9, new Uint8Array(), new Uint8Array()));
      expect(key.open(9, buffer, 0, TAG_LENGTH, new Uint8Array(), 0)).toBe(true);
    });

    test("any flipped bit, other counter, other data, other key or cut is refused", () => {
      const key = primitives.aeadKey(KEY);
      const sealed = new Uint8Array(40 + TAG_LENGTH);
      key.seal(5, sealed, 0, 40, AD);
      const out = new Uint8Array(40);
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const forged = sealed.slice();
        forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(key.open(5, forged, 0, forged.length, out, 0, AD)).toBe(false);
      }
      for (let length = 0; length < sealed.length; length++) {
        expect(key.open(5, sealed, 0, length, out, 0, AD)).toBe(false);
      }
      expect(key.open(6, sealed, 0, sealed.length, out, 0, AD)).toBe(false);
      expect(key.open(5, sealed, 0, sealed.length, out, 0)).toBe(false);
      expect(primitives.aeadKey(AD_KEY).open(5, sealed, 0, sealed.length, out, 0, AD)).toBe(false);
      expect(key.open(5, sealed, 0, sealed.length, out, 0, AD)).toBe(true);
    });

    test("a buffer too small is our mistake, and told", () => {
      const key = primitives.aeadKey(KEY);
      expect(() => key.seal(0, new Uint8Array(10), 0, 10)).toThrow(RangeError);
      expect(() => key.open(0, new Uint8Array(20), 0, 20, new Uint8Array(3), 0)).toThrow(RangeError);
      expect(() => primitives.aeadKey(new Uint8Array(31))).toThrow(RangeError);
    });

    test("signing: the tag of additional data alone, under a nonce of 96 bits; any flipped bit is told", () => {
      const key = primitives.aeadKey(KEY);
      for (const length of [0, 1, 16, 77, 1_500]) {
        const buffer = primitives.randomBytes(3 + length + TAG_LENGTH);
        const data = buffer.slice(3, 3 + length);
        for (const [prefix, counter] of [
          [0, 0],
          [0x4030201, 2 ** 40 + 5],
          [0xffff_ffff, Number.MAX_SAFE_INTEGER],
        ] as const) {
          key.sign(prefix, counter, buffer, 3, length);
          expect(buffer.slice(3, 3 + length)).toEqual(data);
          const nonce = new Uint8Array(12);
          new DataView(nonce.buffer).setUint32(0, prefix, true);
          new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
          expect(buffer.slice(3 + length)).toEqual(
            chacha20poly1305(KEY, nonce, data).encrypt(new Uint8Array()).slice(),
          );
          expect(key.verify(prefix, counter, buffer, 3, length)).toBe(true);
          expect(key.verify(prefix ^ 1, counter, buffer, 3, length)).toBe(false);
          expect(key.verify(prefix, counter - 1, buffer, 3, length)).toBe(false);
        }
        for (let bit = 3 * 8; bit < buffer.length * 8; bit += 5) {
          const forged = buffer.slice();
          forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(key.verify(0xffff_ffff, Number.MAX_SAFE_INTEGER, forged, 3, length)).toBe(false);
        }
        // Sealing goes on with zeros in front of its counter.
        const sealed = new Uint8Array(TAG_LENGTH);
        key.seal(5, sealed, 0, 0);
        expect(sealed).toEqual(referenceSeal(KEY, 5, new Uint8Array(), new Uint8Array()));
      }
      expect(() => key.sign(0, 0, new Uint8Array(10), 0, 10)).toThrow(RangeError);
      expect(() => key.verify(0, 0, new Uint8Array(10), 0, 10)).toThrow(RangeError);
    });

    test("the key is copied, and gone when destroyed", () => {
      const secret = KEY.slice();
      const key = primitives.aeadKey(secret);
      secret.fill(0);
      const sealed = new Uint8Array(TAG_LENGTH);
      key.seal(0, sealed, 0, 0);
      expect(sealed).toEqual(referenceSeal(KEY, 0, new Uint8Array(), new Uint8Array()));
      key.destroy();
      expect(key.open(0, sealed, 0, TAG_LENGTH, new Uint8Array(), 0)).toBe(false);
    });
  });

  describe(`${name}: XChaCha20-Poly1305`, () => {
    test("draft-irtf-cfrg-xchacha-03 A.3.1", () => {
      const nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
      const sealed = primitives.xaeadSeal(KEY, nonce, SUNSCREEN, AD);
      expect(sealed.slice(0, 16)).toEqual(hex("bd6d179d3e83d43b9576579493c0e939"));
      expect(sealed.slice(-16)).toEqual(hex("c0875924c1c7987947deafd8780acf49"));
      expect(primitives.xaeadOpen(KEY, nonce, sealed, AD)).toEqual(SUNSCREEN);
      sealed[3] = (sealed[3] ?? 0) ^ 1;
      expect(primitives.xaeadOpen(KEY, nonce, sealed, AD)).toBeUndefined();
      expect(primitives.xaeadOpen(KEY, nonce, new Uint8Array(15), AD)).toBeUndefined();
    });
  });

  test(`${name}: random bytes are as many as asked for, and differ`, () => {
    for (const length of [0, 1, 32, 100_000]) expect(primitives.randomBytes(length).length).toBe(length);
    expect(primitives.randomBytes(32)).not.toEqual(primitives.randomBytes(32));
    expect(primitives.randomBytes(100_000).subarray(-32)).not.toEqual(new Uint8Array(32));
  });
}

const AD_KEY = KEY.slice().reverse();

/** noble's function with a whole nonce: proven against the RFC below, then the measure for counters as nonces. */
function referenceSeal(
  key: Uint8Array,
  counter: number,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  return chacha20poly1305(key, nonce, ad).encrypt(plaintext).slice();
}

export function referenceContract(): void {
  test("the reference gives RFC 8439 §2.8.2", () => {
    const sealed = chacha20poly1305(KEY, hex("070000004041424344454647"), AD).encrypt(SUNSCREEN);
    expect(sealed.slice(0, 16)).toEqual(hex("d31a8d34648e60db7b86afbc53ef7ec2"));
    expect(sealed.slice(-16)).toEqual(hex("1ae10b594f09e26a7e902ecbd0600691"));
  });
}

/** Both give the same bytes for anything, and open what the other sealed. */
export function sameResults(a: Primitives, b: Primitives): void {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const bytes = fc.uint8Array({ maxLength: 2000 });
  const counter = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

  test("sealed packets are the same, and each opens the other's", () => {
    fc.assert(
      fc.property(
        key,
        counter,
        bytes,
        bytes,
        fc.integer({ min: 0, max: 40 }),
        (key, counter, plaintext, ad, offset) => {
          const seal = (by: Primitives) => {
            const buffer = new Uint8Array(offset + plaintext.length + TAG_LENGTH);
            buffer.set(plaintext, offset);
            by.aeadKey(key).seal(counter, buffer, offset, plaintext.length, ad);
            return buffer;
          };
          const sealed = seal(a);
          expect(seal(b)).toEqual(sealed);
          for (const by of [a, b]) {
            const out = new Uint8Array(plaintext.length + 3);
            const opened = by.aeadKey(key).open(counter, sealed, offset, sealed.length - offset, out, 3, ad);
            expect(opened).toBe(true);
            expect(out.subarray(3)).toEqual(plaintext);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("shared secrets are the same, for any bytes as a point", () => {
    fc.assert(
      fc.property(key, key, (secret, point) => {
        expect(a.x25519(secret, point)).toEqual(b.x25519(secret, point) as never);
        expect(a.x25519Public(secret)).toEqual(b.x25519Public(secret));
      }),
      { numRuns: 60 },
    );
  });
}
