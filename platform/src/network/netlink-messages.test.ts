/** Netlink datagrams: the kernel's own, and any bytes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { networkChanges } from "./netlink-messages.ts";

const changes = (bytes: Uint8Array) => [...networkChanges(bytes)].sort();

function message(type: number, payload: number, length = 16 + payload): Uint8Array {
  const bytes = new Uint8Array((16 + payload + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  return bytes;
}

const joined = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

test("192.0.2.77/32 came to lo, and the route to it: as Linux 6.18 said it, in one read", () => {
  const told =
    "4c000000140000003d7e076be5040000022080000100000008000100c000024d08000200c000024d070003006c6f0000" +
    "080008008000000014000600ffffffffffffffff7298010072980100" +
    "3c00000018000006000000000000000002200000ff02fe020000000008000f00ff00000008000100c000024d08000700" +
    "c000024d0800040001000000";
  expect(changes(Uint8Array.fromHex(told))).toEqual(["address", "route"]);
  expect(changes(Uint8Array.fromHex(told).subarray(0, 76))).toEqual(["address"]);
});

test("several messages in one datagram are all read", () => {
  expect(changes(joined(message(16, 5), message(24, 12)))).toEqual(["link", "route"]);
  expect(changes(joined(message(3, 4), message(21, 8)))).toEqual(["address"]);
});

test("what is cut off, and what is of another kind, says nothing", () => {
  const whole = message(20, 8);
  for (let length = 0; length < 16; length++) expect(changes(whole.subarray(0, length))).toEqual([]);
  for (const type of [0, 1, 2, 3, 18, 22, 26, 28, 65_535]) expect(changes(message(type, 8))).toEqual([]);
  expect(changes(message(20, 8, 15))).toEqual([]);
});

test("lengths that lie never make it run for ever, or read beyond the end", () => {
  for (const length of [0, 1, 16, 0x7fff_ffff, 0xffff_fffd, 0xffff_ffff]) {
    changes(joined(message(20, 0, length), message(16, 0)));
  }
  // Behind others a negative step would lead back to them.
  for (const length of [17, 0x7fff_ffff, 0xffff_fff0, 0xffff_fffd, 0xffff_ffff]) {
    const told = changes(joined(message(24, 0), message(16, 0), message(20, 0, length)));
    expect(told).toEqual(["address", "link", "route"]);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(networkChanges(bytes).size).toBeLessThanOrEqual(3);
    }),
    { numRuns: 500 },
  );
});
