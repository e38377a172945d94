/**
 * Bind, agent → relay: "here I am, with this ticket; how do I look to you?" Also keep-alive and RTT probe.
 *
 *   0  type      1   0xb1
 *   1  version   1   = 1
 *   2  zero      2
 *   4  ticket  124   see ticket.ts
 * 128  nonce    24
 * 152  sealed  28 + 12 n, then a tag of 16; under the ticket's session key, bytes 0..127 as additional data:
 *        0  sequence    8   greater than in any Bind before under this session key
 *        8  cookie     16   from the relay's last Bound to this address, or zeros
 *       24  flags       1   bit 0: leaving (drop the binding); the others are zero
 *       25  flow count  1   n ≤ 64
 *       26  zero        2
 *       28  flows    12 n   receiver index (4), id of the agent who owns it (8)
 *
 * A flow tells the relay where transport packets of this agent go, also when their handshake took another way.
 *
 * Bound, relay → agent, 90 bytes and so never larger than its Bind (which has at least 196):
 *
 *   0  type      1   0xb2
 *   1  version   1   = 1
 *   2  zero      2
 *   4  nonce    24
 *  28  sealed   46, then a tag of 16; under the session key, bytes 0..3 as additional data:
 *        0  sequence    8   of the Bind that this answers
 *        8  status      1   see BindStatus
 *        9  zero        1
 *       10  observed   18   the endpoint that the relay saw
 *       28  cookie     16   to be repeated in the next Bind from this address
 *       44  lifetime    2   seconds until the binding lapses without another Bind
 *
 * The cookie is a MAC of the relay over the observed endpoint: it proves that the sender receives at its source
 * address. Without a right one there is a Bound of status `challenge` and no binding, so neither a captured Bind
 * sent from elsewhere nor a forged source address ever moves an endpoint.
 */
import { type Bytes, Reader, Writer } from "./bytes.ts";
import { ENDPOINT_LENGTH, type Endpoint, readEndpoint, writeEndpoint } from "./endpoint.ts";
import { invariant } from "./errors.ts";
import { type AgentId, ID_LENGTH, idFromBytes, idToBytes } from "./ids.ts";
import { Refusal } from "./refusal.ts";
import { PacketType, PROTOCOL_VERSION } from "./registry.ts";
import { NONCE_LENGTH, type Sealer, type SymmetricKey, TAG_LENGTH } from "./seal.ts";
import { TICKET_LENGTH } from "./ticket.ts";

export const COOKIE_LENGTH = 16;
/** Keeps a full Bind below 1280 bytes, the smallest MTU of IPv6. */
export const FLOWS_PER_BIND_MAX = 64;

const TICKET_AT = 4;
const BIND_NONCE_AT = TICKET_AT + TICKET_LENGTH;
const BIND_SEALED_AT = BIND_NONCE_AT + NONCE_LENGTH;
const BIND_FIXED_LENGTH = 28;
const FLOW_LENGTH = 4 + ID_LENGTH;
const FLAG_LEAVING = 1;

export const BIND_LENGTH_MIN = BIND_SEALED_AT + BIND_FIXED_LENGTH + TAG_LENGTH;
export const BIND_LENGTH_MAX = BIND_LENGTH_MIN + FLOWS_PER_BIND_MAX * FLOW_LENGTH;

const BOUND_NONCE_AT = 4;
const BOUND_SEALED_AT = BOUND_NONCE_AT + NONCE_LENGTH;
const BOUND_PLAINTEXT_LENGTH = 8 + 1 + 1 + ENDPOINT_LENGTH + COOKIE_LENGTH + 2;

export const BOUND_LENGTH = BOUND_SEALED_AT + BOUND_PLAINTEXT_LENGTH + TAG_LENGTH;

/** "Transport packets from me with this receiver index are for this agent." */
export interface Flow {
  readonly receiverIndex: number;
  readonly agent: AgentId;
}

export interface Bind {
  readonly sequence: number;
  /** 16 bytes; all zero when the agent has none for this relay yet. */
  readonly cookie: Bytes;
  readonly leaving: boolean;
  readonly flows: readonly Flow[];
}

/** What the relay made of a Bind. */
export const BindStatus = {
  bound: 0,
  /** Not bound: repeat the Bind with the cookie given here. */
  challenge: 1,
  /** The ticket has expired: ask the coordinator for another. */
  expired: 2,
  /** Bound, but about to go: bind elsewhere first. */
  draining: 3,
  /** The agent was revoked or the relay is full. */
  refused: 4,
} as const;
export type BindStatus = (typeof BindStatus)[keyof typeof BindStatus];

const BIND_STATUS_MAX = BindStatus.refused;

export interface Bound {
  readonly sequence: number;
  readonly status: BindStatus;
  readonly observed: Endpoint;
  readonly cookie: Bytes;
  readonly lifetimeS: number;
}

