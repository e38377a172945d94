/** Cryptokey routing against the plainest implementation there is. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { AllowedIps, parseAllowedIp } from "./allowed-ips.ts";

const block = (text: string) => {
  const parsed = parseAllowedIp(text);
  if (parsed === undefined) throw new Error(`not a block: ${text}`);
  return parsed;
};
const find = <T>(table: AllowedIps<T>, text: string): T | undefined => {
  const { address } = block(text);
  return address.length === 4 ? table.find4(address, 0) : table.find6(address, 0);
};

test("blocks are read, and nothing else is", () => {
  expect(block("10.1.2.3/8")).toEqual({ address: Uint8Array.of(10, 1, 2, 3), prefixLength: 8 });
  expect(block("10.1.2.3").prefixLength).toBe(32);
  expect(block("fd00::1").prefixLength).toBe(128);
  expect(block("::/0").prefixLength).toBe(0);
  for (const text of ["", "10.0.0.1/33", "fd00::/129", "10.0.0", "x", "10.0.0.1/", "300.0.0.1"]) {
    expect(parseAllowedIp(text)).toBeUndefined();
  }
});

test("the longest prefix wins, and the families do not mix", () => {
  const table = new AllowedIps<string>();
  table.set(block("0.0.0.0/0"), "all");
  table.set(block("10.0.0.0/8"), "ten");
  table.set(block("10.1.0.0/16"), "ten one");
  table.set(block("10.1.2.3/32"), "host");
  table.set(block("fd00::/8"), "ula");
  table.set(block("fd00::1/128"), "six");
  const wanted = {
    "8.8.8.8": "all",
    "10.9.9.9": "ten",
    "10.1.9.9": "ten one",
    "10.1.2.3": "host",
    "fd99::1": "ula",
    "fd00::1": "six",
    "fe80::1": undefined,
    "::a01:203": undefined,
  };
  for (const [address, owner] of Object.entries(wanted)) expect(find(table, address)).toBe(owner);
});

test("a block moves to the last owner, and an owner's blocks go with it", () => {
  const table = new AllowedIps<string>();
  table.set(block("10.0.0.1/32"), "a");
  table.set(block("10.0.0.0/24"), "a");
  table.set(block("10.0.0.1/32"), "b");
  expect(find(table, "10.0.0.1")).toBe("b");
  table.removeOwner("b");
  expect(find(table, "10.0.0.1")).toBe("a");
  table.removeOwner("a");
  expect(find(table, "10.0.0.1")).toBeUndefined();
});

test("agrees with trying every block", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length, max: 3 });
  const entry = (length: number) => fc.record({ address: bytes(length), prefixLength: fc.nat(length * 8) });
  for (const length of [4, 16]) {
    fc.assert(
      fc.property(fc.array(entry(length), { maxLength: 20 }), bytes(length), (entries, wanted) => {
        const table = new AllowedIps<number>();
        for (const [owner, one] of entries.entries()) table.set(one, owner);
        const matches = entries
          .map((one, owner) => ({ ...one, owner }))
          .filter(({ address, prefixLength }) => sharedBits(address, wanted) >= prefixLength)
          .sort((x, y) => x.prefixLength - y.prefixLength || x.owner - y.owner);
        const got = length === 4 ? table.find4(wanted, 0) : table.find6(wanted, 0);
        expect(got).toBe(matches.at(-1)?.owner);
      }),
    );
  }
});

function sharedBits(a: Uint8Array, b: Uint8Array): number {
  const bits = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const [x, y] = [bits(a), bits(b)];
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return i;
  return x.length;
}
