/** Hosts as budgets see them: whose buckets are shared is nothing that a stranger can work out. */
import { expect, test } from "bun:test";
import { type AddressHandle, AddressTable } from "@burrow/platform";
import { addressesOf } from "./socket-addresses.ts";

/** As many as budgets per host have. */
const BUCKETS = 4_096;

test("a host is one whatever its port, and of IPv6 a /64 is", () => {
  const table = new AddressTable();
  const { hostHash } = addressesOf(table, () => true);
  const of = (address: string, port: number) => hostHash(table.intern(address, port));
  expect(of("192.0.2.1", 1)).toBe(of("192.0.2.1", 2));
  expect(of("192.0.2.1", 1)).not.toBe(of("192.0.2.2", 1));
  expect(of("2001:db8::1", 1)).toBe(of("2001:db8::ffff:1", 9));
  expect(of("2001:db8::1", 1)).not.toBe(of("2001:db8:0:1::1", 1));
});

test.each(["192.0.2.1", "2001:db8:7:7::1"])(
  "who shares the bucket of %s is another matter in each process",
  (victim) => {
    const table = new AddressTable({ capacity: 65_536 });
    const [one, other] = [addressesOf(table, () => true), addressesOf(table, () => true)];
    const bucketOf = ({ hostHash }: typeof one, handle: AddressHandle) => (hostHash(handle) >>> 0) % BUCKETS;
    const target = table.intern(victim, 1);
    const attackers: AddressHandle[] = [];
    for (let n = 0; n < 40_000; n++) {
      const attacker = table.intern(`2001:db8:${(n >> 8).toString(16)}:${(n & 255).toString(16)}::1`, 1);
      if (bucketOf(one, attacker) === bucketOf(one, target)) attackers.push(attacker);
    }
    expect(attackers.length).toBeWithin(1, 40);
    const hits = attackers.filter((attacker) => bucketOf(other, attacker) === bucketOf(other, target));
    expect(hits.length).toBeLessThan(4);
  },
);
