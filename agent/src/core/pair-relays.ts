/** Relays that the coordinator names for one pair: this agent binds there for as long as the pair may need them. */
import type { ToAgent } from "@burrow/protocol";
import type { Peers } from "./peers.ts";
import type { RelayLinks } from "./relays/relay-links.ts";

export type PairRelays = Extract<ToAgent, { type: "pair-relays" }>;

/** Both sides bind at these and measure the way through each; what is best is used. False for an unknown peer. */
export function bindForPair(
  { peer: id, relays, reason }: PairRelays,
  peers: Peers,
  links: RelayLinks,
  now: number,
): boolean {
  const peer = peers.get(id);
  if (peer === undefined) return false;
  const known = relays.map(({ relay }) => relay).filter((relay) => links.get(relay) !== undefined);
  for (const relay of known) links.want(relay, now);
  peer.paths.setPairRelays(known, reason, now);
  links.tick(now);
  return true;
}
