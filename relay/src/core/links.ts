/**
 * Links to other relays: keys, counters and replay windows of the trunk. What a link is told by the coordinator
 * (key, endpoint) may change; no counter starts anew under a key within one boot of this relay, though places of
 * relays that left the map go to newcomers when all are taken.
 */
import {
  type Agreement,
  type Bytes,
  type FellowRelay,
  keyFromText,
  type NetworkId,
  type PublicKey,
  type RelayId,
  type RelayTag,
  ReplayWindow,
  relayTagOf,
  TokenBucket,
  type TrunkMac,
  type TrunkMacOf,
  type TrunkSender,
  trunkKey,
  verifyTrunk,
} from "@burrow/protocol";
import { type Addresses, NO_ADDRESS } from "./addresses.ts";
import { DropReason } from "./drop-reason.ts";
import { TRUNK_STRANGERS } from "./limits.ts";

export interface LinkIdentity {
  readonly id: RelayId;
  readonly publicKey: PublicKey;
  readonly privateKey: Bytes;
  /** Higher with every start of this relay; written down before the first trunk packet. */
  readonly boot: number;
}

export interface Link {
  readonly index: number;
  readonly id: RelayId;
  key: PublicKey;
  /** Whose own it is: of no other network it may say anything. Undefined: it serves all. */
  network: NetworkId | undefined;
  /** Where its trunk packets go, or NO_ADDRESS. Pinned. */
  address: number;
  keys: { readonly send: TrunkMac; readonly receive: TrunkMac } | undefined;
  /** In the coordinator's latest map. Those who are not are neither heard nor sent to. */
  listed: boolean;
  /** The next counter; above all that an earlier link to the same relay may have used. */
  sent: number;
  highestBoot: number;
  readonly window: ReplayWindow;
}

const NOBODY: readonly Link[] = [];

export class Links {
  readonly #identity: LinkIdentity;
  readonly #addresses: Addresses;
  readonly #agreement: Agreement;
  readonly #macOf: TrunkMacOf;
  readonly #max: number;
  readonly #links: Link[] = [];
  readonly #byId = new Map<RelayId, Link>();
  readonly #byTag = new Map<RelayTag, Link[]>();
  readonly #strangers: TokenBucket;
  /** What the counters of links that gave way had come to: newer links count on from here. */
  #sentBefore = 0;

  constructor(
    identity: LinkIdentity,
    addresses: Addresses,
    agreement: Agreement,
    macOf: TrunkMacOf,
    relaysMax: number,
    now: number,
  ) {
    this.#identity = identity;
    this.#addresses = addresses;
    this.#agreement = agreement;
    this.#macOf = macOf;
    this.#max = relaysMax;
    this.#strangers = new TokenBucket(TRUNK_STRANGERS, now);
  }

  get size(): number {
    return this.#links.length;
  }

  at(index: number): Link | undefined {
    return this.#links[index];
  }

  byId(id: RelayId): Link | undefined {
    return this.#byId.get(id);
  }

