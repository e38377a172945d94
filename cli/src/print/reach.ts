/** From where an endpoint can be reached, as far as its address tells. */
import { BlockList } from "node:net";
import { type Endpoint, familyOf, splitEndpoint, targetProblem } from "@burrow/protocol";

export type Reach = "loopback" | "private" | "public";

/** RFC 1918 §3, RFC 4193 §3.1. */
const PRIVATE = new BlockList();
PRIVATE.addSubnet("10.0.0.0", 8);
PRIVATE.addSubnet("172.16.0.0", 12);
PRIVATE.addSubnet("192.168.0.0", 16);
PRIVATE.addSubnet("fc00::", 7, "ipv6");

/** Of several endpoints, the best: one public address is enough. */
export function reachOf(endpoints: readonly Endpoint[]): Reach {
  const all = endpoints.map(reachOfOne);
  return all.includes("public") ? "public" : all.includes("private") ? "private" : "loopback";
}

function reachOfOne(endpoint: Endpoint): Reach {
  const problem = targetProblem(endpoint);
  if (problem === "loopback" || problem === "unspecified") return "loopback";
  // 100.64.0.0/10 is the overlay's, or a carrier's NAT: either way nobody's public address.
  if (problem === "link-local" || problem === "overlay") return "private";
  const { address } = splitEndpoint(endpoint);
  return PRIVATE.check(address, familyOf(endpoint) === 6 ? "ipv6" : "ipv4") ? "private" : "public";
}
