/** What an agent consists of, for those that show it to people and tell the coordinator of it. They change nothing. */
import type { Netmap, OutsideClient } from "./contract.ts";
import type { HairpinCheck } from "./hairpin.ts";
import type { Peers } from "./peers.ts";
import type { PortMapper } from "./port-mapping/port-mapper.ts";
import type { RelayLinks } from "./relays/relay-links.ts";
import type { Tunnel } from "./tunnel.ts";
import type { Whereabouts } from "./whereabouts.ts";

export interface AgentParts {
  /** When something last happened to it: one that waits for anything is never late by much. */
  readonly now: number;
  readonly relays: RelayLinks;
  readonly peers: Peers;
  readonly tunnel: Tunnel;
  readonly whereabouts: Whereabouts;
  readonly mapper: PortMapper;
  readonly hairpin: HairpinCheck;
  /** Unmodified WireGuard peers, as the user stated them. */
  readonly clients: readonly OutsideClient[];
  readonly netmap: Netmap | undefined;
  /** How many packets went no further, by reason. */
  readonly drops: ReadonlyMap<string, number>;
}
