/**
 * The relays and whether they live: heartbeats and words on their data ports in, states with a reason and a since-when
 * out. Who is told of a change is mesh.ts's business.
 */
import {
  type Endpoint,
  type FellowRelay,
  HEARTBEAT_SILENCE_MAX_MS,
  type NetworkId,
  type RelayId,
  type RelayInfo,
  type RelayLoad,
  type RelayReach,
  type RelayState,
} from "@burrow/protocol";
import { Damping } from "./damping.ts";
import { distanceKm } from "./geo.ts";
import {
  Reachability,
  type Verdict as ReachVerdict,
  saidBy,
  type Voices,
  verdictOf,
} from "./reachability.ts";
import type { RelayRecord } from "./records.ts";
import { BESIDE_MS } from "./selection/estimate.ts";

/** After our own start relays get this long to come back before their silence counts: it was we who were away. */
export const RECONNECT_GRACE_MS = 15_000;
/** Heartbeats wait in the socket while this process is stopped or busy: a gap in our own ticks this long is ours. */
const OWN_GAP_MAX_MS = 1_500;
/** So a machine with relays up asks to be ticked at least this often. */
const TICK_INTERVAL_MS = 500;
/** There and back through fibre, 200,000 km/s one way: nothing is faster. */
const LIGHT_RTT_KM_PER_MS = 100;

export interface RelayEntry {
  readonly record: RelayRecord;
  readonly state: RelayState;
  /** Why it is in this state, for people. */
  readonly reason: string;
  /** By the clock of `now`, as all times here. */
  readonly sinceMs: number;
  readonly connected: boolean;
  readonly load?: RelayLoad | undefined;
}

/** Connected relays that may know the same: those that serve all, or the own ones of one network. */
export interface RelayAudience {
  readonly network: NetworkId | undefined;
  readonly relays: readonly RelayId[];
}

interface Entry extends RelayEntry {
  record: RelayRecord;
  state: RelayState;
  reason: string;
  sinceMs: number;
  connected: boolean;
  load?: RelayLoad | undefined;
  /** When its silence will have lasted too long. */
  deadlineMs: number;
  drainsItself: boolean;
  readonly damping: Damping;
}

export class RelayRegistry {
  readonly #entries = new Map<RelayId, Entry>();
  readonly #reachability = new Reachability();
  #lastTickMs: number;

  /** `unixAheadMs`: of records' times over those that `now` is. */
  constructor(records: readonly RelayRecord[], now: number, unixAheadMs = 0) {
    this.#lastTickMs = now;
    for (const record of records) this.#entries.set(record.id, entryAtStart(record, now, unixAheadMs));
  }

  get(id: RelayId): RelayEntry | undefined {
    return this.#entries.get(id);
  }

  /** Whether light could have made it: an agent beside `home` that measured it tells of the way between the relays. */
  isPossible(
    home: RelayEntry,
    { relay, rttMs }: { readonly relay: RelayId; readonly rttMs: number },
  ): boolean {
    const at = this.get(relay)?.record.at;
    const from = home.record.at;
    if (at === undefined || from === undefined) return true;
    return rttMs + BESIDE_MS >= distanceKm(from, at) / LIGHT_RTT_KM_PER_MS;
  }

