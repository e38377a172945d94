/** Addresses that others cannot reach. */
import { expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import { reachOf } from "./reach.ts";

test.each([
  ["127.0.0.1:21820", "loopback"],
  ["[::1]:21820", "loopback"],
  ["0.0.0.0:21820", "loopback"],
  ["10.1.2.3:21820", "private"],
  ["172.31.0.1:21820", "private"],
  ["172.32.0.1:21820", "public"],
  ["192.168.1.5:21820", "private"],
  ["169.254.1.1:21820", "private"],
  ["100.64.0.1:21820", "private"],
  ["[fd00::1]:21820", "private"],
  ["[fe80::1]:21820", "private"],
  ["203.0.113.7:21820", "public"],
  ["[2a01:4f8::1]:21820", "public"],
])("%s is %s", (endpoint, reach) => {
  expect(reachOf([endpoint as Endpoint])).toBe(reach as "public");
});

test("one public address is enough", () => {
  expect(reachOf(["127.0.0.1:1", "203.0.113.7:1"] as Endpoint[])).toBe("public");
  expect(reachOf(["127.0.0.1:1", "10.0.0.1:1"] as Endpoint[])).toBe("private");
});
