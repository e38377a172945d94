/** Looking addresses up, with the traps of the databases; and which address a client has. */
import { expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../testing/coordinator.ts";
import { clientAddress } from "./client-address.ts";
import { openGeoip } from "./geoip.ts";

const file = new URL("../../../tests/data/geoip/GeoIP2-City-Test.mmdb", import.meta.url).pathname;
const locate = openGeoip(file);

test("addresses of both families, and mapped ones", () => {
  const london = { at: { lat: 51.5142, lon: -0.0931 }, precision: "city", label: "London, GB" } as const;
  expect(locate("81.2.69.142")).toEqual(london);
  expect(locate("::ffff:81.2.69.142")).toEqual(london);
  expect(locate("2001:218::1")).toMatchObject({ precision: "country", label: "JP" });
});

test("what is not an address has no place", () => {
  for (const text of ["81.2.69.142:443", "81.2.69.142 ", "81.2.69", "99.99.99.99.99", "", "localhost", "1"]) {
    expect(locate(text)).toBeUndefined();
  }
  expect(locate("127.0.0.1")).toBeUndefined();
});

test("a database of IPv4 only knows no IPv6 address", async () => {
  const directory = await temporaryDirectory();
  const bytes = readFileSync(file);
  // The metadata's ip_version, a uint16 of one byte: 6 becomes 4.
  const at = bytes.lastIndexOf("ip_version") + "ip_version".length;
  expect([bytes[at], bytes[at + 1]]).toEqual([0xa1, 6]);
  bytes[at + 1] = 4;
  const path = join(directory, "v4.mmdb");
  writeFileSync(path, bytes);
  expect(openGeoip(path)("2001:218::1")).toBeUndefined();
  rmSync(directory, { recursive: true });
});

test("a client's address: the socket's, unless a proxy is trusted, and then its own last word only", () => {
  expect(clientAddress("::ffff:192.0.2.1", null, false)).toBe("192.0.2.1");
  expect(clientAddress("192.0.2.1", "198.51.100.7", false)).toBe("192.0.2.1");
  expect(clientAddress("192.0.2.1", "203.0.113.9, 198.51.100.7", true)).toBe("198.51.100.7");
  expect(clientAddress("192.0.2.1", "[2001:db8::1]", true)).toBe("2001:db8::1");
  expect(clientAddress("192.0.2.1", "203.0.113.9, garbage", true)).toBe("192.0.2.1");
  expect(clientAddress("192.0.2.1", "", true)).toBe("192.0.2.1");
});
