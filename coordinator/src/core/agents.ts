/** The agents, by network: who is connected, where each is bound, and what each said of itself. */
import type {
  AgentFigures,
  AgentId,
  Candidate,
  NatMapping,
  NatPorts,
  NetworkId,
  PathReport,
  PeerInfo,
  RelayId,
  Route,
} from "@burrow/protocol";
import type { GeoLocation } from "./geo.ts";
import { type AgentRecord, agentAddress4, agentAddress6 } from "./records.ts";

/** What is known only while the agent is connected. */
export interface Presence {
  /** By the clock of the mesh's `now`. */
  readonly connectedSinceMs: number;
  /** Where its channel comes from. */
  readonly address: string;
  readonly location: GeoLocation | undefined;
  /** Whose database said so. */
  readonly attribution?: string | undefined;
  readonly acceptsOutside: boolean;
}

export interface AgentEntry {
  readonly record: AgentRecord;
  /** Its addresses in the overlay, which never change. */
  readonly ipv4: string;
  readonly ipv6: string;

  readonly presence: Presence | undefined;
  /** Undefined until it has told them on its present channel. */
  readonly candidates: readonly Candidate[] | undefined;
  readonly nat: NatMapping;
  readonly natPorts: NatPorts | undefined;
  readonly rtts: readonly { readonly relay: RelayId; readonly rttMs: number }[];
  readonly homeReason: string;
  /** How often its home moved within a day, as it says. */
  readonly homeMoves: number | undefined;
  readonly paths: readonly PathReport[];
  /** Its pairs that talk, by the way they go; undefined until it has told them on its present channel. */
  readonly pairs: Pick<AgentFigures, "direct" | "relayed"> | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Entry = Mutable<AgentEntry>;

export class AgentRegistry {
  readonly #entries = new Map<AgentId, Entry>();
  readonly #networks = new Map<NetworkId, Map<AgentId, Entry>>();

  constructor(records: readonly AgentRecord[]) {
    for (const record of records) if (record.revokedAtMs === undefined) this.#add(record);
  }

  get(id: AgentId): AgentEntry | undefined {
    return this.#entries.get(id);
  }

  all(): readonly AgentEntry[] {
    return [...this.#entries.values()];
  }

  /** How many networks have agents. */
  get networks(): number {
    return this.#networks.size;
  }

  inNetwork(network: NetworkId): ReadonlyMap<AgentId, AgentEntry> {
    return this.#networks.get(network) ?? new Map();
  }

  /** Home, standby and when it was seen stay what they were: the store's copy may lag behind. */
  connected(record: AgentRecord, presence: Presence): AgentEntry {
    const entry = this.#entries.get(record.id) ?? this.#add(record);
    const { home, standby, lastSeenMs } = entry.record;
    entry.record = { ...record, home, standby, lastSeenMs };
    entry.presence = presence;
    entry.candidates = undefined;
    entry.pairs = undefined;
    return entry;
  }

  update(id: AgentId, change: Partial<Omit<AgentEntry, "record" | "ipv4" | "ipv6">>): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) Object.assign(entry, change);
  }

  disconnected(id: AgentId, lastSeenMs: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.presence = undefined;
    entry.record = { ...entry.record, lastSeenMs };
    // An agent that is gone has none, whatever it said last.
    entry.paths = [];
  }

  /** True when it was bound elsewhere before. */
  setHome(id: AgentId, home: RelayId | undefined, standby: RelayId | undefined): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    const changed = entry.record.home !== home || entry.record.standby !== standby;
    if (changed) entry.record = { ...entry.record, home, standby };
    return changed;
  }

  forget(id: AgentId): AgentEntry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    const network = this.#networks.get(entry.record.network);
    network?.delete(id);
    if (network?.size === 0) this.#networks.delete(entry.record.network);
    return entry;
  }

  #add(record: AgentRecord): Entry {
    const entry: Entry = {
      record,
      ipv4: agentAddress4(record),
      ipv6: agentAddress6(record),
      presence: undefined,
      candidates: undefined,
      nat: "unknown",
      natPorts: undefined,
      rtts: [],
      homeReason: "",
      homeMoves: undefined,
      paths: [],
      pairs: undefined,
    };
    this.#entries.set(record.id, entry);
    const network = this.#networks.get(record.network) ?? new Map<AgentId, Entry>();
    this.#networks.set(record.network, network.set(record.id, entry));
    return entry;
  }
}

export function peerInfo({ record, ipv4, ipv6, presence }: AgentEntry): PeerInfo {
  return {
    id: record.id,
    key: record.key,
    name: record.name,
    ipv4,
    ipv6,
    online: presence !== undefined,
    ...(presence === undefined && record.lastSeenMs !== undefined ? { lastSeenMs: record.lastSeenMs } : {}),
    relays: [record.home, record.standby].filter((relay) => relay !== undefined),
  };
}

/** Undefined while nobody knows where the agent is bound. */
export function routeOf({ record }: AgentEntry): Route | undefined {
  const { id, key, network, home } = record;
  return home === undefined ? undefined : { agent: id, key, network, relay: home };
}