  /** Takes the coordinator's whole map: new relays get a link, known ones their present endpoint. */
  learn(relays: readonly FellowRelay[]): void {
    const named = new Set(relays.map(({ id }) => id));
    // First who leaves, so that newcomers find their places and nobody takes that of one named later.
    for (const link of this.#links) {
      link.listed = named.has(link.id);
      if (!link.listed) this.#move(link, NO_ADDRESS);
    }
    for (const relay of relays) {
      if (relay.id === this.#identity.id) continue;
      const key = keyFromText(relay.key);
      if (key === undefined) continue;
      const link = this.#byId.get(relay.id) ?? this.#add(relay.id, key);
      if (link === undefined) continue;
      link.network = relay.network;
      this.#settle(link, relay);
    }
  }

  /**
   * Whose trunk packet or ping this is, if it is genuine and new, else why not. Changes the window only when it is.
   * The caller has not looked at anything but the header.
   */
  accept(datagram: Bytes, header: TrunkSender, from: number, now: number): Link | DropReason {
    const candidates = this.#byTag.get(header.sender) ?? NOBODY;
    let isKnown = false;
    let isStranger = true;
    for (const link of candidates) {
      isKnown ||= link.listed;
      if (link.listed && link.address === from) isStranger = false;
    }
    if (!isKnown) return DropReason.trunkUnknownRelay;
    // Relays send from where they listen; others are heard within a budget, so that forgeries cost little.
    if (isStranger && !this.#strangers.take(now)) return DropReason.trunkBudget;
    let refusal: DropReason = DropReason.trunkForged;
    for (const link of candidates) {
      if (!link.listed) continue;
      if (header.boot < link.highestBoot) {
        refusal = DropReason.trunkOldBoot;
        continue;
      }
      const isNewBoot = header.boot > link.highestBoot;
      if (!isNewBoot && !link.window.isFresh(header.counter)) {
        refusal = DropReason.trunkReplayed;
        continue;
      }
      const keys = this.keysOf(link);
      if (keys === undefined || !verifyTrunk(datagram, header, keys.receive)) continue;
      if (isNewBoot) link.window.reset();
      link.highestBoot = header.boot;
      return link.window.accept(header.counter) ? link : DropReason.trunkReplayed;
    }
    return refusal;
  }

  /** Both directions' keys; the X25519 behind them is done when first needed. */
  keysOf(link: Link): Link["keys"] {
    if (link.keys !== undefined) return link.keys;
    const { privateKey, publicKey } = this.#identity;
    const shared = this.#agreement(privateKey, link.key);
    if (shared === undefined) return undefined;
    link.keys = {
      send: this.#macOf(trunkKey(shared, publicKey, link.key)),
      receive: this.#macOf(trunkKey(shared, link.key, publicKey)),
    };
    return link.keys;
  }

  #add(id: RelayId, key: PublicKey): Link | undefined {
    const index = this.#links.length < this.#max ? this.#links.length : this.#vacate();
    if (index === undefined) return undefined;
    const link: Link = {
      index,
      id,
      key,
      network: undefined,
      address: NO_ADDRESS,
      keys: undefined,
      listed: true,
      sent: this.#sentBefore,
      highestBoot: 0,
      window: new ReplayWindow(),
    };
    this.#links[index] = link;
    this.#byId.set(id, link);
    const tag = relayTagOf(id);
    this.#byTag.set(tag, [...(this.#byTag.get(tag) ?? []), link]);
    return link;
  }

  /**
   * The place of a link that is not in the map any more. Its windows go with it: should the relay return, an old packet
   * of it may be taken once more, as after a restart of ours.
   */
  #vacate(): number | undefined {
    const gone = this.#links.find(({ listed }) => !listed);
    if (gone === undefined) return undefined;
    this.#sentBefore = Math.max(this.#sentBefore, gone.sent);
    gone.keys?.send.destroy();
    gone.keys?.receive.destroy();
    this.#byId.delete(gone.id);
    const tag = relayTagOf(gone.id);
    const alike = (this.#byTag.get(tag) ?? []).filter((link) => link !== gone);
    if (alike.length > 0) this.#byTag.set(tag, alike);
    else this.#byTag.delete(tag);
    return gone.index;
  }

  /** The first of the relay's endpoints that a socket of ours reaches. */
  #settle(link: Link, relay: FellowRelay): void {
    for (const endpoint of relay.endpoints) {
      const address = this.#addresses.reach(endpoint);
      if (address !== NO_ADDRESS) {
        this.#move(link, address);
        return;
      }
    }
    this.#move(link, NO_ADDRESS);
  }

  #move(link: Link, address: number): void {
    if (address === link.address) return;
    if (address !== NO_ADDRESS && !this.#addresses.pin(address)) return;
    if (link.address !== NO_ADDRESS) this.#addresses.unpin(link.address);
    link.address = address;
  }
}
