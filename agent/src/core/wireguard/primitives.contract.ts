/** What every implementation of the primitives must do: the suite runs against each. */
import { equalBytes, fromHex, invariant, toHex } from "@burrow/protocol";
import type { WireGuardPrimitives } from "./primitives.ts";

export interface ContractCase {
  readonly name: string;
  check(primitives: WireGuardPrimitives): void;
}

/** RFC 7748 §6.1 */
const ALICE = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
const ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
const BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
const SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
/** Points of order 1, 2, 4 and 8 (RFC 7748 §6.1 wants their all-zero results refused). */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];
/** 32 zero bytes under key 00..1f, counter 0x010203040506, data 0909; computed with libsodium. */
const SEALED_ZEROS =
  "a7cf6eeabbf99cd33d4e028499219c7f8d55b065b3aa5d59cd3c76af864d863ae3beecfc8982ef0cfa9b8160dfcad623";
/** 010203 under key 03…, nonce 04…, data 05; computed with libsodium. */
const XSEALED = "68e1fcc0c735aa07662d9c40fcb9c87a1acaf2";

const MESSAGE_LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 1_420, 9_000];

export const PRIMITIVES_CONTRACT: readonly ContractCase[] = [
  {
    name: "X25519 gives the keys and the secret of RFC 7748 §6.1",
    check(primitives) {
      const alice = hex(ALICE);
      const bob = hex(BOB);
      expectBytes(primitives.x25519Public(alice), ALICE_PUBLIC);
      expectBytes(primitives.x25519(alice, primitives.x25519Public(bob)), SHARED);
      expectBytes(primitives.x25519(bob, primitives.x25519Public(alice)), SHARED);
    },
  },
  {
    name: "X25519 refuses keys of low order",
    check(primitives) {
      for (const low of LOW_ORDER) {
        invariant(primitives.x25519(hex(ALICE), hex(low)) === undefined, `shared a secret with ${low}`);
      }
    },
  },
  {
    name: "the AEAD seals as RFC 8439 with a little-endian counter behind four zero bytes",
    check(primitives) {
      const buffer = new Uint8Array(32 + 16 + 3);
      const key = Uint8Array.from({ length: 32 }, (_, i) => i);
      primitives.aeadKey(key).seal(0x0102_0304_0506, buffer, 3, 32, Uint8Array.of(9, 9));
      expectBytes(buffer.subarray(3), SEALED_ZEROS);
      expectBytes(buffer.subarray(0, 3), "000000");
    },
  },
  {
    name: "what was sealed opens, at any length and offset, with the same counter and data alone",
    check(primitives) {
      const key = primitives.aeadKey(new Uint8Array(32).fill(5));
      for (const length of MESSAGE_LENGTHS) {
        const plain = Uint8Array.from({ length }, (_, i) => i * 7);
        const buffer = new Uint8Array(16 + length + 16 + 5);
        buffer.set(plain, 16);
        key.seal(7, buffer, 16, length);
        const out = new Uint8Array(length + 9);
        invariant(key.open(7, buffer, 16, length + 16, out, 9), `did not open at ${length}`);
        invariant(equalBytes(out.subarray(9), plain), `opened to something else at ${length}`);
        invariant(!key.open(8, buffer, 16, length + 16, out, 9), "opened with another counter");
        invariant(!key.open(7, buffer, 16, length + 16, out, 9, Uint8Array.of(1)), "opened with other data");
        invariant(
          buffer.subarray(16 + length + 16).every((byte) => byte === 0),
          "wrote behind the tag",
        );
        for (const at of [16, 16 + length, 16 + length + 15]) {
          buffer[at] = (buffer[at] ?? 0) ^ 1;
          invariant(!key.open(7, buffer, 16, length + 16, out, 9), `opened what was changed at ${at}`);
          buffer[at] = (buffer[at] ?? 0) ^ 1;
        }
      }
    },
  },
  {
    name: "bytes shorter than a tag do not open",
    check(primitives) {
      const key = primitives.aeadKey(new Uint8Array(32));
      for (let length = 0; length < 16; length++) {
        invariant(
          !key.open(0, new Uint8Array(32), 0, length, new Uint8Array(32), 0),
          `opened ${length} bytes`,
        );
      }
    },
  },
  {
    name: "a key is copied, and keys do not disturb each other",
    check(primitives) {
      const secret = new Uint8Array(32).fill(1);
      const first = primitives.aeadKey(secret);
      secret.fill(2);
      const second = primitives.aeadKey(secret);
      const [a, b] = [new Uint8Array(20), new Uint8Array(20)];
      first.seal(1, a, 0, 4);
      second.seal(1, b, 0, 4);
      second.destroy();
      invariant(!equalBytes(a, b), "both keys seal alike");
      invariant(first.open(1, a, 0, 20, new Uint8Array(4), 0), "the first key is not what it was");
    },
  },
  {
    name: "XChaCha20-Poly1305 opens what it sealed, and nothing else",
    check(primitives) {
      const [key, nonce] = [new Uint8Array(32).fill(3), new Uint8Array(24).fill(4)];
      const sealed = primitives.xaeadSeal(key, nonce, Uint8Array.of(1, 2, 3), Uint8Array.of(5));
      expectBytes(sealed, XSEALED);
      expectBytes(primitives.xaeadOpen(key, nonce, sealed, Uint8Array.of(5)), "010203");
      invariant(primitives.xaeadOpen(key, nonce, sealed, Uint8Array.of(6)) === undefined, "opened a forgery");
      invariant(
        primitives.xaeadOpen(key, nonce, sealed.subarray(4), Uint8Array.of(5)) === undefined,
        "opened a piece",
      );
    },
  },
];

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  invariant(bytes !== undefined, "not hex");
  return bytes;
}

function expectBytes(got: Uint8Array | undefined, wanted: string): void {
  const text = got === undefined ? "nothing" : toHex(got);
  invariant(text === wanted, `got ${text}, wanted ${wanted}`);
}
