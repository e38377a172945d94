/**
 * The relays and whether they live: heartbeats in, states with a reason and a since-when out. Who is told of a
 * change is mesh.ts's business.
 */
import {
  HEARTBEAT_SILENCE_MAX_MS,
  type RelayId,
  type RelayInfo,
  type RelayLoad,
  type RelayState,
} from "@burrow/protocol";
import type { RelayRecord } from "./records.ts";

/** After our own start relays get this long to come back before their silence counts: it was we who were away. */
export const RECONNECT_GRACE_MS = 15_000;
/** Heartbeats wait in the socket while this process is stopped or busy: a gap in our own ticks this long is ours. */
const OWN_GAP_MAX_MS = 1_500;
/** So a machine with relays up asks to be ticked at least this often. */
const TICK_INTERVAL_MS = 500;

export interface RelayEntry {
  readonly record: RelayRecord;
  readonly state: RelayState;
  /** Why it is in this state, for people. */
  readonly reason: string;
  readonly sinceMs: number;
  readonly connected: boolean;
  readonly load?: RelayLoad | undefined;
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
}

export class RelayRegistry {
  readonly #entries = new Map<RelayId, Entry>();
  #lastTickMs: number;

  constructor(records: readonly RelayRecord[], now: number) {
    this.#lastTickMs = now;
    for (const record of records) this.#entries.set(record.id, entryAtStart(record, now));
  }

  get(id: RelayId): RelayEntry | undefined {
    return this.#entries.get(id);
  }

  all(): readonly RelayEntry[] {
    return [...this.#entries.values()];
  }

  /** The relay proved its key. True when anything that others may know of it has changed. */
  connected(record: RelayRecord, now: number): boolean {
    const known = this.#entries.get(record.id);
    if (known === undefined) {
      const entry = entryAtStart({ ...record, downSinceMs: undefined }, now);
      entry.connected = true;
      entry.deadlineMs = now + HEARTBEAT_SILENCE_MAX_MS;
      Object.assign(entry, verdict(entry));
      this.#entries.set(record.id, entry);
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

  /** True when the state changed. */
  heartbeat(id: RelayId, load: RelayLoad, draining: boolean, now: number): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
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
    return entry.state !== "down" && move(entry, verdict(entry), now);
  }

  forget(id: RelayId): boolean {
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

  #heard(entry: Entry, now: number): boolean {
    entry.deadlineMs = now + HEARTBEAT_SILENCE_MAX_MS;
    return move(entry, verdict(entry), now);
  }
}

export function relayInfo(entry: RelayEntry): RelayInfo {
  const { id, key, region, at, endpoints, websocket } = entry.record;
  return { id, key, region, at, endpoints: [...endpoints], websocket, state: entry.state };
}

type Verdict = Pick<Entry, "state" | "reason">;

/** The state of a relay that is not silent. */
function verdict(entry: Entry): Verdict {
  if (entry.record.drainRequested) return { state: "draining", reason: "an operator asked it to drain" };
  if (entry.drainsItself) return { state: "draining", reason: "it said that it is draining" };
  return { state: "healthy", reason: "heartbeats arrive" };
}

function move(entry: Entry, to: Verdict, now: number): boolean {
  const changed = entry.state !== to.state;
  if (changed) entry.sinceMs = now;
  entry.state = to.state;
  entry.reason = to.reason;
  return changed;
}

function entryAtStart(record: RelayRecord, now: number): Entry {
  const wasDown = record.downSinceMs !== undefined;
  const entry: Entry = {
    record,
    state: wasDown ? "down" : "healthy",
    reason: wasDown ? "silent since before the coordinator started" : "",
    sinceMs: record.downSinceMs ?? now,
    connected: false,
    deadlineMs: now + RECONNECT_GRACE_MS,
    drainsItself: false,
  };
  if (!wasDown) {
    const { state } = verdict(entry);
    Object.assign(entry, { state, reason: "was up when the coordinator started; not heard from since" });
  }
  return entry;
}

function publicFace({ key, region, at, endpoints, websocket }: RelayRecord): string {
  return JSON.stringify([key, region, at?.lat, at?.lon, endpoints, websocket]);
}
