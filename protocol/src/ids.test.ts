/** Keys, ids and overlay addresses against golden vectors, and the encodings of a key that are not its one. */
import { expect, test } from "bun:test";
import { x25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { hex, run, vectors } from "../testing/support.ts";
import {
  type AgentId,
  agentIdOf,
  idFromBytes,
  idToBytes,
  isCanonicalKey,
  isId,
  type KeyText,
  keyFromText,
  keyToText,
  type NetworkId,
  type RelayId,
  relayIdOf,
} from "./ids.ts";
import { overlayAddress4, overlayAddress6, overlayPrefix6, TUNNEL_MTU_BYTES } from "./overlay.ts";
import { TRUNK_OVERHEAD } from "./trunk.ts";

interface IdentityCase {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly keyText: KeyText;
  readonly agentId: AgentId;
  readonly relayId: RelayId;
  readonly network: NetworkId;
  readonly overlayPrefix6: string;
  readonly overlayAddress6: string;
}

const cases = await vectors<IdentityCase>("identities");

test("golden vectors: ids, key text, overlay addresses", () => {
  for (const of of cases) {
    const key = hex(of.publicKey);
    expect(key).toEqual(x25519.getPublicKey(hex(of.privateKey)));
    expect(keyToText(key)).toBe(of.keyText);
    expect(keyFromText(of.keyText)).toEqual(key);
    expect(agentIdOf(key)).toBe(of.agentId);
    expect(relayIdOf(key)).toBe(of.relayId);
    expect(overlayPrefix6(of.network)).toBe(of.overlayPrefix6);
    expect(overlayAddress6(of.network, of.agentId)).toBe(of.overlayAddress6);
  }
});

test("an id is 16 lower-case hex digits and nothing else", () => {
  for (const text of [
    "",
    "0",
    "00112233AABBCCDD",
    "00112233aabbccd",
    "00112233aabbccdde",
    "00112233aabbccdd\n",
  ]) {
    expect(isId(text)).toBe(false);
    expect(() => idToBytes(text as AgentId)).toThrow("not an id");
  }
  expect(idToBytes(idFromBytes<AgentId>(run(250, 8)))).toEqual(run(250, 8));
});

test("a key text is 44 characters of canonical base64", () => {
  const text = keyToText(run(0, 32));
  expect(keyFromText(text)).toEqual(run(0, 32));
  for (const wrong of ["", text.slice(1), `${text} `, text.replace("=", "A"), "A".repeat(100_000)]) {
    expect(keyFromText(wrong)).toBeUndefined();
  }
});

test("what X25519 computes is canonical; the other encodings of its point are not", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
      const key = x25519.getPublicKey(secret);
      expect(isCanonicalKey(key)).toBe(true);
      expect(isCanonicalKey(key.with(31, (key[31] ?? 0) | 0x80))).toBe(false);
    }),
    { numRuns: 30 },
  );
  const prime = new Uint8Array(32).fill(0xff).with(31, 0x7f);
  for (let low = 0; low < 256; low++) expect(isCanonicalKey(prime.with(0, low))).toBe(low < 0xed);
  expect(isCanonicalKey(run(0, 31))).toBe(false);
});

test("IPv4 of the overlay runs from 100.64.0.1 to 100.127.255.254", () => {
  expect(overlayAddress4(1)).toBe("100.64.0.1");
  expect(overlayAddress4(256)).toBe("100.64.1.0");
  expect(overlayAddress4(2 ** 22 - 2)).toBe("100.127.255.254");
  for (const n of [0, -1, 0.5, Number.NaN, 2 ** 22 - 1]) expect(overlayAddress4(n)).toBeUndefined();
});

test("the tunnel's MTU fits a trunk over IPv6 in an Ethernet frame, in WireGuard's steps of 16", () => {
  const room = 1500 - 40 - 8 - TRUNK_OVERHEAD - 32;
  expect(TUNNEL_MTU_BYTES).toBe(room - (room % 16));
});
