/** The peers of this agent's network: by id and by name, each with its paths and the key of its probes. */
import {
  type AgentId,
  type Agreement,
  agentIdOf,
  type Candidate,
  keyFromText,
  type PeerInfo,
  type PublicKey,
  probeKey,
  type SymmetricKey,
} from "@burrow/protocol";
import type { PeerPathsSink } from "./paths/contract.ts";
import type { PathTarget } from "./paths/path.ts";
import { PeerPaths } from "./paths/peer-paths.ts";

/** Receiver indices remembered per peer: those of the previous, the current and the next session. */
const FLOWS_PER_PEER_MAX = 3;

/** A peer that probes us has so long to begin a handshake itself. */
const SESSION_WAIT_MS = 100;

export class Peer {
  info: PeerInfo;
  readonly key: PublicKey;
  readonly paths: PeerPaths;
  /** By which path the last authenticated packet came. */
  lastHeardVia: PathTarget | undefined;
  lastDataMs: number | undefined;
  /** The peer's candidates as last swapped, for a coordinator that is away. */
  candidates: readonly Candidate[] = [];
  readonly flows: number[] = [];
  #withoutSessionSinceMs: number | undefined;
  #probeKey: SymmetricKey | undefined;
  readonly #deriveProbeKey: () => SymmetricKey | undefined;

  constructor(
    info: PeerInfo,
    key: PublicKey,
    paths: PeerPaths,
    deriveProbeKey: () => SymmetricKey | undefined,
  ) {
    this.info = info;
    this.key = key;
    this.paths = paths;
    this.#deriveProbeKey = deriveProbeKey;
  }

  /** Computed when first needed; undefined for a key of low order, with which nothing can be shared. */
  get probeKey(): SymmetricKey | undefined {
    this.#probeKey ??= this.#deriveProbeKey();
    return this.#probeKey;
  }

  /**
   * A probe came from the peer: should a handshake begin? One who has lost its session, by a restart say, gets data
   * that it cannot open, and so does one whose new session the peer has not heard of: its first packet was lost, and
   * it has nothing to say. WireGuard's own remedy takes 15 s (§6.1). The peer's own initiation goes first, if it comes.
   */
  lacksSession(hasSession: boolean, now: number): boolean {
    if (hasSession) this.#withoutSessionSinceMs = undefined;
    else this.#withoutSessionSinceMs ??= now;
    return this.#withoutSessionSinceMs !== undefined && now - this.#withoutSessionSinceMs >= SESSION_WAIT_MS;
  }

  /** Remembers a receiver index; returns the one that is forgotten for it. */
  addFlow(receiverIndex: number): number | undefined {
    this.flows.push(receiverIndex);
    return this.flows.length > FLOWS_PER_PEER_MAX ? this.flows.shift() : undefined;
  }
}

export interface PeersOptions {
  readonly privateKey: Uint8Array;
  readonly publicKey: PublicKey;
  readonly agreement: Agreement;
  readonly random: (length: number) => Uint8Array;
  readonly pathsSink: (peer: AgentId) => PeerPathsSink;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #byId = new Map<AgentId, Peer>();
  readonly #addresses = new Set<string>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  get(id: AgentId): Peer | undefined {
    return this.#byId.get(id);
  }

  get all(): IterableIterator<Peer> {
    return this.#byId.values();
  }

  /** Whether this IPv4 address is some peer's in the overlay. */
  hasOverlayAddress(address: string): boolean {
    return this.#addresses.has(address);
  }

  /** By name, id, or overlay address. */
  find(text: string): Peer | undefined {
    const wanted = text.toLowerCase();
    for (const peer of this.#byId.values()) {
      const { id, name, ipv4, ipv6 } = peer.info;
      if (name === wanted || id === wanted || ipv4 === wanted || ipv6 === wanted) return peer;
    }
    return undefined;
  }

  /** Adds or updates. Undefined when the key is not one, not that of the id (a coordinator's mistake), or our own. */
  upsert(info: PeerInfo): { readonly peer: Peer; readonly isNew: boolean } | undefined {
    const known = this.#byId.get(info.id);
    if (known !== undefined) {
      this.#addresses.delete(known.info.ipv4);
      this.#addresses.add(info.ipv4);
      known.info = info;
      return { peer: known, isNew: false };
    }
    const { privateKey, publicKey, agreement, random, pathsSink } = this.#options;
    const key = keyFromText(info.key);
    if (key === undefined || agentIdOf(key) !== info.id) return undefined;
    if (key.every((byte, i) => byte === publicKey[i])) return undefined;
    const paths = new PeerPaths(info.id, pathsSink(info.id), random);
    const peer = new Peer(info, key, paths, () => {
      const shared = agreement(privateKey, key);
      return shared === undefined ? undefined : probeKey(shared, publicKey, key);
    });
    this.#byId.set(info.id, peer);
    this.#addresses.add(info.ipv4);
    return { peer, isNew: true };
  }

  remove(id: AgentId): Peer | undefined {
    const peer = this.#byId.get(id);
    if (peer !== undefined) this.#addresses.delete(peer.info.ipv4);
    this.#byId.delete(id);
    return peer;
  }
}
