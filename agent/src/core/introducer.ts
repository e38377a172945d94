/**
 * Introductions: two agents learn where the other may be reached, and both probe at once. The coordinator tells them to.
 * Without one they tell each other, sealed, by a relay through which they talk; who asks gets the other's in return.
 */
import {
  type AgentId,
  type Candidate,
  type Endpoint,
  encodeIntroduction,
  type Introduction,
  isRefusal,
  type NatMapping,
  type NatPorts,
  NONCE_LENGTH,
  openIntroduction,
  peerHeader,
  type RelayId,
  type Sealer,
  type ToAgent,
} from "@burrow/protocol";
import type { PathTarget } from "./paths/path.ts";
import type { Peer } from "./peers.ts";
import type { Puncher } from "./puncher.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** Each makes us probe all that it names: a peer that sends more of them is not followed. */
const SPACING_MS = 500;

export interface IntroducerParts {
  readonly self: AgentId;
  readonly sealer: Sealer;
  readonly random: (length: number) => Uint8Array;
  /** Sequences begin there: they have to rise across restarts, since a peer may not have noticed ours. */
  readonly firstSequence: number;
  readonly whereabouts: Whereabouts;
  /** Absent where hard NATs are not to be punched. */
  readonly puncher: Pick<Puncher, "introduced"> | undefined;
  peerOf(id: AgentId): Peer | undefined;
  mayProbe(endpoint: Endpoint): boolean;
  /** The peer's paths have something to do from now on. */
  introduced(peer: Peer): void;
  transmit(target: PathTarget, datagram: Uint8Array): void;
  drop(reason: IntroductionRefusal): void;
}

export type IntroductionRefusal =
  | "probe-now-unknown-peer"
  | "introduction-not-by-relay"
  | "introduction-not-for-us"
  | "introduction-unknown-peer"
  | "introduction-forged"
  | "introduction-old"
  | "introduction-too-soon";

/** What an introduction says, whoever makes it. */
interface About {
  readonly candidates: readonly Candidate[];
  readonly nat: NatMapping;
  readonly natPorts?: NatPorts | undefined;
}

/** The latest that came from a peer, and when one was followed last. */
interface Latest {
  readonly sequence: number;
  readonly atMs: number;
}

export class Introducer {
  readonly #parts: IntroducerParts;
  readonly #latest = new Map<AgentId, Latest>();
  #sequence: number;

  constructor(parts: IntroducerParts) {
    this.#parts = parts;
    this.#sequence = parts.firstSequence;
  }

  /** The coordinator tells both sides to probe. */
  probeNow(message: Extract<ToAgent, { type: "probe-now" }>, now: number): void {
    const peer = this.#parts.peerOf(message.peer);
    if (peer === undefined) return this.#parts.drop("probe-now-unknown-peer");
    this.#introduce(peer, message, now);
  }

  /** Nobody else can introduce us: we do it ourselves by these relays, and try what we knew of the peer. */
  withoutCoordinator(peer: Peer, relays: readonly RelayId[], now: number): void {
    this.#tell(
      peer,
      relays.map((relay) => ({ kind: "relay", relay })),
      true,
    );
    if (peer.candidates.length > 0) peer.paths.probeNow(peer.candidates, now);
  }

  /** What a peer tells of itself is worth what the coordinator says of it. Any bytes from anyone. */
  receive(datagram: Uint8Array, from: PathTarget, now: number): void {
    // Elsewhere its address is anybody's, and the answer, and all that it makes us probe, would go to whom it names.
    if (from.kind !== "relay") return this.#parts.drop("introduction-not-by-relay");
    const opened = this.#open(datagram, now);
    if (typeof opened === "string") return this.#parts.drop(opened);
    const { peer, introduction } = opened;
    if (introduction.wantsAnswer) this.#tell(peer, [from], false);
    this.#introduce(peer, introduction, now);
  }

  /** The peer is gone for good. */
  forget(id: AgentId): void {
    this.#latest.delete(id);
  }

  #introduce(peer: Peer, { candidates, nat, natPorts }: About, now: number): void {
    const { whereabouts, puncher, mayProbe, introduced } = this.#parts;
    // A coordinator, or a peer lying to it, must not aim our probes at multicast or at our own machine's services.
    const usable = candidates.filter(({ endpoint }) => mayProbe(endpoint));
    peer.candidates = usable;
    introduced(peer);
    peer.paths.probeNow(usable, now);
    const nats = {
      ...{ own: whereabouts.nat, theirs: nat, ownPorts: whereabouts.natPorts, theirPorts: natPorts },
      isForwarded: [...whereabouts.candidates, ...usable].some(isForwarded),
    };
    puncher?.introduced(peer, nats, usable, now);
  }

  /** By each of these ways: the first to arrive counts. */
  #tell(peer: Peer, ways: readonly PathTarget[], wantsAnswer: boolean): void {
    const { self, sealer, random, whereabouts, transmit } = this.#parts;
    const key = peer.probeKey;
    if (key === undefined) return;
    this.#sequence++;
    const { candidates, nat, natPorts } = whereabouts;
    const about = { sequence: this.#sequence, wantsAnswer, nat, natPorts, candidates };
    const header = { receiver: peer.info.id, sender: self };
    const datagram = encodeIntroduction(header, about, key, random(NONCE_LENGTH), sealer);
    for (const way of ways) transmit(way, datagram);
  }

  #open(
    datagram: Uint8Array,
    now: number,
  ): { readonly peer: Peer; readonly introduction: Introduction } | IntroductionRefusal {
    const { self, sealer, peerOf } = this.#parts;
    const header = peerHeader(datagram);
    if (isRefusal(header) || header.receiver !== self) return "introduction-not-for-us";
    const peer = peerOf(header.sender);
    const key = peer?.probeKey;
    if (peer === undefined || key === undefined) return "introduction-unknown-peer";
    const introduction = openIntroduction(datagram, key, sealer);
    if (isRefusal(introduction)) return "introduction-forged";
    const { sequence } = introduction;
    const latest = this.#latest.get(header.sender);
    if (latest !== undefined && sequence <= latest.sequence) return "introduction-old";
    const isTooSoon = latest !== undefined && now - latest.atMs < SPACING_MS;
    // Not followed, it is used up all the same: nobody can keep it for later.
    this.#latest.set(header.sender, { sequence, atMs: isTooSoon ? latest.atMs : now });
    if (isTooSoon) return "introduction-too-soon";
    return { peer, introduction };
  }
}

/** Whoever asks at this address is let in, whatever the NAT does with others. */
function isForwarded({ kind }: Candidate): boolean {
  return kind === "mapped" || kind === "stated";
}
