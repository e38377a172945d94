/** Key derivations against golden vectors, the sealer's contract, and which keys must never be equal. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hex, run, vectors } from "../testing/support.ts";
import {
  channelProof,
  nobleAgreement,
  nobleSealer,
  probeKey,
  proofMatches,
  type SymmetricKey,
  trunkKey,
} from "./seal.ts";

interface KeyCase {
  readonly kind: "probe" | "trunk" | "proof";
  readonly privateKey: string;
  readonly theirKey: string;
  readonly shared: string;
  readonly nonce?: string;
  readonly first: string;
  readonly second: string;
  readonly key: string;
}

const cases = await vectors<KeyCase>("keys");

function derive({ kind, shared, nonce, first, second }: KeyCase): SymmetricKey {
  const [secret, a, b] = [hex(shared), hex(first), hex(second)];
  if (kind === "proof") return channelProof(secret, hex(nonce ?? ""), a, b);
  return kind === "probe" ? probeKey(secret, a, b) : trunkKey(secret, a, b);
}

test("golden vectors: agreement and every derived key", () => {
  for (const of of cases) {
    expect(nobleAgreement(hex(of.privateKey), hex(of.theirKey))).toEqual(hex(of.shared));
    expect(derive(of)).toEqual(hex(of.key));
  }
  expect(new Set(cases.map((of) => of.kind)).size).toBe(3);
});

test("X25519 as RFC 7748 §5.2 has it", () => {
  const scalar = hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
  const point = hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
  const product = hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  expect(nobleAgreement(scalar, point)).toEqual(product);
});

test("points of small order agree with nobody", () => {
  const zero = new Uint8Array(32);
  const one = zero.with(0, 1);
  const minusOne = new Uint8Array(32).fill(0xff).with(0, 0xec).with(31, 0x7f);
  const ofOrder8 = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
  for (const point of [zero, one, minusOne, ofOrder8, run(0, 31), new Uint8Array(0)]) {
    expect(nobleAgreement(run(1, 32), point)).toBeUndefined();
  }
});

test("a probe key is the same from both sides; trunk keys and proofs are not", () => {
  const [shared, a, b] = [run(7, 32), run(1, 32), run(2, 32)];
  expect(probeKey(shared, a, b)).toEqual(probeKey(shared, b, a));
  expect(trunkKey(shared, a, b)).not.toEqual(trunkKey(shared, b, a));
  const nonce = run(3, 32);
  const keys = [
    probeKey(shared, a, b),
    trunkKey(shared, a, b),
    trunkKey(shared, b, a),
    channelProof(shared, nonce, a, b),
    channelProof(shared, nonce, b, a),
    channelProof(shared, run(4, 32), a, b),
    channelProof(shared, new Uint8Array(0), a, b),
  ];
  expect(new Set(keys.map((key) => key.toHex())).size).toBe(keys.length);
});

test("a proof matches itself alone", () => {
  const proof = channelProof(run(7, 32), run(3, 32), run(1, 32), run(2, 32));
  expect(proofMatches(proof, proof.slice())).toBe(true);
  expect(proofMatches(proof, proof.with(31, (proof[31] ?? 0) ^ 1))).toBe(false);
  expect(proofMatches(proof, proof.subarray(1))).toBe(false);
});

test("the sealer opens what it sealed, nothing else, and never throws", () => {
  const bytes = fc.uint8Array({ maxLength: 80 });
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), (header, plaintext, at) => {
      const [key, nonce] = [run(5, 32), run(6, 24)];
      const sealed = nobleSealer.seal(key, nonce, header, plaintext);
      expect(sealed.length).toBe(plaintext.length + 16);
      expect(nobleSealer.open(key, nonce, header, sealed)).toEqual(plaintext);
      const place = at % sealed.length;
      const changed = sealed.with(place, (sealed[place] ?? 0) ^ 1);
      expect(nobleSealer.open(key, nonce, header, changed)).toBeUndefined();
      expect(nobleSealer.open(key, nonce, run(0, header.length + 1), sealed)).toBeUndefined();
      expect(nobleSealer.open(key, nonce, header, header)).toBeUndefined();
    }),
  );
  expect(nobleSealer.open(run(0, 31), run(0, 24), run(0, 0), run(0, 40))).toBeUndefined();
  expect(nobleSealer.open(run(0, 32), run(0, 12), run(0, 0), run(0, 40))).toBeUndefined();
});

test("XChaCha20-Poly1305 as draft-irtf-cfrg-xchacha-03 A.3.1 has it", () => {
  const plaintext = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed = nobleSealer.seal(
    run(0x80, 32),
    run(0x40, 24),
    hex("50515253c0c1c2c3c4c5c6c7"),
    Uint8Array.from(plaintext),
  );
  expect(sealed.subarray(0, 16).toHex()).toBe("bd6d179d3e83d43b9576579493c0e939");
  expect(sealed.subarray(-16).toHex()).toBe("c0875924c1c7987947deafd8780acf49");
});