/** `ticket`: sealed, as the coordinator gave it. `nonce`: 24 fresh random bytes. */
export function encodeBind(
  bind: Bind,
  ticket: Bytes,
  sessionKey: SymmetricKey,
  nonce: Bytes,
  sealer: Sealer,
): Bytes {
  invariant(bind.flows.length <= FLOWS_PER_BIND_MAX, "more flows than a Bind holds");
  const header = new Writer(BIND_NONCE_AT)
    .u8(PacketType.bind)
    .u8(PROTOCOL_VERSION)
    .zeros(2)
    .put(ticket)
    .finish();
  const plaintext = new Writer(BIND_FIXED_LENGTH + bind.flows.length * FLOW_LENGTH)
    .u64(bind.sequence)
    .put(bind.cookie)
    .u8(bind.leaving ? FLAG_LEAVING : 0)
    .u8(bind.flows.length)
    .zeros(2);
  for (const flow of bind.flows) plaintext.u32(flow.receiverIndex).put(idToBytes(flow.agent));
  const sealed = sealer.seal(sessionKey, nonce, header, plaintext.finish());
  return new Writer(BIND_SEALED_AT + sealed.length).put(header).put(nonce).put(sealed).finish();
}

/** The sealed ticket inside a Bind, as a view: to be opened before the Bind itself can be. */
export function bindTicket(datagram: Bytes): Bytes | Refusal {
  if (datagram.length < BIND_LENGTH_MIN) return Refusal.tooShort;
  if (datagram.length > BIND_LENGTH_MAX) return Refusal.tooLong;
  if (datagram[1] !== PROTOCOL_VERSION) return Refusal.badVersion;
  if (datagram[0] !== PacketType.bind || datagram[2] !== 0 || datagram[3] !== 0) return Refusal.badField;
  return datagram.subarray(TICKET_AT, BIND_NONCE_AT);
}

export function openBind(datagram: Bytes, sessionKey: SymmetricKey, sealer: Sealer): Bind | Refusal {
  const ticket = bindTicket(datagram);
  if (typeof ticket === "string") return ticket;
  const header = datagram.subarray(0, BIND_NONCE_AT);
  const nonce = datagram.subarray(BIND_NONCE_AT, BIND_SEALED_AT);
  const plaintext = sealer.open(sessionKey, nonce, header, datagram.subarray(BIND_SEALED_AT));
  if (plaintext === undefined) return Refusal.badSeal;
  const reader = new Reader(plaintext);
  const sequence = reader.u64();
  const cookie = reader.bytes(COOKIE_LENGTH);
  const flags = reader.u8();
  const count = reader.u8();
  const zero = reader.u16();
  const flowsFit = count <= FLOWS_PER_BIND_MAX && reader.remaining === count * FLOW_LENGTH;
  if (!reader.ok || zero !== 0 || flags > FLAG_LEAVING || !flowsFit) return Refusal.badField;
  const flows: Flow[] = [];
  for (let i = 0; i < count; i++) {
    flows.push({ receiverIndex: reader.u32(), agent: idFromBytes<AgentId>(reader.view(ID_LENGTH)) });
  }
  return { sequence, cookie, leaving: flags === FLAG_LEAVING, flows };
}

/** `nonce`: 24 fresh random bytes. */
export function encodeBound(bound: Bound, sessionKey: SymmetricKey, nonce: Bytes, sealer: Sealer): Bytes {
  const header = new Writer(BOUND_NONCE_AT).u8(PacketType.bound).u8(PROTOCOL_VERSION).zeros(2).finish();
  const plaintext = new Writer(BOUND_PLAINTEXT_LENGTH).u64(bound.sequence).u8(bound.status).u8(0);
  writeEndpoint(plaintext, bound.observed).put(bound.cookie).u16(bound.lifetimeS);
  const sealed = sealer.seal(sessionKey, nonce, header, plaintext.finish());
  return new Writer(BOUND_LENGTH).put(header).put(nonce).put(sealed).finish();
}

export function openBound(datagram: Bytes, sessionKey: SymmetricKey, sealer: Sealer): Bound | Refusal {
  if (datagram.length < BOUND_LENGTH) return Refusal.tooShort;
  if (datagram.length > BOUND_LENGTH) return Refusal.tooLong;
  if (datagram[1] !== PROTOCOL_VERSION) return Refusal.badVersion;
  if (datagram[0] !== PacketType.bound || datagram[2] !== 0 || datagram[3] !== 0) return Refusal.badField;
  const header = datagram.subarray(0, BOUND_NONCE_AT);
  const nonce = datagram.subarray(BOUND_NONCE_AT, BOUND_SEALED_AT);
  const plaintext = sealer.open(sessionKey, nonce, header, datagram.subarray(BOUND_SEALED_AT));
  if (plaintext === undefined) return Refusal.badSeal;
  const reader = new Reader(plaintext);
  const sequence = reader.u64();
  const status = reader.u8();
  const zero = reader.u8();
  const observed = readEndpoint(reader);
  const cookie = reader.bytes(COOKIE_LENGTH);
  const lifetimeS = reader.u16();
  if (!reader.ok || zero !== 0 || status > BIND_STATUS_MAX || observed === undefined) return Refusal.badField;
  return { sequence, status: status as BindStatus, observed, cookie, lifetimeS };
}
