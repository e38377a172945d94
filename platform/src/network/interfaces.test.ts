/** The machine's addresses, and what range each is of. */
import { expect, test } from "bun:test";
import { isLinkLocal, isPrivateUse, localAddresses } from "./interfaces.ts";

test("loopback is among the machine's addresses, with what is known of it", () => {
  expect(localAddresses()).toContainEqual({
    name: expect.stringMatching(/^lo/),
    address: "127.0.0.1",
    family: 4,
    prefixLength: 8,
    internal: true,
    linkLocal: false,
    privateUse: false,
    mac: "00:00:00:00:00:00",
  } as never);
});

test("ranges", () => {
  for (const address of ["169.254.7.1", "fe80::1", "febf::1"]) expect(isLinkLocal(address)).toBe(true);
  for (const address of ["169.25.4.1", "fec0::1", "2001:db8::1"]) expect(isLinkLocal(address)).toBe(false);
  for (const address of [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.9.9",
    "192.168.1.1",
    "100.64.0.1",
    "fd00::1",
    "fc12::",
  ]) {
    expect([address, isPrivateUse(address)]).toEqual([address, true]);
  }
  for (const address of ["11.0.0.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2001:db8::1", "fe80::1"]) {
    expect([address, isPrivateUse(address)]).toEqual([address, false]);
  }
});
