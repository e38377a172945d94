/** Which of a machine's addresses a peer is told of. */
import { expect, test } from "bun:test";
import type { LocalAddress } from "@burrow/platform";
import { reachableAddresses } from "./network.ts";

const TUNNELS = new Set(["burrow0", "wg0", "tailscale0"]);

function told(...machine: readonly [name: string, address: string][]): readonly string[] {
  const addresses = machine.map(
    ([name, address]): LocalAddress => ({
      ...{ name, address, family: address.includes(":") ? 6 : 4, prefixLength: 24, mac: "" },
      internal: name === "lo",
      linkLocal: address.startsWith("fe80:"),
      privateUse: true,
    }),
  );
  return reachableAddresses(addresses, "burrow0", (name) => TUNNELS.has(name)).map(({ address }) => address);
}

test("another VPN's address is left out beside a real one", () => {
  expect(told(["eth0", "192.168.1.7"], ["wg0", "10.99.0.1"])).toEqual(["192.168.1.7"]);
});

test("it counts where the machine has no other of its family: loopback and link-local ones are none", () => {
  const machine = [
    ["lo", "::1"],
    ["eth0", "192.168.1.7"],
    ["eth0", "fe80::7"],
    ["wg0", "fd99::1"],
  ] as const;
  expect(told(...machine.map(([name, address]): [string, string] => [name, address]))).toContain("fd99::1");
  expect(told(["lo", "127.0.0.1"], ["wg0", "10.99.0.1"])).toContain("10.99.0.1");
});

test("our own overlay's addresses and those of overlays numbered like it never count", () => {
  expect(told(["burrow0", "100.64.0.1"], ["burrow0", "fd00::1"], ["tailscale0", "100.101.1.1"])).toEqual([]);
});

test("an address of a carrier's network on a real interface counts", () => {
  expect(told(["eth0", "100.64.9.9"])).toEqual(["100.64.9.9"]);
});
