/** The forwarder's counters as plain data, for heartbeats, metrics and status. */
import { BindStatus } from "@burrow/protocol";
import type { BindDesk } from "./binds.ts";
import type { DropCounters, DropReason } from "./drop-reason.ts";
import type { Flows } from "./flows.ts";
import type { Links } from "./links.ts";
import type { Parties } from "./parties.ts";
import type { Sounding, Soundings } from "./soundings.ts";
import type { TrunkDesk } from "./trunks.ts";

export interface ForwarderSnapshot {
  /** Agents bound here. */
  readonly sessions: number;
  readonly outsideClients: number;
  /** Agents and clients known, the routed and the lately gone included. */
  readonly parties: number;
  readonly flows: number;
  readonly relays: number;
  /** Datagrams that arrived, and what left: packets and their UDP payload bytes. */
  readonly received: number;
  readonly packets: number;
  readonly bytes: number;
  /** Of the packets: transport data from one agent bound here to another. */
  readonly transports: number;
  readonly trunk: { readonly sent: number; readonly received: number };
  /** Other relays' data ports as this relay found them. */
  readonly soundings: readonly Sounding[];
  /** Answers to Binds, by status. */
  readonly binds: Readonly<Record<keyof typeof BindStatus, number>>;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Lessons refused because a living flow said otherwise; entries that had to make room. */
  readonly flowConflicts: number;
  readonly evictions: { readonly flows: number; readonly parties: number };
}

interface Sources {
  readonly parties: Parties;
  readonly flows: Flows;
  readonly links: Links;
  readonly trunks: TrunkDesk;
  readonly soundings: Soundings;
  readonly binds: BindDesk;
  readonly drops: DropCounters;
  readonly received: number;
  readonly packets: number;
  readonly bytes: number;
  readonly transports: number;
}

export function takeSnapshot(from: Sources): ForwarderSnapshot {
  const statuses = Object.entries(BindStatus).map(([name, code]) => [name, from.binds.answers[code] ?? 0]);
  return {
    sessions: from.parties.sessions,
    outsideClients: from.parties.outsideClients,
    parties: from.parties.size,
    flows: from.flows.table.size,
    relays: from.links.size,
    received: from.received,
    packets: from.packets,
    transports: from.transports,
    bytes: from.bytes,
    trunk: { sent: from.trunks.sent, received: from.trunks.received },
    soundings: from.soundings.results,
    binds: Object.fromEntries(statuses) as Record<keyof typeof BindStatus, number>,
    drops: from.drops.snapshot(),
    flowConflicts: from.flows.conflicts,
    evictions: { flows: from.flows.table.evictions, parties: from.parties.evictions },
  };
}
