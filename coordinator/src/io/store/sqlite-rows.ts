/** Rows as SQLite gives them, and the records they mean. */
import {
  type AgentId,
  type Endpoint,
  type KeyText,
  type NetworkId,
  type RelayId,
  type WebsocketDoor,
  websocketDoor,
} from "@burrow/protocol";
import type { AgentRecord, NetworkRecord, RelayRecord, TokenKind, TokenRecord } from "../../core/records.ts";

export interface NetworkRow {
  readonly id: NetworkId;
  readonly name: string;
  readonly created_at_ms: number;
  readonly next_address: number;
}

export interface AgentRow {
  readonly id: AgentId;
  readonly key: KeyText;
  readonly network: NetworkId;
  readonly name: string;
  readonly address: number;
  readonly version: string;
  readonly enrolled_at_ms: number;
  readonly revoked_at_ms: number | null;
  readonly home: RelayId | null;
  readonly standby: RelayId | null;
  readonly last_seen_ms: number | null;
}

export interface RelayRow {
  readonly id: RelayId;
  readonly key: KeyText;
  readonly ticket_key: Uint8Array;
  readonly region: string;
  readonly lat: number | null;
  readonly lon: number | null;
  readonly endpoints: string;
  readonly websocket: string | null;
  readonly version: string;
  readonly enrolled_at_ms: number;
  readonly network: NetworkId | null;
  readonly drain_requested: number;
  readonly weight_ms: number;
  readonly avoid: number;
  readonly down_since_ms: number | null;
}

export interface TokenRow {
  readonly hash: string;
  readonly kind: TokenKind;
  readonly network: NetworkId | null;
  readonly uses_max: number;
  readonly uses: number;
  readonly expires_at_ms: number;
  readonly created_at_ms: number;
}

export function networkOf(row: NetworkRow): NetworkRecord {
  return { id: row.id, name: row.name, createdAtMs: row.created_at_ms };
}

export function agentOf(row: AgentRow): AgentRecord {
  return {
    id: row.id,
    key: row.key,
    network: row.network,
    name: row.name,
    addressIndex: row.address,
    version: row.version,
    enrolledAtMs: row.enrolled_at_ms,
    revokedAtMs: row.revoked_at_ms ?? undefined,
    home: row.home ?? undefined,
    standby: row.standby ?? undefined,
    lastSeenMs: row.last_seen_ms ?? undefined,
  };
}

export function relayOf(row: RelayRow): RelayRecord {
  return {
    id: row.id,
    key: row.key,
    ticketKey: new Uint8Array(row.ticket_key),
    region: row.region,
    at: row.lat === null || row.lon === null ? undefined : { lat: row.lat, lon: row.lon },
    endpoints: JSON.parse(row.endpoints) as Endpoint[],
    websocket: row.websocket === null ? undefined : doorOf(row.websocket),
    version: row.version,
    enrolledAtMs: row.enrolled_at_ms,
    network: row.network ?? undefined,
    drainRequested: row.drain_requested !== 0,
    weightMs: row.weight_ms === 0 ? undefined : row.weight_ms,
    avoid: row.avoid === 0 ? undefined : true,
    downSinceMs: row.down_since_ms ?? undefined,
  };
}

/** Earlier versions took URLs that agents cannot read; the relay says its door anew when it connects. */
function doorOf(text: string): WebsocketDoor | undefined {
  return websocketDoor.safeParse(JSON.parse(text)).data;
}

export function tokenOf(row: TokenRow): TokenRecord {
  return {
    hash: row.hash,
    kind: row.kind,
    network: row.network ?? undefined,
    usesMax: row.uses_max,
    uses: row.uses,
    expiresAtMs: row.expires_at_ms,
    createdAtMs: row.created_at_ms,
  };
}