  all(): readonly RelayEntry[] {
    return [...this.#entries.values()];
  }

  /** Whether one has any business with the other: the own relays of two networks have none. */
  mayKnow(one: RelayId, other: RelayId): boolean {
    const [a, b] = [this.#entries.get(one)?.record, this.#entries.get(other)?.record];
    if (a === undefined || b === undefined) return false;
    return a.network === undefined || b.network === undefined || a.network === b.network;
  }

  audiences(): RelayAudience[] {
    const byNetwork = new Map<NetworkId | undefined, RelayId[]>();
    for (const { record, connected } of this.#entries.values()) {
      if (!connected) continue;
      const relays = byNetwork.get(record.network);
      if (relays === undefined) byNetwork.set(record.network, [record.id]);
      else relays.push(record.id);
    }
    return [...byNetwork].map(([network, relays]) => ({ network, relays }));
  }

  /** The relay proved its key. True when anything that others may know of it has changed. */
  connected(record: RelayRecord, now: number): boolean {
    const known = this.#entries.get(record.id);
    if (known === undefined) {
      const entry = entryAtStart({ ...record, downSinceMs: undefined }, now, 0);
      entry.connected = true;
      entry.deadlineMs = now + HEARTBEAT_SILENCE_MAX_MS;
      this.#entries.set(record.id, entry);
      this.#settle(entry, now);
      return true;
    }
    const changed = publicFace(known.record) !== publicFace(record);
    known.record = record;
    known.connected = true;
    return this.#heard(known, now) || changed;
  }

  /** Its channel has ended. It lives on until its silence has lasted too long: its data plane needs no channel. */
  disconnected(id: RelayId): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.connected = false;
  }

  /** True when the state changed. `reach`: of relays that it may know. */
  heartbeat(
    id: RelayId,
    load: RelayLoad,
    draining: boolean,
    now: number,
    reach: readonly RelayReach[] = [],
  ): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#reachability.told(id, reach, now);
    entry.load = load;
    entry.drainsItself = draining;
    return this.#heard(entry, now);
  }

  /** An operator's wish. True when the state changed. */
  requestDrain(record: RelayRecord, now: number): boolean {
    const entry = this.#entries.get(record.id);
    if (entry === undefined) return false;
    entry.record = record;
    if (!record.drainRequested) entry.drainsItself = false;
    return entry.state !== "down" && this.#settle(entry, now);
  }

  /** This coordinator's own probe of the data port: its round trip, or undefined when nothing came back. */
  probed(id: RelayId, rttMs: number | undefined, now: number): void {
    if (this.#entries.has(id)) this.#reachability.probed(id, rttMs, now);
  }

  /** What others say of its data port. */
  reach(
    id: RelayId,
    now: number,
  ): Voices & { readonly verdict: ReachVerdict; readonly rttMs: number | undefined } {
    const voices = this.#voices(id, now);
    return { ...voices, verdict: verdictOf(voices), rttMs: this.#reachability.rttMs(id) };
  }

  /** An operator's wishes changed. False when there is no such relay. */
  configure(record: RelayRecord): boolean {
    const entry = this.#entries.get(record.id);
    if (entry !== undefined) entry.record = record;
    return entry !== undefined;
  }

  /**
   * Whether another relay is at work there. One whose channel has ended may have been stopped for this one; one that does
   * not answer there does not keep it from who may be the right one: its answers are sealed with its own key.
   */
  isHeldByOther(endpoint: Endpoint, than: RelayId): boolean {
    for (const { record, state, connected } of this.#entries.values()) {
      const isAtWork = connected && state !== "down" && record.id !== than;
      if (!isAtWork || !record.endpoints.includes(endpoint)) continue;
      if (!this.#reachability.isUnanswering(record.id)) return true;
    }
    return false;
  }

  forget(id: RelayId): boolean {
    this.#reachability.forget(id);
    return this.#entries.delete(id);
  }

  /** Those that were silent for too long and are down from now on. */
  tick(now: number): RelayEntry[] {
    const gapMs = now - this.#lastTickMs;
    this.#lastTickMs = now;
    const fell: RelayEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.state === "down") continue;
      if (gapMs > OWN_GAP_MAX_MS) entry.deadlineMs = Math.max(entry.deadlineMs, now + OWN_GAP_MAX_MS);
      // A clock that was set back must not make anybody immortal.
      entry.deadlineMs = Math.min(entry.deadlineMs, now + RECONNECT_GRACE_MS);
      if (now <= entry.deadlineMs) continue;
      const reason = entry.connected
        ? `no heartbeat for ${HEARTBEAT_SILENCE_MAX_MS / 1000} s`
        : "its channel closed and it did not come back";
      entry.damping.fell(now);
      if (move(entry, { state: "down", reason }, now)) fell.push(entry);
    }
    return fell;
  }

  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.state !== "down") next = Math.min(next ?? Number.MAX_VALUE, entry.deadlineMs + 1);
    }
    return next === undefined ? undefined : Math.min(next, this.#lastTickMs + TICK_INTERVAL_MS);
  }

  /** A network's own relays are one party: their word counts on one another alone. */
  #voices(of: RelayId, now: number): Voices {
    const network = this.#entries.get(of)?.record.network;
    const regionOf = (witness: RelayId) => {
      const record = this.#entries.get(witness)?.record;
      return record?.network === undefined || record.network === network ? record?.region : undefined;
    };
    return this.#reachability.voices(of, regionOf, now);
  }

  #heard(entry: Entry, now: number): boolean {
    entry.deadlineMs = now + HEARTBEAT_SILENCE_MAX_MS;
    return this.#settle(entry, now);
  }

  /** The state of a relay that is not silent. True when that changed. */
  #settle(entry: Entry, now: number): boolean {
    const voices = this.#voices(entry.record.id, now);
    const reach = verdictOf(voices);
    if (reach === "silent") {
      if (entry.state === "down") entry.damping.ill();
      else entry.damping.fell(now);
      const reason = `heartbeats arrive, but its UDP port does not answer: ${saidBy(voices)}`;
      return move(entry, { state: "down", reason }, now);
    }
    const holdMs = entry.damping.well(now);
    if (entry.state === "down" && holdMs > 0) {
      const falls = entry.damping.falls(now);
      const reason = `it works again, but fell ${falls} times within 10 minutes: up if that lasts another ${Math.ceil(holdMs / 1000)} s`;
      return move(entry, { state: "down", reason }, now);
    }
    return move(entry, verdict(entry, reach, voices), now);
  }
}

