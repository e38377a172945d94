/** The table of routes as Linux prints it, and as nobody does. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { gatewayOf, hasDefaultRoute6, parseDefaultRoutes } from "./gateway.ts";
import type { LocalAddress } from "./interfaces.ts";

const HEAD =
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n";
const route = (
  name: string,
  destination: string,
  gateway: string,
  flags: string,
  metric: number,
  mask: string,
) =>
  `${name}\t${destination}\t${gateway}\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0                                                   \n`;
const WIFI = route("wlan0", "00000000", "0101A8C0", "0003", 600, "00000000");
const CABLE = route("eth0", "00000000", "FE0A000A", "0003", 100, "00000000");
const TUNNEL = route("wg0", "00000000", "00000000", "0001", 50, "00000000");

function address(name: string, of: string, prefixLength: number): LocalAddress {
  const family = of.includes(":") ? 6 : 4;
  const plain = { internal: false, linkLocal: false, privateUse: true, mac: "02:00:00:00:00:01" };
  return { name, address: of, family, prefixLength, ...plain };
}

const ADDRESSES = [
  address("eth0", "10.0.10.9", 24),
  address("wlan0", "172.16.0.4", 16),
  address("wlan0", "192.168.1.7", 24),
  address("wlan0", "fe80::1", 64),
];

test("default routes, best first; those of the link and of other networks are none", () => {
  const table = `${HEAD}${WIFI}${route("wlan0", "0001A8C0", "00000000", "0001", 600, "00FFFFFF")}${CABLE}`;
  expect(parseDefaultRoutes(table)).toEqual([
    { interface: "eth0", gateway: "10.0.10.254", metric: 100 },
    { interface: "wlan0", gateway: "192.168.1.1", metric: 600 },
  ]);
});

test("routes that are down or refuse are none", () => {
  const down = route("eth0", "00000000", "FE0A000A", "0002", 0, "00000000");
  const refused = route("*", "00000000", "00000000", "0201", 0, "00000000");
  expect(parseDefaultRoutes(HEAD + down + refused)).toEqual([]);
  expect(parseDefaultRoutes("")).toEqual([]);
});

test("the gateway comes with our own address on its link", () => {
  const of = (table: string) => gatewayOf(parseDefaultRoutes(HEAD + table), ADDRESSES);
  expect(of(WIFI)).toEqual({ address: "192.168.1.1", interface: "wlan0", local: "192.168.1.7" });
  expect(of(WIFI + CABLE)).toEqual({ address: "10.0.10.254", interface: "eth0", local: "10.0.10.9" });
});

test("a tunnel that takes everything has no gateway, and neither has a link without an address", () => {
  expect(gatewayOf(parseDefaultRoutes(HEAD + WIFI + TUNNEL), ADDRESSES)).toBeUndefined();
  expect(gatewayOf(parseDefaultRoutes(HEAD + WIFI), [])).toBeUndefined();
  expect(gatewayOf([], ADDRESSES)).toBeUndefined();
});

test("a gateway outside our prefix is reached from any address of its link", () => {
  const [onlink] = [address("eth0", "203.0.113.7", 32)];
  const found = gatewayOf(parseDefaultRoutes(HEAD + CABLE), onlink === undefined ? [] : [onlink]);
  expect(found).toEqual({ address: "10.0.10.254", interface: "eth0", local: "203.0.113.7" });
});

test("whatever the table holds, it is read to the end", () => {
  const field = fc.oneof(fc.constantFrom("00000000", "0003", "0101A8C0", "", "eth0"), fc.string());
  const table = fc.array(fc.array(field, { maxLength: 12 }).map((fields) => fields.join("\t")));
  fc.assert(
    fc.property(table, (lines) => {
      for (const { gateway } of parseDefaultRoutes(lines.join("\n"))) {
        if (gateway !== undefined) expect(gateway).toMatch(/^\d{1,3}(\.\d{1,3}){3}$/);
      }
    }),
  );
});

test("a way to everywhere by IPv6: not the one that refuses, not a network of its own", () => {
  const zero = "0".repeat(32);
  const line = (to: string, length: string, flags: string, name: string) =>
    `${to} ${length} ${zero} 00 fd${"0".repeat(29)}1 00000400 00000003 00000000 ${flags}     ${name}\n`;
  const own = line(`fd${"0".repeat(30)}`, "40", "00000001", "eth0");
  // As a kernel without any route prints it.
  const refusal = line(zero, "00", "00200200", "lo");
  expect(hasDefaultRoute6(own + refusal)).toBe(false);
  expect(hasDefaultRoute6(own + line(zero, "00", "00000003", "eth0"))).toBe(true);
  expect(hasDefaultRoute6(line(zero, "00", "00000201", "eth0"))).toBe(false);
  fc.assert(fc.property(fc.string(), (text) => expect(hasDefaultRoute6(text)).toBeBoolean()));
});
