/**
 * Probe and Probe-ack, agent ↔ agent, straight or through relays. They punch, measure and keep alive.
 *
 *   0  type       1   0xb3 probe, 0xb4 ack
 *   1  version    1   = 1
 *   2  zero       2
 *   4  receiver   8   agent id; a relay routes by it
 *  12  sender     8   agent id; a relay checks it against the binding
 *  20  nonce     24
 *  44  sealed    28 + padding, then a tag of 16; under the pair's probe key, bytes 0..19 as additional data:
 *        0  transaction  8   random; an ack repeats that of its probe
 *        8  observed    18   ack: the endpoint that the probe came from. Probe: zeros
 *       26  zero         2
 *       28  padding      n   zeros, so that a probe can be as long as a data packet
 *
 * An ack is 88 bytes and a probe at least that, so an answer is never larger than its question.
 *
 * Both directions share one key: type, receiver and sender are authenticated so that neither a probe sent back to
 * its sender nor an ack passes for something else. A captured probe can be replayed and will be acknowledged, so
 * a probe proves nothing about a path. Only the first ack of one's own transaction does.
 */
import { type Bytes, Reader, Writer } from "./bytes.ts";
import { fromHex, toHex } from "./encoding.ts";
import { ENDPOINT_LENGTH, type Endpoint, readEndpoint, writeEndpoint } from "./endpoint.ts";
import { invariant } from "./errors.ts";
import { type AgentId, ID_LENGTH, idFromBytes, idToBytes } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { PacketType, PROTOCOL_VERSION } from "./registry.ts";
import { NONCE_LENGTH, type Sealer, type SymmetricKey, TAG_LENGTH } from "./seal.ts";

const RECEIVER_AT = 4;
const SENDER_AT = RECEIVER_AT + ID_LENGTH;
const NONCE_AT = SENDER_AT + ID_LENGTH;
const SEALED_AT = NONCE_AT + NONCE_LENGTH;
const PLAINTEXT_LENGTH = 28;

export const TRANSACTION_LENGTH = 8;
export const PROBE_LENGTH_MIN = SEALED_AT + PLAINTEXT_LENGTH + TAG_LENGTH;
/** Larger than any packet that leaves a host unfragmented (a jumbo frame). */
export const PROBE_LENGTH_MAX = 9000;

/** 8 random bytes as 16 hex digits. */
export type Transaction = string & { readonly __brand: "Transaction" };

export interface ProbeHeader {
  readonly kind: "probe" | "probeAck";
  readonly receiver: AgentId;
  readonly sender: AgentId;
}

export interface ProbeBody {
  readonly transaction: Transaction;
  /** Only in an ack. */
  readonly observed: Endpoint | undefined;
}

/** A transaction of 8 random bytes. */
export function transactionOf(random: Bytes): Transaction {
  return toHex(random.subarray(0, TRANSACTION_LENGTH)) as Transaction;
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
  const outer = new Writer(NONCE_AT)
    .u8(PacketType[header.kind])
    .u8(PROTOCOL_VERSION)
    .zeros(2)
    .put(idToBytes(header.receiver))
    .put(idToBytes(header.sender))
    .finish();
  const padding = lengthBytes - PROBE_LENGTH_MIN;
  const plaintext = new Writer(PLAINTEXT_LENGTH + padding).put(transactionBytes(body.transaction));
  if (body.observed === undefined) plaintext.zeros(ENDPOINT_LENGTH);
  else writeEndpoint(plaintext, body.observed);
  const sealed = sealer.seal(key, nonce, outer, plaintext.zeros(2 + padding).finish());
  return new Writer(lengthBytes).put(outer).put(nonce).put(sealed).finish();
}

/** What a relay, and a receiver looking for the key, may know of a probe. Unauthenticated. */
export function probeHeader(datagram: Bytes): ProbeHeader | Refusal {
  if (datagram.length < PROBE_LENGTH_MIN) return Refusal.tooShort;
  const kind = datagram[0] === PacketType.probeAck ? "probeAck" : "probe";
  if (datagram.length > lengthMaxOf(kind)) return Refusal.tooLong;
  if (datagram[1] !== PROTOCOL_VERSION) return Refusal.badVersion;
  if (datagram[0] !== PacketType[kind] || datagram[2] !== 0 || datagram[3] !== 0) return Refusal.badField;
  return {
    kind,
    receiver: idFromBytes(datagram.subarray(RECEIVER_AT, SENDER_AT)),
    sender: idFromBytes(datagram.subarray(SENDER_AT, NONCE_AT)),
  };
}

export function openProbe(datagram: Bytes, key: SymmetricKey, sealer: Sealer): ProbeBody | Refusal {
  const header = probeHeader(datagram);
  if (typeof header === "string") return header;
  const nonce = datagram.subarray(NONCE_AT, SEALED_AT);
  const plaintext = sealer.open(key, nonce, datagram.subarray(0, NONCE_AT), datagram.subarray(SEALED_AT));
  if (plaintext === undefined) return Refusal.badSeal;
  const reader = new Reader(plaintext);
  const transaction = transactionOf(reader.view(TRANSACTION_LENGTH));
  if (header.kind === "probe") {
    return isZero(reader.rest()) ? { transaction, observed: undefined } : Refusal.badField;
  }
  const observed = readEndpoint(reader);
  return observed !== undefined && isZero(reader.rest()) ? { transaction, observed } : Refusal.badField;
}

function lengthMaxOf(kind: ProbeHeader["kind"]): number {
  return kind === "probe" ? PROBE_LENGTH_MAX : PROBE_LENGTH_MIN;
}

function isZero(bytes: Bytes): boolean {
  return bytes.every((byte) => byte === 0);
}
