/** What an agent tells others of where it might be reached. */
import { expect, test } from "bun:test";
import { CANDIDATES_MAX, type Endpoint } from "@burrow/protocol";
import { gatherCandidates, isInside, sameCandidates } from "./candidates.ts";

const at = (text: string) => text as Endpoint;
const OVERLAY = ["100.64.0.9/32", "fd12:3456:789a::/64"];
const options = { loopback: false, isOverlay: (address: string) => isInside(address, OVERLAY) };

function kinds(
  local: string[],
  reflexive: string[] = [],
  stated: string[] = [],
  more = options,
  mapped: string[] = [],
): string[] {
  const sources = { local: local.map(at), reflexive: reflexive.map(at), stated: stated.map(at) };
  const found = gatherCandidates({ ...sources, mapped: mapped.map(at) }, more);
  return found.map(({ kind, endpoint }) => `${kind} ${endpoint}`);
}

test("own addresses are host candidates; those that mean nothing to others are not", () => {
  const local = [
    "192.168.1.2:1",
    "[2001:db8::1]:1",
    "127.0.0.1:1",
    "[fe80::1]:1",
    "169.254.3.4:1",
    "[::1]:1",
  ];
  expect(kinds(local)).toEqual(["host 192.168.1.2:1", "host [2001:db8::1]:1"]);
});

test("loopback counts for meshes on one machine", () => {
  expect(kinds(["127.0.0.1:1"], [], [], { ...options, loopback: true })).toEqual(["host 127.0.0.1:1"]);
});

test("a path never leads through the tunnel that it carries", () => {
  expect(kinds(["100.64.0.9:1", "[fd12:3456:789a::9]:1", "[fd12:3456:789b::9]:1"])).toEqual([
    "host [fd12:3456:789b::9]:1",
  ]);
  // Behind a carrier's NAT the same block is an ordinary network.
  expect(kinds(["100.64.0.10:1"])).toEqual(["host 100.64.0.10:1"]);
  expect(isInside("::ffff:1.2.3.4", ["1.2.0.0/16"])).toBe(false);
});

test("how relays see us is reflexive, unless it is an address of our own or stated", () => {
  expect(kinds(["198.51.100.1:1"], ["198.51.100.1:1", "198.51.100.2:7"], ["203.0.113.5:7"])).toEqual([
    "stated 203.0.113.5:7",
    "host 198.51.100.1:1",
    "reflexive 198.51.100.2:7",
  ]);
});

test("what the router gave comes before how relays see the same address", () => {
  expect(
    kinds(["192.168.1.2:1"], ["198.51.100.2:1", "198.51.100.2:7"], [], options, ["198.51.100.2:1"]),
  ).toEqual(["host 192.168.1.2:1", "mapped 198.51.100.2:1", "reflexive 198.51.100.2:7"]);
});

test("there are never more than a message holds", () => {
  const many = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}:1`);
  expect(kinds(many).length).toBe(CANDIDATES_MAX);
});

test("the order of candidates says nothing, their kinds do", () => {
  const [a, b] = [
    { kind: "host", endpoint: at("10.0.0.1:1") } as const,
    { kind: "host", endpoint: at("10.0.0.2:1") } as const,
  ];
  expect(sameCandidates([a, b], [b, a])).toBe(true);
  expect(sameCandidates([a], [a, b])).toBe(false);
  expect(sameCandidates([a], [{ ...a, kind: "reflexive" }])).toBe(false);
});
