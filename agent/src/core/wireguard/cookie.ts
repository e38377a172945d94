/**
 * Denial-of-service cookies (WireGuard §5.4.4, §5.4.7). Under load a responder does no Diffie-Hellman for strangers:
 * it answers with a cookie, a MAC of the sender's address, and takes only messages whose MAC2 proves that the cookie
 * arrived there. CookieIssuer is the loaded side, CookieHolder the side that obeys.
 */
import {
  equalBytes,
  Mac1,
  utf8,
  WIREGUARD_MAC_LENGTH,
  WireGuardCookieReply,
  WireGuardType,
  wireGuardSender,
} from "@burrow/protocol";
import { writeU32 } from "./bytes.ts";
import { COOKIE_LIFETIME_MS } from "./constants.ts";
import { hash, mac } from "./hash.ts";
import type { WireGuardPrimitives } from "./primitives.ts";

const COOKIE_LABEL = utf8("cookie--");
const NONCE_LENGTH = 24;
const SECRET_LENGTH = 32;
const MACS_LENGTH = 2 * WIREGUARD_MAC_LENGTH;

/** The loaded side. One per own key. */
export class CookieIssuer {
  readonly #primitives: WireGuardPrimitives;
  readonly #random: (out: Uint8Array) => void;
  readonly #mac1: Mac1;
  readonly #sealingKey: Uint8Array;
  readonly #secret = new Uint8Array(SECRET_LENGTH);
  #secretSince = Number.NEGATIVE_INFINITY;

  constructor(primitives: WireGuardPrimitives, random: (out: Uint8Array) => void, publicKey: Uint8Array) {
    this.#primitives = primitives;
    this.#random = random;
    this.#mac1 = new Mac1(publicKey);
    this.#sealingKey = hash(COOKIE_LABEL, publicKey);
  }

  verifyMac1(message: Uint8Array): boolean {
    return this.#mac1.verify(message);
  }

  /** Does the message carry a MAC2 made with a cookie that was issued to this source lately? */
  verifyMac2(message: Uint8Array, source: Uint8Array, now: number): boolean {
    if (now - this.#secretSince >= COOKIE_LIFETIME_MS) return false;
    const mac2 = message.length - WIREGUARD_MAC_LENGTH;
    const wanted = mac(mac(this.#secret, source), message.subarray(0, mac2));
    return equalBytes(wanted, message.subarray(mac2));
  }

  /** A cookie reply to an initiation or a response from this source: 64 bytes, less than either. */
  reply(message: Uint8Array, source: Uint8Array, now: number): Uint8Array {
    if (now - this.#secretSince >= COOKIE_LIFETIME_MS) {
      this.#random(this.#secret);
      this.#secretSince = now;
    }
    const at = WireGuardCookieReply;
    const out = new Uint8Array(at.length);
    writeU32(out, 0, WireGuardType.cookieReply);
    writeU32(out, at.receiver, wireGuardSender(message));
    const nonce = out.subarray(at.nonce, at.nonce + NONCE_LENGTH);
    this.#random(nonce);
    const cookie = mac(this.#secret, source);
    out.set(this.#primitives.xaeadSeal(this.#sealingKey, nonce, cookie, mac1Of(message)), at.cookie);
    return out;
  }
}

/** The side that sends handshakes to one peer, and proves its address when asked to. */
export class CookieHolder {
  readonly #primitives: WireGuardPrimitives;
  readonly #mac1: Mac1;
  readonly #sealingKey: Uint8Array;
  readonly #lastMac1 = new Uint8Array(WIREGUARD_MAC_LENGTH);
  #awaitsReply = false;
  #cookie: Uint8Array | undefined;
  #cookieSince = Number.NEGATIVE_INFINITY;

  constructor(primitives: WireGuardPrimitives, peerPublicKey: Uint8Array) {
    this.#primitives = primitives;
    this.#mac1 = new Mac1(peerPublicKey);
    this.#sealingKey = hash(COOKIE_LABEL, peerPublicKey);
  }

  /** Completes an outgoing initiation or response whose other fields are final. */
  writeMacs(message: Uint8Array, now: number): void {
    this.#mac1.write(message);
    this.#lastMac1.set(mac1Of(message));
    this.#awaitsReply = true;
    if (this.#cookie === undefined || now - this.#cookieSince >= COOKIE_LIFETIME_MS) return;
    const mac2 = message.length - WIREGUARD_MAC_LENGTH;
    message.set(mac(this.#cookie, message.subarray(0, mac2)), mac2);
  }

  /** Keeps the cookie for the next message. False when the reply is not to our last message, or forged. */
  accept(reply: Uint8Array, now: number): boolean {
    if (!this.#awaitsReply) return false;
    const at = WireGuardCookieReply;
    const nonce = reply.subarray(at.nonce, at.cookie);
    const cookie = this.#primitives.xaeadOpen(
      this.#sealingKey,
      nonce,
      reply.subarray(at.cookie, at.length),
      this.#lastMac1,
    );
    if (cookie === undefined) return false;
    this.#cookie = cookie;
    this.#cookieSince = now;
    this.#awaitsReply = false;
    return true;
  }
}

function mac1Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - MACS_LENGTH, message.length - WIREGUARD_MAC_LENGTH);
}
