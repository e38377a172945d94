/**
 * Trunk, one hop between relays. Out: a packet for an agent that is bound at another relay is handed to that relay.
 * In: a genuine, new packet of a known relay goes to its destination if that is bound here, and never further; it
 * teaches by which relay its source is reached, for as long as it is heard by there, so that answers find their way
 * without the coordinator and what the coordinator says is not lost over it.
 */
import {
  type AgentId,
  type Bytes,
  encodeTrunk,
  type IdWords,
  idOfWords,
  type NetworkId,
  newTrunkHeader,
  peerHeader,
  type RelayId,
  relayTagOf,
  TRUNK_OVERHEAD,
  type TrunkHeader,
  trunkHeader,
  trunkPacket,
  wireGuardKind,
  wireGuardReceiver,
  wireGuardSender,
} from "@burrow/protocol";
import { NO_ADDRESS } from "./addresses.ts";
import { DropReason } from "./drop-reason.ts";
import type { Flows } from "./flows.ts";
import { LEARNED_ROUTE_LIFETIME_MS, LESSON_PAUSE_MS, LESSON_REPEAT_MS } from "./limits.ts";
import type { Link, Links } from "./links.ts";
import type { Parties } from "./parties.ts";
import { acquaint, type Party } from "./party.ts";

export interface TrunkDeskParts {
  readonly links: Links;
  readonly parties: Parties;
  readonly flows: Flows;
  readonly self: RelayId;
  readonly boot: number;
  readonly nextCounter: (link: Link) => number;
  send(bytes: Bytes, to: number): void;
  /** By which relay a party is reached: what other threads should hear. */
  learned(source: Party, relay: RelayId, now: number): void;
}

/** The largest packet that fits a datagram inside a trunk packet. */
const PACKET_BYTES_MAX = 65_507 - TRUNK_OVERHEAD;

export class TrunkDesk {
  readonly #parts: TrunkDeskParts;
  /** Of the packet that leaves, and where it is made. */
  readonly #header: TrunkHeader;
  readonly #out = new Uint8Array(PACKET_BYTES_MAX + TRUNK_OVERHEAD);
  /** Of the packet that came. */
  readonly #came = newTrunkHeader();
  /** Whose way back has changed since others heard of it. */
  readonly #untold = new Set<Party>();
  sent = 0;
  received = 0;

  constructor(parts: TrunkDeskParts) {
    this.#parts = parts;
    this.#header = { ...newTrunkHeader(), boot: parts.boot, sender: relayTagOf(parts.self) };
  }

  /** Wraps a packet of one agent to another and sends it to that one's relay. */
  handOver(packet: Bytes, source: Party, destination: Party): DropReason | undefined {
    const { links, parties, nextCounter, send } = this.#parts;
    if (source.words === undefined || destination.words === undefined) return DropReason.destinationAway;
    if (packet.length > PACKET_BYTES_MAX) return DropReason.sendFailed;
    const link = links.at(parties.linkOf(destination.slot));
    const keys = link === undefined || !link.listed ? undefined : links.keysOf(link);
    if (link === undefined || keys === undefined || link.address === NO_ADDRESS) {
      return DropReason.trunkUnreachable;
    }
    const header = this.#header;
    header.counter = nextCounter(link);
    header.source = source.words;
    header.destination = destination.words;
    send(encodeTrunk(header, packet, keys.send, this.#out), link.address);
    this.sent++;
    return undefined;
  }

  receive(datagram: Bytes, from: number, now: number): DropReason | undefined {
    const { links, parties } = this.#parts;
    const header = trunkHeader(datagram, this.#came);
    if (typeof header === "string") return DropReason.malformed;
    const link = links.accept(datagram, header, from, now);
    if (typeof link === "string") return link;
    const packet = trunkPacket(datagram);
    const destination = parties.byWords(header.destination);
    const address = destination === undefined ? NO_ADDRESS : parties.addressOf(destination.slot, now);
    if (destination === undefined || address === NO_ADDRESS) return DropReason.trunkDestinationAway;
    // A source has its destination's network, or is refused: this keeps both.
    if (link.network !== undefined && link.network !== destination.network)
      return DropReason.trunkOtherNetwork;
    const source = this.#sourceOf(header.source, destination, link, now);
    if (typeof source === "string") return source;
    const drop = this.#learn(packet, source, destination, now);
    if (drop !== undefined) return drop;
    this.received++;
    this.#parts.send(packet, address);
    return undefined;
  }

  /** The party that sent it; bound here it stays so, else this relay is now the way to it. */
  #sourceOf(words: IdWords, destination: Party, link: Link, now: number): Party | DropReason {
    const { parties } = this.#parts;
    const known = parties.byWords(words);
    if (known !== undefined && known.network !== destination.network) return DropReason.otherNetwork;
    if (known === destination) return DropReason.malformed;
    const source = known ?? parties.add(idOfWords<AgentId>(words), destination.network, now, link.id);
    if (source === undefined) return DropReason.trunkTooManyAgents;
    parties.touch(source.slot, now);
    const isOther = parties.learnRoute(source, link.id, link.index, now + LEARNED_ROUTE_LIFETIME_MS);
    // Other threads hear of another way than before, and of one that is not pushed before they forget it.
    if (isOther) this.#untold.add(source);
    const isDue = link.id !== source.pushedRelay && now - source.toldAt >= LESSON_REPEAT_MS;
    if (isDue || (isOther && now - source.toldAt >= LESSON_PAUSE_MS)) this.#tell(source, link.id, now);
    return source;
  }

  /** Tells of ways that changed again too soon after they were told. */
  tick(now: number): void {
    for (const party of this.#untold) {
      const isThere = this.#parts.parties.same(party) === party;
      if (!isThere || party.relay === undefined || party.learnedUntil <= now) this.#untold.delete(party);
      else if (now - party.toldAt >= LESSON_PAUSE_MS) this.#tell(party, party.relay, now);
    }
  }

  #tell(party: Party, relay: RelayId, now: number): void {
    this.#untold.delete(party);
    party.toldAt = now;
    this.#parts.learned(party, relay, now);
  }

  /** A way back that another thread was taught at a moment. */
  recall(agent: AgentId, network: NetworkId, relay: RelayId, at: number, now: number): void {
    const { links, parties } = this.#parts;
    const until = at + LEARNED_ROUTE_LIFETIME_MS;
    const link = links.byId(relay);
    if (link?.listed !== true || until <= now) return;
    const source = parties.byId(agent) ?? parties.add(agent, network, now, link.id);
    if (source === undefined || source.network !== network) return;
    parties.touch(source.slot, now);
    parties.learnRoute(source, link.id, link.index, until);
  }

  /** What the same packet would have taught if it had come from an agent bound here. */
  #learn(packet: Bytes, source: Party, destination: Party, now: number): DropReason | undefined {
    const { flows } = this.#parts;
    const nowS = Math.floor(now / 1000);
    const kind = wireGuardKind(packet);
    if (kind === "transport" || kind === "cookieReply") return undefined;
    if (kind === undefined) {
      const probe = peerHeader(packet);
      const isTheirs =
        typeof probe !== "string" && probe.sender === source.id && probe.receiver === destination.id;
      if (!isTheirs) return DropReason.malformed;
    } else {
      flows.learn(destination, wireGuardSender(packet), source, nowS, kind === "response");
      if (kind === "response") flows.learn(source, wireGuardReceiver(packet), destination, nowS, true);
    }
    acquaint(source, destination);
    return undefined;
  }
}
