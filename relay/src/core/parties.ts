/**
 * Parties: everyone a packet may come from or go to. An agent may be bound here (it has an address), routed (it has
 * a relay), both or, for a while, neither; an outside client has an address alone.
 *
 * Each has a dense slot, by which the packet path reads typed arrays, and a serial that is never used twice, by
 * which flows name it. Bounded: when all slots are taken, those make room who are neither bound nor pushed by the
 * coordinator, the longest unused first; then also those it pushed, but never for one that only the trunk named.
 */
import { type AgentId, type IdWords, idWords, type NetworkId, type RelayId } from "@burrow/protocol";
import { type Addresses, NO_ADDRESS } from "./addresses.ts";
import { LINGER_MS, type Limits } from "./limits.ts";
import type { Party } from "./party.ts";
import { PartyDirectory } from "./party-directory.ts";

export const NO_PARTY = -1;
export const NO_LINK = -1;

/**
 * To find room for a newcomer: so many who could go are compared, so many passed over that the coordinator has a route
 * to, and so many slots looked at.
 */
const EVICTION_SAMPLE = 16;
const EVICTION_ROUTED_MAX = 128;
/** From slot to slot: a prime, so that all are met; neighbours often came together, and are alike. */
const EVICTION_STRIDE = 1_000_003;
const EVICTION_SLOTS_MAX = 2_048;
const SERIAL_MAX = 2 ** 31 - 2;

export interface PartyEvents {
  /** The binding (or an outside client's entry) ended. */
  unbound(party: Party, why: "lapsed" | "left" | "replaced" | "revoked" | "evicted"): void;
}

export class Parties {
  readonly #limits: Limits;
  readonly #addresses: Addresses;
  readonly #events: PartyEvents;

  readonly #parties: (Party | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #directory = new PartyDirectory();
  /** Bound agents who take outside clients, in no order. */
  readonly acceptors = new Set<Party>();
  /** By relay: the parties that it alone speaks for. */
  readonly #taught = new Map<RelayId, number>();

  /** By address handle: the slot bound there. */
  readonly #slotAt: Int32Array;
  /** By slot. */
  readonly #serial: Int32Array;
  readonly #address: Int32Array;
  readonly #boundUntil: Float64Array;
  readonly #link: Int32Array;
  readonly #usedAt: Float64Array;
  readonly #isOutside: Uint8Array;

  #nextSerial = 1;
  #sessions = 0;
  #outside = 0;
  #sweepAt = 0;
  #evictAt = 0;
  evictions = 0;

  constructor(limits: Limits, addresses: Addresses, events: PartyEvents) {
    this.#limits = limits;
    this.#addresses = addresses;
    this.#events = events;
    this.#slotAt = new Int32Array(addresses.capacity).fill(NO_PARTY);
    this.#serial = new Int32Array(limits.partiesMax);
    this.#address = new Int32Array(limits.partiesMax).fill(NO_ADDRESS);
    this.#boundUntil = new Float64Array(limits.partiesMax);
    this.#link = new Int32Array(limits.partiesMax).fill(NO_LINK);
    this.#usedAt = new Float64Array(limits.partiesMax);
    this.#isOutside = new Uint8Array(limits.partiesMax);
  }

  /** Agents bound here. */
  get sessions(): number {
    return this.#sessions;
  }

  get outsideClients(): number {
    return this.#outside;
  }

  get size(): number {
    return this.#parties.length - this.#free.length;
  }

  // The packet path: numbers only.

