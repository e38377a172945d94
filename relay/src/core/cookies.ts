/**
 * Cookies of Binds: a MAC over the observed endpoint and the agent's key, so that only who receives at an address
 * can bind it. The relay stores nothing per cookie; the secret changes, and the one before stays valid.
 */
import { type Bytes, COOKIE_LENGTH, type Endpoint, equalBytes, type PublicKey, utf8 } from "@burrow/protocol";
import { blake2s } from "@noble/hashes/blake2.js";
import { COOKIE_SECRET_LIFETIME_MS } from "./limits.ts";

const SECRET_LENGTH = 32;

export class Cookies {
  readonly #random: (length: number) => Bytes;
  #current: Bytes;
  #previous: Bytes;
  #changedAt: number;

  constructor(random: (length: number) => Bytes, now: number) {
    this.#random = random;
    this.#current = random(SECRET_LENGTH);
    this.#previous = random(SECRET_LENGTH);
    this.#changedAt = now;
  }

  make(endpoint: Endpoint, agent: PublicKey, now: number): Bytes {
    this.#rotate(now);
    return mac(this.#current, endpoint, agent);
  }

  isRight(cookie: Bytes, endpoint: Endpoint, agent: PublicKey, now: number): boolean {
    this.#rotate(now);
    return (
      equalBytes(cookie, mac(this.#current, endpoint, agent)) ||
      equalBytes(cookie, mac(this.#previous, endpoint, agent))
    );
  }

  #rotate(now: number): void {
    const ageMs = now - this.#changedAt;
    if (ageMs < COOKIE_SECRET_LIFETIME_MS) return;
    // After a long pause the one before is too old as well.
    this.#previous = ageMs < 2 * COOKIE_SECRET_LIFETIME_MS ? this.#current : this.#random(SECRET_LENGTH);
    this.#current = this.#random(SECRET_LENGTH);
    this.#changedAt = now;
  }
}

function mac(secret: Bytes, endpoint: Endpoint, agent: PublicKey): Bytes {
  return blake2s.create({ key: secret, dkLen: COOKIE_LENGTH }).update(agent).update(utf8(endpoint)).digest();
}
