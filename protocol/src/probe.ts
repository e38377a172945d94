/**
 * Probe and Probe-ack, agent ↔ agent, straight or through relays. They punch, measure and keep alive.
 *
 * Outside as peer-packet.ts has it; inside:
 *
 *   0  transaction  8   random; an ack repeats that of its probe
 *   8  observed    18   ack: the endpoint that the probe came from. Probe: zeros
 *  26  flags        1   probe: bit 0, the sender's probes straight to the receiver have begun. Ack: zero
 *  27  zero         1
 *  28  padding      n   zeros, so that a probe can be as long as a data packet
 *
 * An ack is 88 bytes and a probe at least that, so an answer is never larger than its question.
 *
 * A captured probe can be replayed and will be acknowledged, so a probe proves nothing about a path. Only the first ack
 * of one's own transaction does.
 */
import { type Bytes, Reader, Writer } from "./bytes.ts";
import { fromHex, toHex } from "./encoding.ts";
import { ENDPOINT_LENGTH, type Endpoint, readEndpoint, writeEndpoint } from "./endpoint.ts";
import { invariant } from "./errors.ts";
import {
  openPeerPacket,
  type PeerHeader,
  PROBE_LENGTH_MAX,
  PROBE_LENGTH_MIN,
  peerHeader,
  sealPeerPacket,
} from "./peer-packet.ts";
import { isRefusal, Refusal } from "./refusal.ts";
import type { Sealer, SymmetricKey } from "./seal.ts";

export { PROBE_LENGTH_MAX, PROBE_LENGTH_MIN } from "./peer-packet.ts";

const PLAINTEXT_LENGTH = 28;

export const TRANSACTION_LENGTH = 8;

const FLAG_HAS_BEGUN = 1;

/** 8 random bytes as 16 hex digits. */
export type Transaction = string & { readonly __brand: "Transaction" };

export interface ProbeHeader extends PeerHeader {
  readonly kind: "probe" | "probeAck";
}

export interface ProbeBody {
  readonly transaction: Transaction;
  /** Only in an ack. */
  readonly observed: Endpoint | undefined;
  /** Only in a probe by a relay: probes straight to the receiver have begun. */
  readonly hasBegun?: true;
}

/** A transaction of 8 random bytes. */
export function transactionOf(random: Bytes): Transaction {
  return toHex(random.slice(0, TRANSACTION_LENGTH)) as Transaction;
}

function transactionBytes(transaction: Transaction): Bytes {
  const bytes = fromHex(transaction);
  invariant(bytes?.length === TRANSACTION_LENGTH, "not a transaction");
  return bytes;
}

/** `nonce`: 24 fresh random bytes. `lengthBytes`: of the whole datagram, within the limits above; an ack has none to choose. */
export function encodeProbe(
  header: ProbeHeader,
  body: ProbeBody,
  key: SymmetricKey,
  nonce: Bytes,
  sealer: Sealer,
  lengthBytes = PROBE_LENGTH_MIN,
): Bytes {
  const lengthMax = lengthMaxOf(header.kind);
  invariant(lengthBytes >= PROBE_LENGTH_MIN && lengthBytes <= lengthMax, "length of a probe");
  const padding = lengthBytes - PROBE_LENGTH_MIN;
  const plaintext = new Writer(PLAINTEXT_LENGTH + padding).put(transactionBytes(body.transaction));
  if (body.observed === undefined) plaintext.zeros(ENDPOINT_LENGTH);
  else writeEndpoint(plaintext, body.observed);
  plaintext.u8(body.hasBegun === true ? FLAG_HAS_BEGUN : 0).zeros(1 + padding);
  return sealPeerPacket(header, plaintext.finish(), key, nonce, sealer);
}

/** What a receiver looking for the key may know of a probe. Unauthenticated. */
export function probeHeader(datagram: Bytes): ProbeHeader | Refusal {
  const header = peerHeader(datagram);
  if (isRefusal(header)) return header;
  const { kind } = header;
  return kind === "introduction" ? Refusal.badField : { ...header, kind };
}

/** `header`: where it was looked at already. */
export function openProbe(
  datagram: Bytes,
  key: SymmetricKey,
  sealer: Sealer,
  header: ProbeHeader | Refusal = probeHeader(datagram),
): ProbeBody | Refusal {
  if (isRefusal(header)) return header;
  const plaintext = openPeerPacket(datagram, key, sealer);
  if (isRefusal(plaintext)) return plaintext;
  const reader = new Reader(plaintext);
  const transaction = transactionOf(reader.bytes(TRANSACTION_LENGTH));
  if (header.kind === "probe") {
    const isBlank = reader.bytes(ENDPOINT_LENGTH).every((byte) => byte === 0);
    const flags = reader.u8();
    if (!isBlank || flags > FLAG_HAS_BEGUN || !reader.isZero()) return Refusal.badField;
    return { transaction, observed: undefined, ...(flags === 0 ? {} : { hasBegun: true }) };
  }
  const observed = readEndpoint(reader);
  return observed !== undefined && reader.isZero() ? { transaction, observed } : Refusal.badField;
}

function lengthMaxOf(kind: ProbeHeader["kind"]): number {
  return kind === "probe" ? PROBE_LENGTH_MAX : PROBE_LENGTH_MIN;
}