export function relayInfo(entry: RelayEntry): RelayInfo {
  const { id, key, region, at, endpoints, websocket } = entry.record;
  return { id, key, region, at, endpoints: [...endpoints], websocket, state: entry.state };
}

/** As other relays are told of it. */
export function fellowRelay(entry: RelayEntry): FellowRelay {
  return { ...relayInfo(entry), network: entry.record.network };
}

type Verdict = Pick<Entry, "state" | "reason">;

/** The state of a relay that speaks and, as far as anybody can tell, is reached. */
function verdict(entry: Entry, reach: ReachVerdict, voices: Voices): Verdict {
  if (entry.record.drainRequested) return { state: "draining", reason: "an operator asked it to drain" };
  if (entry.drainsItself) return { state: "draining", reason: "it said that it is draining" };
  const port =
    reach === "works"
      ? `its UDP port answers: ${saidBy(voices)}`
      : "nobody else can tell yet whether its UDP port answers";
  return { state: "healthy", reason: `heartbeats arrive; ${port}` };
}

function move(entry: Entry, to: Verdict, now: number): boolean {
  const changed = entry.state !== to.state;
  if (changed) entry.sinceMs = now;
  entry.state = to.state;
  entry.reason = to.reason;
  return changed;
}

function entryAtStart(record: RelayRecord, now: number, unixAheadMs: number): Entry {
  const { downSinceMs } = record;
  const wasDown = downSinceMs !== undefined;
  const entry: Entry = {
    record,
    state: wasDown ? "down" : "healthy",
    reason: wasDown ? "silent since before the coordinator started" : "",
    sinceMs: wasDown ? downSinceMs - unixAheadMs : now,
    connected: false,
    deadlineMs: now + RECONNECT_GRACE_MS,
    drainsItself: false,
    damping: new Damping(),
  };
  if (!wasDown) {
    const state = record.drainRequested ? "draining" : "healthy";
    Object.assign(entry, { state, reason: "was up when the coordinator started; not heard from since" });
  }
  return entry;
}

function publicFace({ key, region, at, endpoints, websocket }: RelayRecord): string {
  return JSON.stringify([key, region, at?.lat, at?.lon, endpoints, websocket]);
}
