/** What the coordinator remembers across restarts, as plain values. How they are kept is the store's business. */
import {
  type AgentId,
  type Endpoint,
  invariant,
  type KeyText,
  type NetworkId,
  overlayAddress4,
  overlayAddress6,
  type Place,
  type RelayId,
  type WebsocketDoor,
} from "@burrow/protocol";

export interface NetworkRecord {
  readonly id: NetworkId;
  /** What operators call it. Unique. */
  readonly name: string;
  readonly createdAtMs: number;
}

export interface AgentRecord {
  readonly id: AgentId;
  readonly key: KeyText;
  readonly network: NetworkId;
  /** Unique among the agents of its network that are not revoked. */
  readonly name: string;
  /** n of `overlayAddress4(n)`; unique like the name. */
  readonly addressIndex: number;
  readonly version: string;
  readonly enrolledAtMs: number;
  /** Set once and for ever: this key is never let in again. */
  readonly revokedAtMs?: number | undefined;
  /** Where it was bound when it last said so, so that relays keep their routes over our restarts. */
  readonly home?: RelayId | undefined;
  readonly standby?: RelayId | undefined;
  /** When its channel ended last. */
  readonly lastSeenMs?: number | undefined;
}

export interface RelayRecord {
  readonly id: RelayId;
  readonly key: KeyText;
  /** 32 bytes: seals tickets for this relay. Made once, so that tickets outlive restarts of either side. */
  readonly ticketKey: Uint8Array;
  readonly region: string;
  readonly at?: Place | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly websocket?: WebsocketDoor | undefined;
  readonly version: string;
  readonly enrolledAtMs: number;
  /** Whose own it is, by the token it came with: other networks do not see it. Without one it serves all. */
  readonly network?: NetworkId | undefined;
  /** An operator wants it empty. */
  readonly drainRequested: boolean;
  /** An operator's wishes: so many ms further than it is, or nearer below 0; and only when there is nothing else. */
  readonly weightMs?: number | undefined;
  readonly avoid?: boolean | undefined;
  /** Since when it is down, as far as we knew when we last wrote. */
  readonly downSinceMs?: number | undefined;
}

/** What operators may wish of a relay; what is absent stays as it is. */
export interface RelayWishes {
  readonly weightMs?: number | undefined;
  readonly avoid?: boolean | undefined;
}

export type TokenKind = "agent" | "relay";

export interface TokenRecord {
  /** SHA-256 of the token, in hex. The token itself is shown once and kept nowhere. */
  readonly hash: string;
  readonly kind: TokenKind;
  /** Which network its agents join; whose own its relays are, absent for those that serve all. */
  readonly network?: NetworkId | undefined;
  readonly usesMax: number;
  readonly uses: number;
  readonly expiresAtMs: number;
  readonly createdAtMs: number;
}

/** Where an agent was bound when it last said so. */
export interface AgentHome {
  readonly agent: AgentId;
  readonly home?: RelayId | undefined;
  readonly standby?: RelayId | undefined;
}

/** When an agent's channel ended. */
export interface AgentSeen {
  readonly agent: AgentId;
  readonly lastSeenMs: number;
}

export function agentAddress4(agent: AgentRecord): string {
  const address = overlayAddress4(agent.addressIndex);
  invariant(address !== undefined, "address index outside the overlay");
  return address;
}

export function agentAddress6(agent: AgentRecord): string {
  return overlayAddress6(agent.network, agent.id);
}
