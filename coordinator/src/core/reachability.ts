/**
 * Does a relay's UDP data port work from elsewhere? Witnesses are the other relays, who ping one another, and this
 * coordinator's own eye. Each has one voice, for as long as it is fresh; the majority counts, and a tie changes nothing.
 * Against what the eye sees working it takes more: a relay that only this coordinator reaches is missed by nearly all,
 * one that some firewall hides is missed by those behind it.
 *
 * Whoever reaches nobody else has no voice against anybody: it may be the one that is cut off. So a relay behind a shut
 * port speaks against nobody, and a coordinator whose own UDP is blocked takes no relay down.
 */
import type { RelayId, RelayReach } from "@burrow/protocol";

/** Relays in a large mesh go round; the voices of those that came by within this time count. */
export const VOICE_LIFE_MS = 6_000;
/** Somebody else was reached within this time: the witness is not the one that is cut off. */
export const SIGHTED_MS = 2_500;
/** So many probes in a row without an answer, a second apart. */
export const LOST_MAX = 3;
/** Against the coordinator's own eye: so many relays miss it, … */
const MISSED_LEAST = 2;
/** … and more than so many times those that reach it; of regions as well, since a region may have one firewall. */
const CLEAR_MAJORITY = 2;

export interface Voices {
  /** Relays that reach it, and that do not. */
  readonly reachedBy: number;
  readonly missedBy: number;
  /** Regions with relays that reach it, and those whose relays all miss it. */
  readonly reachedFrom: number;
  readonly missedFrom: number;
  /** The coordinator's own probe; undefined while it cannot tell. */
  readonly eye: boolean | undefined;
}

/** Where a relay that may speak of another is; undefined for one whose word does not count there. */
export type RegionOf = (witness: RelayId) => string | undefined;

export type Verdict = "works" | "silent" | "unknown";

interface Voice {
  readonly reached: boolean;
  readonly atMs: number;
}

/** Whom a witness reached last, and whom before that one. */
interface Sight {
  last: { readonly relay: RelayId; readonly atMs: number } | undefined;
  before: { readonly relay: RelayId; readonly atMs: number } | undefined;
}

interface Probed {
  lost: number;
  answeredMs: number | undefined;
  rttMs: number | undefined;
}

export class Reachability {
  /** By the relay that is spoken of, then by the relay that speaks. */
  readonly #voices = new Map<RelayId, Map<RelayId, Voice>>();
  readonly #sights = new Map<RelayId, Sight>();
  readonly #eye: Sight = { last: undefined, before: undefined };
  readonly #probed = new Map<RelayId, Probed>();

  /** What a relay found of others; only known ones may be in it. */
  told(from: RelayId, reach: readonly RelayReach[], now: number): void {
    const sight = this.#sights.get(from) ?? { last: undefined, before: undefined };
    this.#sights.set(from, sight);
    for (const { relay, rttMs } of reach) {
      if (relay === from) continue;
      const voices = this.#voices.get(relay) ?? new Map<RelayId, Voice>();
      this.#voices.set(relay, voices.set(from, { reached: rttMs !== undefined, atMs: now }));
      if (rttMs !== undefined) see(sight, relay, now);
    }
  }

  /** The coordinator's own probe was answered, in so many ms, or (undefined) was not. */
  probed(relay: RelayId, rttMs: number | undefined, now: number): void {
    const probed = this.#probed.get(relay) ?? { lost: 0, answeredMs: undefined, rttMs: undefined };
    this.#probed.set(relay, probed);
    if (rttMs === undefined) {
      probed.lost++;
      return;
    }
    Object.assign(probed, { lost: 0, answeredMs: now, rttMs });
    see(this.#eye, relay, now);
  }

  /** Whether it lately left all of the coordinator's own probes unanswered, whatever that means. */
  isUnanswering(relay: RelayId): boolean {
    return (this.#probed.get(relay)?.lost ?? 0) >= LOST_MAX;
  }

  forget(relay: RelayId): void {
    this.#voices.delete(relay);
    this.#sights.delete(relay);
    this.#probed.delete(relay);
    for (const voices of this.#voices.values()) voices.delete(relay);
  }

  /** From this coordinator to the relay's data port, as last measured. */
  rttMs(relay: RelayId): number | undefined {
    return this.#probed.get(relay)?.rttMs;
  }

  voices(relay: RelayId, regionOf: RegionOf, now: number): Voices {
    const eye = this.#eyeSees(relay, now);
    let [reachedBy, missedBy] = [0, 0];
    const [reachedFrom, missedFrom] = [new Set<string>(), new Set<string>()];
    for (const [from, { reached, atMs }] of this.#voices.get(relay) ?? []) {
      const region = regionOf(from);
      if (region === undefined || now - atMs > VOICE_LIFE_MS) continue;
      if (reached) {
        reachedBy++;
        reachedFrom.add(region);
      } else if (this.#mayMiss(from, relay, eye, now)) {
        missedBy++;
        missedFrom.add(region);
      }
    }
    const onlyMissedFrom = [...missedFrom].filter((region) => !reachedFrom.has(region));
    return { reachedBy, missedBy, reachedFrom: reachedFrom.size, missedFrom: onlyMissedFrom.length, eye };
  }

  /** One that the eye does not see, while it sees the other, is the one that is cut off. */
  #mayMiss(witness: RelayId, relay: RelayId, eye: boolean | undefined, now: number): boolean {
    if (eye === true && this.#eyeSees(witness, now) === false) return false;
    return isSighted(this.#sights.get(witness), relay, now);
  }

  #eyeSees(relay: RelayId, now: number): boolean | undefined {
    const probed = this.#probed.get(relay);
    if (probed === undefined) return undefined;
    if (probed.answeredMs !== undefined && probed.lost < LOST_MAX) {
      return now - probed.answeredMs <= VOICE_LIFE_MS ? true : undefined;
    }
    return probed.lost >= LOST_MAX && isSighted(this.#eye, relay, now) ? false : undefined;
  }
}

export function verdictOf(voices: Voices): Verdict {
  const { reachedBy, missedBy, reachedFrom, missedFrom, eye } = voices;
  if (eye === true) {
    const isMissed =
      missedBy >= MISSED_LEAST &&
      missedBy > CLEAR_MAJORITY * reachedBy &&
      missedFrom > CLEAR_MAJORITY * reachedFrom;
    return isMissed ? "silent" : "works";
  }
  if (missedBy + (eye === false ? 1 : 0) > reachedBy) return "silent";
  return reachedBy > 0 ? "works" : "unknown";
}

/** For people: who says so. */
export function saidBy({ reachedBy, missedBy, eye }: Voices): string {
  const all = reachedBy + missedBy;
  const relays = all === 0 ? [] : [`${reachedBy} of ${all} other ${all === 1 ? "relay" : "relays"}`];
  const own = eye === undefined ? [] : [`this coordinator ${eye ? "reaches" : "does not reach"} it`];
  return [...own, ...relays.map((text) => `${text} ${reachedBy === 1 ? "does" : "do"}`)].join(", ");
}

function see(sight: Sight, relay: RelayId, atMs: number): void {
  if (sight.last?.relay !== relay) sight.before = sight.last;
  sight.last = { relay, atMs };
}

function isSighted(sight: Sight | undefined, except: RelayId, now: number): boolean {
  const other = sight?.last?.relay === except ? sight.before : sight?.last;
  return other !== undefined && now - other.atMs <= SIGHTED_MS;
}