  /** The slot bound at an address now, or NO_PARTY. */
  slotAt(address: number, now: number): number {
    const slot = this.#slotAt[address] ?? NO_PARTY;
    return slot !== NO_PARTY && (this.#boundUntil[slot] ?? 0) > now ? slot : NO_PARTY;
  }

  serialOf(slot: number): number {
    return this.#serial[slot] ?? 0;
  }

  /** Where a slot is bound now, or NO_ADDRESS. */
  addressOf(slot: number, now: number): number {
    return (this.#boundUntil[slot] ?? 0) > now ? (this.#address[slot] ?? NO_ADDRESS) : NO_ADDRESS;
  }

  /** Where a party is bound, also when that has lapsed and nobody has looked yet; or NO_ADDRESS. */
  boundAddress(party: Party): number {
    return this.#address[party.slot] ?? NO_ADDRESS;
  }

  /** The trunk link of a slot, or NO_LINK. */
  linkOf(slot: number): number {
    return this.#link[slot] ?? NO_LINK;
  }

  touch(slot: number, now: number): void {
    this.#usedAt[slot] = now;
  }

  /** An outside client lives on by its traffic; agents live on by Binds alone. */
  prolongOutside(slot: number, until: number): void {
    if (this.#isOutside[slot] === 1) this.#boundUntil[slot] = until;
  }

  // The slow paths.

  at(slot: number): Party | undefined {
    return this.#parties[slot];
  }

  byId(id: AgentId): Party | undefined {
    return this.#directory.byId(id);
  }

  byWords(words: IdWords): Party | undefined {
    return this.#directory.byWords(words);
  }

  /** A partner as it was remembered, if it is still the same party. */
  same(partner: { readonly slot: number; readonly serial: number }): Party | undefined {
    const party = this.#parties[partner.slot];
    return party?.serial === partner.serial ? party : undefined;
  }

  membersOf(network: NetworkId): readonly Party[] {
    return this.#directory.membersOf(network);
  }

  isReachable(party: Party, now: number): boolean {
    return this.addressOf(party.slot, now) !== NO_ADDRESS || this.linkOf(party.slot) !== NO_LINK;
  }

  /**
   * A new party, or undefined when there is no room and none can be made. `taughtBy`: a relay that named it in a packet
   * of the trunk, and is all that speaks for it.
   */
  add(id: AgentId | undefined, network: NetworkId, now: number, taughtBy?: RelayId): Party | undefined {
    if (taughtBy !== undefined && this.#taughtOf(taughtBy) >= this.#limits.taughtPerRelayMax)
      return undefined;
    const full = this.#free.length === 0 && this.#parties.length >= this.#limits.partiesMax;
    if (full && !this.#makeRoom(now, taughtBy !== undefined)) return undefined;
    if (taughtBy !== undefined) this.#taught.set(taughtBy, this.#taughtOf(taughtBy) + 1);
    const slot = this.#free.pop() ?? this.#parties.length;
    const party: Party = {
      slot,
      serial: this.#nextSerial,
      id,
      words: id === undefined ? undefined : idWords(id),
      network,
      memberIndex: -1,
      key: undefined,
      mac1: undefined,
      acceptsOutside: false,
      relay: undefined,
      pushedRelay: undefined,
      pushedLink: NO_LINK,
      learnedUntil: 0,
      taughtBy,
      toldAt: Number.NEGATIVE_INFINITY,
      partners: [],
      sessions: [],
      pendingFlows: undefined,
      budgets: undefined,
      rememberedIn: 0,
      searchFrom: 0,
    };
    this.#nextSerial = this.#nextSerial >= SERIAL_MAX ? 1 : this.#nextSerial + 1;
    this.#parties[slot] = party;
    this.#serial[slot] = party.serial;
    this.#address[slot] = NO_ADDRESS;
    this.#boundUntil[slot] = 0;
    this.#link[slot] = NO_LINK;
    this.#usedAt[slot] = now;
    this.#isOutside[slot] = id === undefined ? 1 : 0;
    this.#directory.add(party);
    return party;
  }

  remove(party: Party, why: "lapsed" | "replaced" | "revoked" | "evicted"): void {
    if (this.#parties[party.slot] !== party) return;
    this.unbind(party, why);
    this.#vouchFor(party);
    this.#directory.delete(party);
    this.#parties[party.slot] = undefined;
    this.#serial[party.slot] = 0;
    this.#link[party.slot] = NO_LINK;
    this.#free.push(party.slot);
  }

  /**
   * Binds a party to an address until a moment; whoever was bound there is bound no longer.
   * False, and nothing changed, when the relay or its address table is full.
   */
  bind(party: Party, address: number, until: number, now: number): boolean {
    const { slot } = party;
    if (this.#address[slot] === address) {
      this.#boundUntil[slot] = until;
      this.#usedAt[slot] = now;
      return true;
    }
    const isNew = this.#address[slot] === NO_ADDRESS;
    const outside = party.id === undefined;
    if (isNew && !outside && this.#sessions >= this.#limits.sessionsMax) return false;
    if (isNew && outside && this.#outside >= this.#limits.outsideMax) return false;
    if (!this.#addresses.pin(address)) return false;
    this.#vouchFor(party);
    const before = this.#parties[this.#slotAt[address] ?? NO_PARTY];
    if (before !== undefined) this.#giveWay(before);
    if (!isNew) this.#release(slot);
    else if (outside) this.#outside++;
    else this.#sessions++;
    this.#slotAt[address] = slot;
    this.#address[slot] = address;
    this.#boundUntil[slot] = until;
    this.#usedAt[slot] = now;
    return true;
  }

  unbind(party: Party, why: "lapsed" | "left" | "replaced" | "revoked" | "evicted"): void {
    if (this.#address[party.slot] === NO_ADDRESS) return;
    this.#release(party.slot);
    this.#address[party.slot] = NO_ADDRESS;
    this.#boundUntil[party.slot] = 0;
    if (party.id === undefined) this.#outside--;
    else this.#sessions--;
    this.acceptors.delete(party);
    this.#events.unbound(party, why);
  }

  /** Sets or clears the relay by which the coordinator says that a party is reached: news, so it counts at once. */
  pushRoute(party: Party, relay: RelayId | undefined, link: number): void {
    if (this.#parties[party.slot] !== party) return;
    if (relay !== undefined) this.#vouchFor(party);
    party.pushedRelay = relay;
    party.pushedLink = link;
    this.#routeAsPushed(party);
  }

  /** The trunk brought a packet of the party by this relay: the way back, for a while. True when it is another one. */
  learnRoute(party: Party, relay: RelayId, link: number, until: number): boolean {
    if (this.#parties[party.slot] !== party) return false;
    const isOther = party.relay !== relay;
    party.learnedUntil = until;
    party.relay = relay;
    this.#link[party.slot] = link;
    return isOther;
  }

  /** Links have changed: `linkOf` is NO_LINK for relays that there are no more. */
  relink(linkOf: (relay: RelayId) => number): void {
    for (const party of this.#parties) {
      if (party?.relay === undefined) continue;
      if (party.pushedRelay !== undefined) party.pushedLink = linkOf(party.pushedRelay);
      const link = linkOf(party.relay);
      if (party.learnedUntil === 0 || link === NO_LINK) this.#routeAsPushed(party);
      else this.#link[party.slot] = link;
    }
  }

  /**
   * Looks at the next `slots` slots: ends lapsed bindings and stale lessons of the trunk, forgets who has long been
   * idle and has no route by the coordinator.
   */
  sweep(slots: number, now: number): void {
    const count = Math.min(slots, this.#parties.length);
    for (let i = 0; i < count; i++) {
      this.#sweepAt = (this.#sweepAt + 1) % this.#parties.length;
      const party = this.#parties[this.#sweepAt];
      if (party === undefined) continue;
      if (party.learnedUntil !== 0 && party.learnedUntil <= now) this.#routeAsPushed(party);
      if ((this.#boundUntil[party.slot] ?? 0) > now) continue;
      if (party.id === undefined) this.remove(party, "lapsed");
      else this.unbind(party, "lapsed");
      const idleMs = now - (this.#usedAt[party.slot] ?? 0);
      if (party.pushedRelay === undefined && idleMs > LINGER_MS) this.remove(party, "lapsed");
    }
  }

  /** Slots in use at most until now: what one full round of `sweep` looks at. */
  get slots(): number {
    return this.#parties.length;
  }

  #routeAsPushed(party: Party): void {
    party.relay = party.pushedRelay;
    party.learnedUntil = 0;
    this.#link[party.slot] = party.pushedLink;
  }

  #giveWay(before: Party): void {
    if (before.id === undefined) this.remove(before, "replaced");
    else this.unbind(before, "replaced");
  }

  #release(slot: number): void {
    const address = this.#address[slot] ?? NO_ADDRESS;
    if (this.#slotAt[address] === slot) this.#slotAt[address] = NO_PARTY;
    this.#addresses.unpin(address);
  }

  #taughtOf(relay: RelayId): number {
    return this.#taught.get(relay) ?? 0;
  }

  /** Another than the relay that brought it in speaks for the party now, or it is gone. */
  #vouchFor(party: Party): void {
    const { taughtBy } = party;
    if (taughtBy === undefined) return;
    party.taughtBy = undefined;
    const left = this.#taughtOf(taughtBy) - 1;
    if (left > 0) this.#taught.set(taughtBy, left);
    else this.#taught.delete(taughtBy);
  }

  /**
   * Of a few parties that are not bound, or are outside clients, one goes: the longest unused of those that the
   * coordinator has no route to, else, unless `onlyUnrouted`, of all.
   */
  #makeRoom(now: number, onlyUnrouted: boolean): boolean {
    let [unrouted, other]: (Party | undefined)[] = [];
    const looksMax = onlyUnrouted ? EVICTION_SAMPLE : EVICTION_SLOTS_MAX;
    for (let looks = 0, seen = 0, others = 0; looks < looksMax; looks++) {
      if (seen >= EVICTION_SAMPLE || others >= EVICTION_ROUTED_MAX) break;
      this.#evictAt = (this.#evictAt + EVICTION_STRIDE) % this.#parties.length;
      const party = this.#parties[this.#evictAt];
      if (party === undefined) continue;
      if (party.id !== undefined && this.addressOf(party.slot, now) !== NO_ADDRESS) continue;
      if (party.id !== undefined && party.pushedRelay === undefined) {
        seen++;
        unrouted = this.#longerUnused(unrouted, party);
      } else {
        others++;
        other = this.#longerUnused(other, party);
      }
    }
    const victim = unrouted ?? (onlyUnrouted ? undefined : other);
    if (victim === undefined) return false;
    this.evictions++;
    this.remove(victim, "evicted");
    return true;
  }

  #longerUnused(a: Party | undefined, b: Party): Party {
    return a === undefined || (this.#usedAt[b.slot] ?? 0) < (this.#usedAt[a.slot] ?? 0) ? b : a;
  }
}
