/** All that the engine keeps about one peer, in one place: data, and no decisions. */
import { toHex } from "@burrow/protocol";
import { CookieHolder } from "./cookie.ts";
import { type Keypair, Keypairs } from "./keypairs.ts";
import type { PendingInitiation, StaticKeys } from "./noise.ts";
import { KEY_LENGTH, type WireGuardPrimitives } from "./primitives.ts";
import type { PeerHandle } from "./sink.ts";
import { TIMESTAMP_LENGTH } from "./tai64n.ts";
import type { PeerTimers } from "./timers.ts";

const LONG_AGO = Number.NEGATIVE_INFINITY;

/** Our initiation that waits for its response. */
export interface Outstanding {
  readonly noise: PendingInitiation;
  readonly localIndex: number;
  /** As it was sent, to be repeated when a path comes to life. */
  readonly datagram: Uint8Array;
  readonly sentMs: number;
  repeats: number;
  repeatedMs: number;
  /** A cookie came in answer: the next one sent must carry MAC2. */
  needsMac2: boolean;
}

export class Peer implements PeerHandle {
  // What never changes.
  readonly publicKey: Uint8Array;
  readonly #computeStaticStatic: () => Uint8Array | undefined;
  #staticStatic: Uint8Array | undefined;
  #isStaticStaticKnown = false;
  readonly cookie: CookieHolder;
  readonly timers: PeerTimers;
  readonly keypairs: Keypairs;

  // Configuration.
  presharedKey = new Uint8Array(KEY_LENGTH);
  isRemoved = false;

  // The handshake.
  outstanding: Outstanding | undefined;
  /** When the present run of initiations began, which rekeyAttempt ends. */
  attemptStartedMs = LONG_AGO;
  /** An initiation or a response was sent; initiations keep rekeyTimeout from it. */
  lastHandshakeSentMs = LONG_AGO;
  lastInitiationTakenMs = LONG_AGO;
  /** A path came to life a moment ago: until then an unanswered initiation was more likely lost than in vain. */
  hurriedUntilMs = LONG_AGO;
  /** The greatest timestamp received; what is not later is a replay. */
  readonly lastTimestamp = new Uint8Array(TIMESTAMP_LENGTH);
  /** The greatest timestamp sent, so that ours rise even when the wall clock is set back. */
  lastTimestampSentUnixMs = 0;

  // Packets waiting for a session: copies, oldest first.
  staged: Uint8Array[] = [];

  readonly statistics = {
    rxBytes: 0,
    txBytes: 0,
    lastHandshakeMs: undefined as number | undefined,
    unansweredSinceMs: undefined as number | undefined,
  };

  constructor(
    primitives: WireGuardPrimitives,
    local: StaticKeys,
    publicKey: Uint8Array,
    timers: PeerTimers,
    retire: (keypair: Keypair) => void,
  ) {
    this.publicKey = publicKey.slice();
    this.#computeStaticStatic = () => primitives.x25519(local.privateKey, this.publicKey);
    this.cookie = new CookieHolder(primitives, this.publicKey);
    this.timers = timers;
    this.keypairs = new Keypairs(toHex(local.publicKey) > toHex(this.publicKey), retire);
  }

  /**
   * Computed when first needed, since most peers of a large network are never talked to. Undefined for a key of low
   * order, with which no handshake can succeed.
   */
  get staticStatic(): Uint8Array | undefined {
    if (!this.#isStaticStaticKnown) this.#staticStatic = this.#computeStaticStatic();
    this.#isStaticStaticKnown = true;
    return this.#staticStatic;
  }
}
