/** Echoes as real machines make them, and everything else left alone. */
import { expect, test } from "bun:test";
import { toHex } from "@burrow/protocol";
import fc from "fast-check";
import { echoReply, echoRequest, parseEcho } from "./icmp.ts";

/** One's complement sum over 16-bit words, written apart from the code under test: valid packets give 0xffff. */
function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total % 0x1_0000) + Math.floor(total / 0x1_0000);
  return total;
}

test("a request is the packet that anybody would make of it", () => {
  const packet = echoRequest("100.64.0.1", "100.64.0.2", 0x1234, 7);
  const header = "45000054000000004001b2266440000164400002";
  expect(toHex(packet.subarray(0, 20))).toBe(header);
  expect(toHex(packet.subarray(20, 28))).toBe("0800e5c412340007");
  expect(packet.length).toBe(84);
});

test("checksums hold for any addresses, identifiers and sequences, odd lengths included", () => {
  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((all) => all.join("."));
  const u16 = fc.nat(0xffff);
  fc.assert(
    fc.property(octets, octets, u16, u16, fc.uint8Array({ maxLength: 99 }), (a, b, id, sequence, tail) => {
      const request = echoRequest(a, b, id, sequence);
      expect(parseEcho(request)).toEqual({
        kind: "request",
        source: a,
        destination: b,
        identifier: id,
        sequence,
      });
      const longer = new Uint8Array([...request, ...tail]);
      for (const packet of [request, echoReply(request), echoReply(longer)]) {
        expect(sum(packet.subarray(0, 20))).toBe(0xffff);
        expect(sum(packet.subarray(20))).toBe(0xffff);
      }
      const { source, destination, kind } = parseEcho(echoReply(request)) ?? {};
      expect({ source, destination, kind }).toEqual({ source: b, destination: a, kind: "reply" });
    }),
  );
});

test("a reply returns the data untouched", () => {
  const request = echoRequest("10.0.0.1", "10.0.0.2", 1, 2);
  request.fill(0xab, 28);
  expect(echoReply(request).subarray(28)).toEqual(request.subarray(28));
});

test("options, fragments, other protocols, other types and short packets are no echoes", () => {
  const change = (at: number, byte: number) => {
    const packet = echoRequest("10.0.0.1", "10.0.0.2", 1, 2);
    packet[at] = byte;
    return parseEcho(packet);
  };
  for (const [at, byte] of [
    [0, 0x46],
    [0, 0x60],
    [6, 0x20],
    [7, 0x01],
    [9, 17],
    [20, 3],
  ] as const) {
    expect(change(at, byte)).toBeUndefined();
  }
  expect(change(6, 0x40)?.kind).toBe("request"); // don't fragment
  const whole = echoRequest("10.0.0.1", "10.0.0.2", 1, 2);
  for (let length = 0; length < 28; length++) expect(parseEcho(whole.subarray(0, length))).toBeUndefined();
});

test("any bytes are an echo or not, and never an exception", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void parseEcho(bytes)));
});
