/**
 * What stands for or against a relay besides its distance, in milliseconds, so that all of it can be added up and
 * shown: the operator's weight, how crowded it is, and whether it is only a fallback. The least sum wins.
 */
import type { NetworkId, RelayId, RelayState } from "@burrow/protocol";
import { unit } from "./hash.ts";
import type { PlacedRelay } from "./relay-rtts.ts";

export interface RankableRelay extends PlacedRelay {
  readonly id: RelayId;
  readonly region: string;
  readonly state: RelayState;
  /** How many homes it states to have room for, and how many it has. Without a limit it is never crowded. */
  readonly capacity?: number | undefined;
  readonly load?: number | undefined;
  /** Of the load, the homes: what crowds those who have a place there already. */
  readonly homes?: number | undefined;
  /** An operator's wish: it counts as so many ms further than it is; less than 0, as nearer. */
  readonly weightMs?: number | undefined;
  /** An operator's wish: to be used only when there is nothing else. */
  readonly avoid?: boolean | undefined;
  /** Whose relay it is. Without one it serves all networks. */
  readonly network?: NetworkId | undefined;
}

/** Who is asking. */
export interface Asker {
  readonly network?: NetworkId | undefined;
  /** Whether the network has relays of its own; then all others are its fallback. */
  readonly hasOwnRelays?: boolean | undefined;
  /** Where it has a place already. */
  readonly home?: RelayId | undefined;
  /** `seedOf(agent)`: tells agents apart where all else is equal. */
  readonly seed?: number | undefined;
}

export type TermName =
  | "fibre"
  | "access"
  | "measured"
  | "predicted"
  | "weight"
  | "crowd"
  | "full"
  | "fallback"
  | "avoid"
  | "draining"
  | "down";

export interface Term {
  readonly name: TermName;
  readonly ms: number;
  readonly reason: string;
}

/** Classes are gaps that no distance crosses. */
export const CLASS_MS = {
  full: 5_000,
  fallback: 10_000,
  avoid: 20_000,
  draining: 40_000,
  down: 80_000,
} as const;

/**
 * Each agent adds CROWD_MS × E ÷ room to a relay, with E an exponential variable of its own and room the free share
 * of the relay. The least of such sums falls on relays that are equally far in proportion to their room (the race of
 * exponential clocks), and a relay that fills up loses its agents one by one, the most easily served elsewhere first.
 */
export const CROWD_MS = 0.25;
/** Below this share of room there is none. */
const ROOM_LEAST = 0.001;

export function roomOf({ capacity, load = 0 }: Room): number {
  if (capacity === undefined) return 1;
  return capacity <= 0 ? 0 : Math.max(0, 1 - load / capacity);
}

/** Its home is never full to an agent: only the homes of others crowd it there. */
export function roomFor(relay: RankableRelay, asker: Asker): number {
  if (relay.id !== asker.home) return roomOf(relay);
  const { capacity, homes = relay.load ?? 0 } = relay;
  return Math.max(ROOM_LEAST, roomOf({ capacity, load: homes - 1 }));
}

export type Room = Pick<RankableRelay, "capacity" | "load">;

/**
 * @param room the free share of the relay, 0 to 1
 * For nobody in particular it is what an agent of average luck loses by the others there: nothing at an empty relay.
 */
export function crowdMs(asker: Asker, relaySeed: number, room: number): number {
  const shareMs = CROWD_MS / Math.max(ROOM_LEAST, room);
  return asker.seed === undefined ? shareMs - CROWD_MS : shareMs * -Math.log(unit(asker.seed, relaySeed));
}

/** What comes of the relay's load. @param crowd the relay's `crowdMs` for this asker */
export function crowdingMs(relay: RankableRelay, crowd: number, asker: Asker): number {
  return crowd + (roomFor(relay, asker) < ROOM_LEAST ? CLASS_MS.full : 0);
}

/** All that is added to the round trip. */
export function penaltyMs(relay: RankableRelay, crowd: number, asker: Asker): number {
  return (
    (relay.weightMs ?? 0) +
    crowdingMs(relay, crowd, asker) +
    (isFallback(relay, asker) ? CLASS_MS.fallback : 0) +
    (relay.avoid === true ? CLASS_MS.avoid : 0) +
    (relay.state === "healthy" ? 0 : CLASS_MS[relay.state])
  );
}

/** The same, term by term. */
export function penaltyTerms(relay: RankableRelay, crowd: number, asker: Asker): Term[] {
  const terms: Term[] = [];
  const add = (name: TermName, ms: number, reason: string) => terms.push({ name, ms, reason });
  const room = roomFor(relay, asker);
  const percent = Math.round(room * 100);
  const { weightMs = 0 } = relay;
  if (weightMs !== 0) {
    add("weight", weightMs, `the operator wants it ${weightMs > 0 ? "less" : "more"} than its distance says`);
  }
  const load = `${percent} % of its room is free`;
  const none = "spreads agents over relays equally far";
  if (crowd > 0) add("crowd", crowd, relay.capacity === undefined ? none : load);
  if (room < ROOM_LEAST) add("full", CLASS_MS.full, "it has no room left");
  if (isFallback(relay, asker)) add("fallback", CLASS_MS.fallback, "after the network's own relays");
  if (relay.avoid === true) add("avoid", CLASS_MS.avoid, "the operator wants it avoided");
  if (relay.state === "draining") add("draining", CLASS_MS.draining, "draining, so after all healthy relays");
  if (relay.state === "down") add("down", CLASS_MS.down, "down, so after all others");
  return terms;
}

function isFallback(relay: RankableRelay, asker: Asker): boolean {
  return asker.hasOwnRelays === true && relay.network !== asker.network;
}

/** Most that an operator's weight may say: less than any class, so that no weight makes a full relay of use. */
export const WEIGHT_MAX_MS = 1_000;

/** Relays of other networks serve nobody else. */
export function mayUse(relay: Pick<RankableRelay, "network">, asker: Asker): boolean {
  return relay.network === undefined || asker.network === undefined || relay.network === asker.network;
}
