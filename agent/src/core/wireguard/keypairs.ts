/**
 * A peer's sessions (WireGuard §6.1-6.2): at most three, and which of them sends.
 *
 *   current    sends, and receives
 *   previous   receives what was under way when current took over
 *   next       we responded; it receives, and becomes current with the initiator's first packet under it
 *
 * One rule goes beyond wireguard-go, whose two ends both lose their handshake when they call each other at the same
 * moment: here both handshakes succeed, and both ends settle on the one begun by the end with the larger public key.
 * The other stays only for packets that are under way. Unmodified peers never get there, they drop one of the two.
 */
import { ReplayWindow } from "@burrow/protocol";
import { REJECT_AFTER_MESSAGES } from "./constants.ts";
import type { SessionKeys } from "./noise.ts";
import type { AeadKey, WireGuardPrimitives } from "./primitives.ts";

export interface KeypairDescription {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  /** When the keys were derived: their age for receiving. */
  readonly createdMs: number;
  /**
   * What their age for sending counts from. An initiator takes the moment of its initiation: the responder derived
   * the keys after that and before the initiator did, so that neither end sends what the other calls expired.
   */
  readonly sendsFromMs: number;
}

export class Keypair implements KeypairDescription {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  readonly createdMs: number;
  readonly sendsFromMs: number;
  readonly sendKey: AeadKey;
  readonly receiveKey: AeadKey;
  readonly replay = new ReplayWindow();
  /** Whether the peer has spoken under it. Until then one who answered us may not know that we have the answer. */
  isHeard = false;
  /** The next packet's counter: below 2^53 by far, see REJECT_AFTER_MESSAGES. */
  sendCounter = 0;
  /** Set on a `next` that met a session of our own making. */
  isCrossed = false;

  constructor(primitives: WireGuardPrimitives, keys: SessionKeys, about: KeypairDescription) {
    this.localIndex = about.localIndex;
    this.remoteIndex = about.remoteIndex;
    this.isInitiator = about.isInitiator;
    this.createdMs = about.createdMs;
    this.sendsFromMs = about.sendsFromMs;
    this.sendKey = primitives.aeadKey(keys.send);
    this.receiveKey = primitives.aeadKey(keys.receive);
    keys.send.fill(0);
    keys.receive.fill(0);
  }

  canSend(now: number, rejectAfterMs: number): boolean {
    return now - this.sendsFromMs < rejectAfterMs && this.sendCounter < REJECT_AFTER_MESSAGES;
  }
}

export class Keypairs {
  readonly #winsCrossing: boolean;
  readonly #retire: (keypair: Keypair) => void;
  #current: Keypair | undefined;
  #previous: Keypair | undefined;
  #next: Keypair | undefined;

  /** `retire` is told of each keypair that goes. */
  constructor(winsCrossing: boolean, retire: (keypair: Keypair) => void) {
    this.#winsCrossing = winsCrossing;
    this.#retire = retire;
  }

  get current(): Keypair | undefined {
    return this.#current;
  }

  /** The peer answered us: it has the keys, so we may send at once. */
  addAsInitiator(keypair: Keypair): void {
    if (this.#next !== undefined) this.#next.isCrossed = true;
    this.#drop(this.#previous);
    this.#previous = this.#current;
    this.#current = keypair;
  }

  /** We answered the peer: it may never have heard us, so wait for its first packet. */
  addAsResponder(keypair: Keypair): void {
    this.#drop(this.#next);
    this.#drop(this.#previous);
    this.#previous = undefined;
    this.#next = keypair;
  }

  /** A packet came under `keypair`. True when that confirmed a session we responded to, and it sends from now on. */
  confirm(keypair: Keypair): boolean {
    if (keypair !== this.#next) return false;
    if (keypair.isCrossed && this.#winsCrossing && this.#current?.isInitiator === true) return false;
    this.#drop(this.#previous);
    this.#previous = this.#current;
    this.#current = keypair;
    this.#next = undefined;
    return true;
  }

  clear(): void {
    this.#drop(this.#previous);
    this.#drop(this.#current);
    this.#drop(this.#next);
    this.#previous = undefined;
    this.#current = undefined;
    this.#next = undefined;
  }

  #drop(keypair: Keypair | undefined): void {
    if (keypair === undefined) return;
    keypair.sendKey.destroy();
    keypair.receiveKey.destroy();
    this.#retire(keypair);
  }
}
