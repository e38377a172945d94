/**
 * Tickets: what the coordinator gives an agent to show to one relay, and only that relay can open.
 *
 * Sealed, 124 bytes:                          Plaintext, 84 bytes:
 *   0  nonce       24                           0  version      1   = 1
 *  24  ciphertext  84                           1  flags        1   bit 0: accepts outside clients; others zero
 * 108  tag         16                           2  rate class   1
 *                                               3  zero         1
 * XChaCha20-Poly1305 under the ticket key,      4  expires at   8   Unix ms, LE
 * which coordinator and relay share;           12  agent key   32   X25519
 * additional data: "burrow ticket v1" and      44  session key 32   seals Bind and Bound
 * the relay's id, 8 bytes.                     76  network id   8
 */
import { type Bytes, Reader, Writer } from "./bytes.ts";
import { utf8 } from "./encoding.ts";
import {
  ID_LENGTH,
  idFromBytes,
  idToBytes,
  KEY_LENGTH,
  type NetworkId,
  type PublicKey,
  type RelayId,
} from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { NONCE_LENGTH, type Sealer, SYMMETRIC_KEY_LENGTH, type SymmetricKey, TAG_LENGTH } from "./seal.ts";

const PLAINTEXT_LENGTH = 84;
const TICKET_VERSION = 1;
const FLAG_ACCEPTS_OUTSIDE = 1;

export const TICKET_LENGTH = NONCE_LENGTH + PLAINTEXT_LENGTH + TAG_LENGTH;

/**
 * What an agent may send through a relay: the indices into the relay's table that have a name, and so must never change
 * their meaning. 0 is no limit that anybody could meet.
 */
export const RATE_CLASS = { none: 0, "10M": 1, "100M": 2, "1G": 3, "10G": 4 } as const;
export type RateName = keyof typeof RATE_CLASS;

/** 1 Gbit/s, so that no agent alone takes a relay's line from all others. */
export const RATE_DEFAULT: RateName = "1G";

export interface Ticket {
  readonly agentKey: PublicKey;
  readonly network: NetworkId;
  readonly sessionKey: SymmetricKey;
  /** Index into the relay's table of rate limits. */
  readonly rateClass: number;
  /** Whether handshakes from unbound endpoints may be passed to this agent. */
  readonly acceptsOutside: boolean;
  /** Unix milliseconds. The relay compares with its own clock. */
  readonly expiresAtMs: number;
}

/** Seals a ticket for `relay`. `nonce`: 24 fresh random bytes. */
export function sealTicket(
  ticket: Ticket,
  relay: RelayId,
  ticketKey: SymmetricKey,
  nonce: Bytes,
  sealer: Sealer,
): Bytes {
  const plaintext = new Writer(PLAINTEXT_LENGTH)
    .u8(TICKET_VERSION)
    .u8(ticket.acceptsOutside ? FLAG_ACCEPTS_OUTSIDE : 0)
    .u8(ticket.rateClass)
    .u8(0)
    .u64(ticket.expiresAtMs)
    .put(ticket.agentKey)
    .put(ticket.sessionKey)
    .put(idToBytes(ticket.network))
    .finish();
  const sealed = sealer.seal(ticketKey, nonce, additionalData(relay), plaintext);
  return new Writer(TICKET_LENGTH).put(nonce).put(sealed).finish();
}

/** Opens a ticket as `relay`. Says nothing of its having expired: that takes a clock. */
export function openTicket(
  sealed: Bytes,
  relay: RelayId,
  ticketKey: SymmetricKey,
  sealer: Sealer,
): Ticket | Refusal {
  if (sealed.length < TICKET_LENGTH) return Refusal.tooShort;
  if (sealed.length > TICKET_LENGTH) return Refusal.tooLong;
  const nonce = sealed.subarray(0, NONCE_LENGTH);
  const plaintext = sealer.open(ticketKey, nonce, additionalData(relay), sealed.subarray(NONCE_LENGTH));
  if (plaintext === undefined) return Refusal.badSeal;
  const reader = new Reader(plaintext);
  if (reader.u8() !== TICKET_VERSION) return Refusal.badVersion;
  const flags = reader.u8();
  const rateClass = reader.u8();
  const zero = reader.u8();
  const expiresAtMs = reader.u64();
  const agentKey = reader.bytes(KEY_LENGTH);
  const sessionKey = reader.bytes(SYMMETRIC_KEY_LENGTH);
  const network = idFromBytes<NetworkId>(reader.view(ID_LENGTH));
  if (!reader.ok || zero !== 0 || flags > FLAG_ACCEPTS_OUTSIDE) return Refusal.badField;
  return {
    agentKey,
    network,
    sessionKey,
    rateClass,
    acceptsOutside: flags === FLAG_ACCEPTS_OUTSIDE,
    expiresAtMs,
  };
}

function additionalData(relay: RelayId): Bytes {
  const label = utf8("burrow ticket v1");
  return new Writer(label.length + ID_LENGTH).put(label).put(idToBytes(relay)).finish();
}
