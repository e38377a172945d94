/** Relays that the coordinator names for one pair: this agent binds there for as long as the pair may need them. */
import type { ToAgent } from "@burrow/protocol";
import type { Peers } from "./peers.ts";
import type { RelayLinks } from "./relays/relay-links.ts";

export type PairRelays = Extract<ToAgent, { type: "pair-relays" }>;

/** The parts of an agent that this needs. */
interface Parts {
  readonly peers: Peers;
  readonly relays: RelayLinks;
  readonly drops: Map<string, number>;
}

/** Both sides bind at these and measure the way through each; what is best is used. */
export function bindForPair(
  { peer: id, relays: named, reason }: PairRelays,
  agent: Parts,
  now: number,
): void {
  const { peers, relays, drops } = agent;
  const peer = peers.get(id);
  if (peer === undefined) {
    drops.set(UNKNOWN_PEER, (drops.get(UNKNOWN_PEER) ?? 0) + 1);
    return;
  }
  const known = named.map(({ relay }) => relay).filter((relay) => relays.get(relay) !== undefined);
  for (const relay of known) relays.want(relay, now);
  peer.paths.setPairRelays(known, reason, now);
  relays.tick(now);
}

const UNKNOWN_PEER = "pair-relays-unknown-peer";
