/** Where a request comes from: its socket's address, or what a trusted proxy in front of us saw. */
import { parseAddress } from "@burrow/protocol";

/**
 * `forwardedFor` is believed only from a proxy, and of it only the last entry, which the proxy itself has added:
 * all before it are the client's own words.
 */
export function clientAddress(peer: string, forwardedFor: string | null, trustProxy: boolean): string {
  const seenByProxy = trustProxy ? forwardedFor?.split(",").at(-1)?.trim() : undefined;
  const bare = seenByProxy?.replace(/^\[(.*)\]$/, "$1");
  return parseAddress(bare ?? "") ?? parseAddress(peer) ?? peer;
}

/** Of this machine itself: a relay beside us, or a proxy that may speak for all the world. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
