/** NAT-PMP's packets: goldens, everything cut off, and junk. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeAddressQuestion, encodeNatPmp, parseNatPmp } from "./nat-pmp.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));
const ADDRESS = bytes("00 80 0000 00000007 cb007109");
const MAPPING = bytes("00 81 0000 00000007 0fa0 1388 00000e10");

test("the questions, byte by byte", () => {
  expect(encodeAddressQuestion()).toEqual(bytes("00 00"));
  const question = { port: 4_000, outsidePort: 5_000, lifetimeS: 7_200 };
  expect(encodeNatPmp(question)).toEqual(bytes("00 01 0000 0fa0 1388 00001c20"));
  // RFC 6886 §3.4: giving back names no outside port.
  expect(encodeNatPmp({ ...question, lifetimeS: 0 })).toEqual(bytes("00 01 0000 0fa0 0000 00000000"));
});

test("the answers", () => {
  expect(parseNatPmp(ADDRESS, 4_000)).toEqual({ kind: "address", address: "203.0.113.9" });
  expect(parseNatPmp(MAPPING, 4_000)).toEqual({ kind: "mapping", outsidePort: 5_000, lifetimeS: 3_600 });
  expect(parseNatPmp(bytes("00 81 0002 00000007"), 4_000)).toEqual({
    kind: "refused",
    code: 2,
    why: "it does not allow it",
  });
});

test("answers for another port, for TCP, in another version, and questions are none", () => {
  expect(parseNatPmp(MAPPING, 4_001)).toBeUndefined();
  expect(parseNatPmp(MAPPING.with(1, 0x82), 4_000)).toBeUndefined();
  expect(parseNatPmp(MAPPING.with(0, 2), 4_000)).toBeUndefined();
  expect(parseNatPmp(encodeNatPmp({ port: 4_000, outsidePort: 0, lifetimeS: 1 }), 4_000)).toBeUndefined();
});

test("everything cut off, and junk, is no answer and never throws", () => {
  for (const whole of [ADDRESS, MAPPING]) {
    for (let length = 0; length < whole.length; length++) {
      expect(parseNatPmp(whole.subarray(0, length), 4_000)).toBeUndefined();
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), fc.nat(65_535), (datagram, port) => {
      const answer = parseNatPmp(datagram, port);
      if (answer?.kind === "address") expect(answer.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    }),
    { numRuns: 1_000 },
  );
});
