/** Where this agent might be reached directly: its own addresses, how it looks to its relays, what its router gave. */
import { CANDIDATES_MAX, type Candidate, type Endpoint, parseAddress, splitEndpoint } from "@burrow/protocol";
import ipaddr from "ipaddr.js";

export interface CandidateOptions {
  /** Loopback addresses count: for meshes on one machine. */
  readonly loopback: boolean;
  /** Whether an address is the overlay's own: a path to a peer must not lead through the tunnel that it carries. */
  isOverlay(address: string): boolean;
}

export interface CandidateSources {
  /** The socket's endpoints on this machine's addresses. */
  readonly local: readonly Endpoint[];
  /** How relays see the socket. */
  readonly reflexive: readonly Endpoint[];
  /** What the router before us forwards to the socket. */
  readonly mapped: readonly Endpoint[];
  /** What the user says. */
  readonly stated: readonly Endpoint[];
}

export function gatherCandidates(
  { local, reflexive, mapped, stated }: CandidateSources,
  options: CandidateOptions,
): Candidate[] {
  const found = new Map<Endpoint, Candidate>();
  for (const endpoint of stated) found.set(endpoint, { kind: "stated", endpoint });
  for (const endpoint of hostEndpoints(local, options)) found.set(endpoint, { kind: "host", endpoint });
  for (const [kind, endpoints] of [
    ["mapped", mapped],
    ["reflexive", reflexive],
  ] as const) {
    for (const endpoint of endpoints) if (!found.has(endpoint)) found.set(endpoint, { kind, endpoint });
  }
  return [...found.values()].slice(0, CANDIDATES_MAX);
}

export function sameCandidates(a: readonly Candidate[], b: readonly Candidate[]): boolean {
  const text = (list: readonly Candidate[]) =>
    list
      .map(({ kind, endpoint }) => `${kind} ${endpoint}`)
      .toSorted()
      .join();
  return text(a) === text(b);
}

/** Those of the socket's own endpoints that somebody else may be able to reach. */
export function hostEndpoints(local: readonly Endpoint[], options: CandidateOptions): readonly Endpoint[] {
  return local.filter((endpoint) => isHost(endpoint, options));
}

/** Link-local addresses need a zone that the peer cannot know, and nobody else is behind our loopback. */
function isHost(of: Endpoint, options: CandidateOptions): boolean {
  const address = parseAddress(splitEndpoint(of).address);
  if (address === undefined) return false;
  const range = ipaddr.parse(address).range();
  if (range === "loopback") return options.loopback;
  if (options.isOverlay(address)) return false;
  return range !== "linkLocal" && range !== "unspecified" && range !== "multicast";
}

/** Ranges that mean another host in each network. */
const INNER_RANGES: ReadonlySet<string> = new Set(["private", "carrierGradeNat", "linkLocal", "loopback"]);

/** IPv4 that means the same host everywhere: between there and here are the routers of both sides. */
export function isOuter4(of: Endpoint): boolean {
  return !of.startsWith("[") && !INNER_RANGES.has(ipaddr.parse(splitEndpoint(of).address).range());
}

/** Whether the address lies in one of the prefixes. */
export function isInside(address: string, prefixes: readonly string[]): boolean {
  const parsed = ipaddr.parse(address);
  return prefixes.some((prefix) => {
    const [network, bits] = ipaddr.parseCIDR(prefix);
    return network.kind() === parsed.kind() && parsed.match(network, bits);
  });
}
