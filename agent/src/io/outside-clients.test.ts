/** Clients that are stated wrongly, or have an agent's address. */
import { afterEach, expect, test } from "bun:test";
import { type NetworkId, overlayPrefix6 } from "@burrow/protocol";
import { configureSync, resetSync } from "@logtape/logtape";
import { AddressWatch, checkClientAddresses, parseClients } from "./outside-clients.ts";

const [KEY, OTHER] = [
  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
  "2J47rXlDfb7Z+ENBgwT0YP8Fx/6B/kqVd6gEy5Nn/2Y=",
];
afterEach(() => resetSync());

test("keys and addresses are had by one client each", () => {
  const [one, two] = [
    { publicKey: KEY, address: "100.127.255.1" },
    { publicKey: OTHER, address: "fd00::1" },
  ];
  expect(parseClients([one, two]).map(({ allowedIps }) => allowedIps)).toEqual([
    ["100.127.255.1/32"],
    ["fd00::1/128"],
  ]);
  expect(() => parseClients([one, { ...two, publicKey: KEY }])).toThrow("have the key");
  expect(() => parseClients([one, { ...two, address: one.address }])).toThrow("have the address");
  expect(() => parseClients([{ ...one, publicKey: "abc" }])).toThrow("not a WireGuard public key");
});

test("clients have addresses of their network alone", () => {
  const [network, other] = ["00000000000000aa", "00000000000000bb"] as [NetworkId, NetworkId];
  const inside = (of: NetworkId) => overlayPrefix6(of).replace("/64", "9");
  const check = (address: string) => checkClientAddresses([{ publicKey: KEY, address }], network);
  for (const address of ["100.64.0.1", "100.127.255.254", inside(network)]) check(address);
  for (const address of ["127.0.0.1", "192.168.1.1", "10.0.0.1", "100.128.0.1", "fe80::1", inside(other)]) {
    expect(() => check(address)).toThrow(`${address} is no address of this network`);
  }
});

test("a client with an agent's address is told once", () => {
  const told: string[] = [];
  configureSync({
    reset: true,
    sinks: { kept: ({ message }) => void told.push(message.join("")) },
    loggers: [
      { category: "burrow", lowestLevel: "warning", sinks: ["kept"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["kept"] },
    ],
  });
  const watch = new AddressWatch([{ publicKey: KEY, address: "100.64.0.2" }]);
  watch.look([{ name: "ann", ipv4: "100.64.0.1", ipv6: "fd00::1" }]);
  expect(told).toEqual([]);
  const bob = { name: "bob", ipv4: "100.64.0.2", ipv6: "fd00::2" };
  watch.look([bob]);
  watch.look([bob]);
  expect(told).toEqual([
    expect.stringMatching(/^--wg-client 100\.64\.0\.2 is also the address of the agent bob/),
  ]);
});
