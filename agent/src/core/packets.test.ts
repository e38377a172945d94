/** Runs of packets: whose they are is told as the registry tells it. */
import { expect, test } from "bun:test";
import { classify } from "@burrow/protocol";
import fc from "fast-check";
import { areAllWireGuard, OnePacket } from "./packets.ts";

test("a run is WireGuard's when the registry says so of each", () => {
  const byte = fc.oneof(fc.constantFrom(0, 1, 2, 4, 5, 0x81, 0xb3), fc.nat(255));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 8 }), (bytes) => {
      const datagram = Uint8Array.from(bytes);
      expect(areAllWireGuard(new OnePacket(datagram))).toBe(classify(datagram) === "wireguard");
    }),
    { numRuns: 2_000 },
  );
});

test("the router's PCP answer begins like a WireGuard response, and is none", () => {
  expect(areAllWireGuard(new OnePacket(Uint8Array.of(2, 0x81, 0, 0)))).toBe(false);
  expect(areAllWireGuard(new OnePacket(Uint8Array.of(2, 0, 0, 0)))).toBe(true);
});
