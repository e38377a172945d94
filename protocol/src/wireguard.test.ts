/** WireGuard's layouts as relays read them: classification, indices, MAC1. */
import { expect, test } from "bun:test";
import { blake2s } from "@noble/hashes/blake2.js";
import fc from "fast-check";
import { toHex, utf8 } from "./encoding.ts";
import {
  Mac1,
  WireGuardInitiation,
  type WireGuardKind,
  WireGuardType,
  wireGuardCounter,
  wireGuardKind,
  wireGuardPaddedLength,
  wireGuardReceiver,
  wireGuardSender,
} from "./wireguard.ts";

const SIZES: Readonly<Record<WireGuardKind, number>> = {
  initiation: 148,
  response: 92,
  cookieReply: 64,
  transport: 32,
};
const KINDS = Object.keys(SIZES) as WireGuardKind[];

function message(kind: WireGuardKind, length = SIZES[kind]): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => i);
  bytes.set([WireGuardType[kind], 0, 0, 0]);
  return bytes;
}

test("packets are padded to 16 bytes, but never past the MTU, and never cut", () => {
  expect([0, 1, 16, 17, 1_352, 1_353, 1_361].map((length) => wireGuardPaddedLength(length, 1_360))).toEqual([
    0, 16, 16, 32, 1_360, 1_360, 1_361,
  ]);
  expect(wireGuardPaddedLength(1_409, 1_420)).toBe(1_420);
});

test("each message is known by its type and length", () => {
  for (const kind of KINDS) {
    expect(wireGuardKind(message(kind))).toBe(kind);
    expect(wireGuardKind(message(kind, SIZES[kind] + 16))).toBe(kind === "transport" ? kind : undefined);
    for (let length = 0; length < SIZES[kind]; length++) {
      expect(wireGuardKind(message(kind).subarray(0, length))).toBeUndefined();
    }
  }
});

test("reserved bytes must be zero, and types 0 and 5 are nobody's", () => {
  for (const kind of KINDS) {
    for (const at of [1, 2, 3]) {
      const bytes = message(kind);
      bytes[at] = 1;
      expect(wireGuardKind(bytes)).toBeUndefined();
    }
    for (const type of [0, 5, 0xb1]) {
      const bytes = message(kind);
      bytes[0] = type;
      expect(wireGuardKind(bytes)).toBeUndefined();
    }
  }
});

test("indices and the counter are little-endian and unsigned", () => {
  expect(wireGuardSender(message("initiation"))).toBe(0x07060504);
  expect(wireGuardSender(message("response"))).toBe(0x07060504);
  expect(wireGuardReceiver(message("response"))).toBe(0x0b0a0908);
  expect(wireGuardReceiver(message("cookieReply"))).toBe(0x07060504);
  const transport = message("transport").fill(0xff, 4, 8);
  expect(wireGuardReceiver(transport)).toBe(0xffff_ffff);
  transport.set([1, 0, 0, 0, 2, 0, 0, 0], 8);
  expect(wireGuardCounter(transport)).toBe(2 * 2 ** 32 + 1);
  expect(wireGuardCounter(transport.fill(0xff, 8, 16))).toBeGreaterThan(2 ** 53);
});

test("MAC1 is BLAKE2s-128 keyed by the hashed label and key", () => {
  const publicKey = new Uint8Array(32).fill(9);
  const bytes = message("initiation");
  const mac1 = new Mac1(publicKey);
  mac1.write(bytes);
  const key = blake2s(new Uint8Array([...utf8("mac1----"), ...publicKey]));
  const wanted = blake2s(bytes.subarray(0, 116), { key, dkLen: 16 });
  expect(toHex(bytes.subarray(116, 132))).toBe(toHex(wanted));
  expect(toHex(wanted)).toBe("23fdd0dcc8f3018a66764534126c0c86");
  expect(mac1.verify(bytes)).toBe(true);
  expect(new Mac1(new Uint8Array(32).fill(8)).verify(bytes)).toBe(false);
});

test("MAC1 covers everything before it, nothing behind it, and no other message", () => {
  const mac1 = new Mac1(new Uint8Array(32).fill(3));
  for (const kind of ["initiation", "response"] as const) {
    const bytes = message(kind);
    mac1.write(bytes);
    const end = SIZES[kind] - 16;
    fc.assert(
      fc.property(fc.nat(SIZES[kind] - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(mac1.verify(changed)).toBe(at >= end);
      }),
    );
  }
  expect(mac1.verify(message("transport", WireGuardInitiation.length))).toBe(false);
  expect(mac1.verify(message("cookieReply"))).toBe(false);
});
