/**
 * Tickets shown to this relay. An opened ticket is remembered by its nonce, so that a keep-alive costs the Bind's
 * own seal alone. Only tickets that opened are remembered: strangers cannot fill the memory.
 */
import {
  type Bytes,
  openTicket,
  type Refusal,
  type RelayId,
  type Sealer,
  type SymmetricKey,
  type Ticket,
  toHex,
} from "@burrow/protocol";

const NONCE_LENGTH = 24;

interface Opened {
  readonly sealed: Bytes;
  readonly ticket: Ticket;
}

export class Tickets {
  readonly #relay: RelayId;
  readonly #sealer: Sealer;
  readonly #max: number;
  readonly #opened = new Map<string, Opened>();
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

  open(sealed: Bytes): Ticket | Refusal {
    const name = toHex(sealed.subarray(0, NONCE_LENGTH));
    const known = this.#opened.get(name);
    if (known?.sealed.every((byte, i) => byte === sealed[i])) return known.ticket;
    let refusal: Refusal = "bad-seal";
    for (const key of this.#keys) {
      const ticket = openTicket(sealed, this.#relay, key, this.#sealer);
      if (typeof ticket !== "string") {
        this.#remember(name, sealed, ticket);
        return ticket;
      }
      refusal = ticket;
    }
    return refusal;
  }

  #remember(name: string, sealed: Bytes, ticket: Ticket): void {
    if (this.#opened.size >= this.#max) {
      for (const oldest of this.#opened.keys()) {
        this.#opened.delete(oldest);
        break;
      }
    }
    this.#opened.set(name, { sealed: sealed.slice(), ticket });
  }
}
