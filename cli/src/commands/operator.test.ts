/** What is said of a coordinator that listens everywhere to those who will ask it from other machines. */
import { expect, test } from "bun:test";
import type { LocalAddress } from "@burrow/platform";
import { fromElsewhere } from "./operator.ts";

const at = (address: string, more: Partial<LocalAddress> = {}): LocalAddress => ({
  name: "eth0",
  address,
  family: address.includes(":") ? 6 : 4,
  prefixLength: 24,
  internal: false,
  linkLocal: false,
  privateUse: false,
  mac: "",
  ...more,
});
const LOCAL = [
  at("127.0.0.1", { internal: true }),
  at("::1", { internal: true }),
  at("10.0.0.3", { privateUse: true }),
  at("fe80::1", { linkLocal: true }),
];

test("a global address of this machine is named, IPv4 before IPv6, and of the family that is listened to", () => {
  const six = at("2001:db8::7");
  const four = at("203.0.113.7");
  expect(fromElsewhere("http://[::1]:8090", [...LOCAL, six, four])).toBe("http://203.0.113.7:8090");
  expect(fromElsewhere("http://[::1]:8090", [...LOCAL, six])).toBe("http://[2001:db8::7]:8090");
  expect(fromElsewhere("http://127.0.0.1:8080", [six, ...LOCAL, four])).toBe("http://203.0.113.7:8080");
});

test("where there is none, the reader is told what to put there", () => {
  expect(fromElsewhere("http://[::1]:8090", LOCAL)).toBe("http://THIS-HOST:8090");
  expect(fromElsewhere("http://127.0.0.1:80", [...LOCAL, at("2001:db8::7")])).toBe("http://THIS-HOST");
});
