/**
 * Tickets shown to this relay. An opened ticket is remembered by its nonce, so that a keep-alive costs the Bind's
 * own seal alone. Only tickets that opened are remembered: strangers cannot fill the memory.
 */
import {
  type Bytes,
  equalBytes,
  openTicket,
  type Refusal,
  type RelayId,
  type Sealer,
  type SymmetricKey,
  type Ticket,
  TokenBucket,
} from "@burrow/protocol";
import { BINDS_PER_AGENT } from "./limits.ts";

export interface OpenedTicket {
  readonly sealed: Bytes;
  readonly ticket: Ticket;
  /** Binds with a right cookie, of an agent that is not known here yet. */
  readonly binds: TokenBucket;
  /** Challenges that nobody can say its agent asked for. */
  readonly challenges: TokenBucket;
  /** Binds that are opened though there is little time for strangers. */
  readonly tries: TokenBucket;
}

export class Tickets {
  readonly #relay: RelayId;
  readonly #sealer: Sealer;
  readonly #max: number;
  /** By the beginning of the nonce. */
  readonly #opened = new Map<number, OpenedTicket>();
  /** The coordinator's key and the relay's own for checking itself; both may open a ticket. */
  #keys: readonly SymmetricKey[] = [];

  constructor(relay: RelayId, sealer: Sealer, cachedMax: number) {
    this.#relay = relay;
    this.#sealer = sealer;
    this.#max = cachedMax;
  }

  setKeys(keys: readonly SymmetricKey[]): void {
    this.#keys = keys;
    this.#opened.clear();
  }

  /** A ticket that was opened before: a look-up, and a comparison. */
  known(sealed: Bytes): OpenedTicket | undefined {
    const known = this.#opened.get(nameOf(sealed));
    return known !== undefined && equalBytes(known.sealed, sealed) ? known : undefined;
  }

  open(sealed: Bytes, now: number): OpenedTicket | Refusal {
    const known = this.known(sealed);
    if (known !== undefined) return known;
    let refusal: Refusal = "bad-seal";
    for (const key of this.#keys) {
      const ticket = openTicket(sealed, this.#relay, key, this.#sealer);
      if (typeof ticket !== "string") return this.#remember(sealed, ticket, now);
      refusal = ticket;
    }
    return refusal;
  }

  #remember(sealed: Bytes, ticket: Ticket, now: number): OpenedTicket {
    if (this.#opened.size >= this.#max) {
      for (const oldest of this.#opened.keys()) {
        this.#opened.delete(oldest);
        break;
      }
    }
    const [binds, challenges, tries] = [bucketAt(now), bucketAt(now), bucketAt(now)];
    const opened = { sealed: sealed.slice(), ticket, binds, challenges, tries };
    this.#opened.set(nameOf(sealed), opened);
    return opened;
  }
}

function bucketAt(now: number): TokenBucket {
  return new TokenBucket(BINDS_PER_AGENT, now);
}

/** 48 bits of the nonce that a ticket begins with. */
function nameOf(sealed: Bytes): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = sealed;
  return (a | (b << 8) | (c << 16)) + (d | (e << 8) | (f << 16)) * 2 ** 24;
}
