/** Hex and base64 against the runtime's own, and every text that is not the one encoding of its bytes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import "../testing/support.ts";
import { fromBase64, fromHex, toBase64, toHex, utf8 } from "./encoding.ts";

test("hex, base64 and UTF-8 agree with the runtime's", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.string({ unit: "grapheme" }), (bytes, text) => {
      const buffer = Buffer.from(bytes);
      expect(toHex(bytes)).toBe(buffer.toString("hex"));
      expect(fromHex(buffer.toString("hex"))).toEqual(bytes);
      expect(toBase64(bytes)).toBe(buffer.toString("base64"));
      expect(fromBase64(buffer.toString("base64"))).toEqual(bytes);
      expect(utf8(text)).toEqual(new TextEncoder().encode(text));
    }),
  );
});

test("any text is either the one encoding of its bytes or none", () => {
  const symbols = fc.constantFrom(..."ABCdef+/=09-_ \n");
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: symbols })), (text) => {
      const base64 = fromBase64(text);
      if (base64 !== undefined) expect(toBase64(base64)).toBe(text);
      const hex = fromHex(text);
      if (hex !== undefined) expect(toHex(hex)).toBe(text);
    }),
  );
});

test("known bad texts", () => {
  for (const text of ["A", "AA", "AAA", "A===", "AA=A", "AB==", "AAB=", "AA==\n", "AA-_", "====", "é==="]) {
    expect(fromBase64(text)).toBeUndefined();
  }
  for (const text of ["0", "0G", "AB", "0x", " 0", "00\n", "٠٠"]) expect(fromHex(text)).toBeUndefined();
  expect(fromBase64("")).toEqual(new Uint8Array(0));
  expect(fromHex("")).toEqual(new Uint8Array(0));
});
