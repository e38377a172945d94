/** The address table: names stay true while pinned, and the room is bounded whatever arrives. */
import { describe, expect, test } from "bun:test";
import { endpoint, parseEndpoint } from "@burrow/protocol";
import fc from "fast-check";
import { type AddressHandle, AddressTable, NO_ADDRESS } from "./address-table.ts";
import { formatIpWords, parseIpWords } from "./ip-text.ts";

const v4 = fc.ipV4();
// The protocol's parser takes ::192.0.2.1 (IPv4-compatible, RFC 4291 §2.5.5.1, long dead) for mapped IPv4.
const v6 = fc.ipV6().filter((text) => !/^::[0-9]+\./.test(text));
const port = fc.integer({ min: 1, max: 65535 });

describe("addresses as words", () => {
  test("any address becomes the endpoint that the protocol makes of it", () => {
    const table = new AddressTable({ capacity: 64 });
    fc.assert(
      fc.property(fc.oneof(v4, v6), port, (address, port) => {
        const handle = table.intern(address, port);
        expect(table.endpoint(handle)).toBe(endpoint(address, port));
        expect(table.internEndpoint(table.endpoint(handle))).toBe(handle);
        expect(table.port(handle)).toBe(port);
      }),
      { numRuns: 500 },
    );
  });

  test("junk is no address", () => {
    const words = new Uint32Array(4);
    const junk = [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "1..2.3",
      "a.b.c.d",
      ":",
      ":1",
      "1:",
      ":::",
      "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "::g",
      "::1.2.3",
      "1:2:3:4:5:6:7:1.2.3.4",
      "localhost",
    ];
    for (const text of junk) expect([text, parseIpWords(text, words)]).toEqual([text, false]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (parseIpWords(text, words)) {
          expect(
            parseIpWords(formatIpWords(...(words as unknown as [number, number, number, number])), words),
          ).toBe(true);
        }
      }),
    );
  });

  test("mapped IPv4 and IPv4 are one address; a zone is not part of it", () => {
    const table = new AddressTable({ capacity: 8 });
    expect(table.intern("::ffff:192.0.2.1", 5)).toBe(table.intern("192.0.2.1", 5));
    expect(table.family(table.intern("192.0.2.1", 5))).toBe(4);
    expect(table.intern("fe80::1%eth0", 5)).toBe(table.intern("fe80::1", 5));
    expect(table.family(table.intern("fe80::1", 5))).toBe(6);
    expect(table.host(table.intern("2001:DB8:0::1", 5))).toBe("2001:db8::1");
    expect(table.intern("192.0.2.1", 0)).toBe(NO_ADDRESS);
    expect(table.intern("nonsense", 7)).toBe(NO_ADDRESS);
  });
});

describe("bounds", () => {
  test("a flood of strangers forgets strangers only, the longest unseen first", () => {
    const table = new AddressTable({ capacity: 100, unpinnable: 20 });
    const friends: AddressHandle[] = [];
    for (let i = 0; i < 80; i++) {
      const handle = table.intern(`10.0.0.${i}`, 1000);
      expect(table.pin(handle)).toBe(true);
      friends.push(handle);
    }
    const late = table.intern("10.1.1.1", 1000);
    expect(table.pin(late)).toBe(false);
    for (let i = 1; i <= 50_000; i++) {
      table.intern(`198.51.${i & 255}.${(i >> 8) & 255}`, 1 + (i % 60000));
      if (i % 10 === 0) expect(table.intern("10.1.1.1", 1000)).toBe(late);
    }
    expect(table.size).toBe(100);
    for (const [i, handle] of friends.entries()) {
      expect(table.endpoint(handle)).toBe(endpoint(`10.0.0.${i}`, 1000));
      expect(table.intern(`10.0.0.${i}`, 1000)).toBe(handle);
    }
    expect(table.evictions).toBeGreaterThan(40_000);
  });

  test("pins are counted; after the last the address may be forgotten", () => {
    const table = new AddressTable({ capacity: 2, unpinnable: 1 });
    const first = table.intern("192.0.2.1", 1);
    table.pin(first);
    table.pin(first);
    table.unpin(first);
    table.intern("192.0.2.2", 1);
    table.intern("192.0.2.3", 1);
    expect(table.endpoint(first)).toBe(endpoint("192.0.2.1", 1));
    table.unpin(first);
    expect(table.pinned).toBe(0);
    expect(() => table.unpin(first)).toThrow();
    table.intern("192.0.2.4", 1);
    table.intern("192.0.2.5", 1);
    expect(table.endpoint(first)).not.toBe(endpoint("192.0.2.1", 1));
    expect(() => table.pin(NO_ADDRESS)).toThrow();
  });

  test("handles always name what was interned last under them (against a plain map)", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean()), { maxLength: 300 }),
        (steps) => {
          const table = new AddressTable({ capacity: 16, unpinnable: 4 });
          const pinned = new Map<number, AddressHandle>();
          for (const [n, toggle] of steps) {
            const handle = table.intern(`192.0.2.${n}`, n);
            expect(table.endpoint(handle)).toBe(endpoint(`192.0.2.${n}`, n));
            if (!toggle) continue;
            const known = pinned.get(n);
            if (known !== undefined) {
              expect(known).toBe(handle);
              table.unpin(handle);
              pinned.delete(n);
            } else if (table.pin(handle)) pinned.set(n, handle);
          }
          for (const [n, handle] of pinned) {
            expect(table.endpoint(handle)).toBe(parseEndpoint(`192.0.2.${n}:${n}`) as never);
          }
          expect(table.pinned).toBe(pinned.size);
          expect(table.size).toBeLessThanOrEqual(16);
        },
      ),
    );
  });
});
