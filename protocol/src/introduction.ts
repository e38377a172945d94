/**
 * Introduction, agent ↔ agent through a relay: where one may be reached directly, so that both probe now. What the
 * coordinator does with `probe-now`, while there is none. Outside as peer-packet.ts has it; inside:
 *
 *   0  sequence      8   greater than in any introduction before from this sender to this receiver
 *   8  flags         1   bit 0: the receiver's own is wanted in return; the others are zero
 *   9  mapping       1   of the sender's NAT: 0 unknown, 1 none, 2 endpoint-independent, 3 address-dependent
 *  10  order         1   of its ports: 0 unknown, 1 preserving, 2 sequential, 3 random
 *  11  step          1   sequential: from one mapping to the next, two's complement; else zero
 *  12  last          2   sequential: port of the newest mapping; else zero
 *  14  count         1   n ≤ 32
 *  15  zero          1
 *  16  candidates 19 n   kind (1): 0 host, 1 reflexive, 2 mapped, 3 stated; endpoint (18)
 */
import { type Bytes, Reader, Writer } from "./bytes.ts";
import {
  CANDIDATES_MAX,
  type Candidate,
  type NatMapping,
  type NatPorts,
  PORT_STEP_MAX,
} from "./channel/fields.ts";
import { ENDPOINT_LENGTH, readEndpoint, writeEndpoint } from "./endpoint.ts";
import { invariant } from "./errors.ts";
import { openPeerPacket, type PeerHeader, peerHeader, sealPeerPacket } from "./peer-packet.ts";
import { isRefusal, Refusal } from "./refusal.ts";
import type { Sealer, SymmetricKey } from "./seal.ts";

const FIXED_LENGTH = 16;
const CANDIDATE_LENGTH = 1 + ENDPOINT_LENGTH;
const FLAG_WANTS_ANSWER = 1;
/** By their numbers on the wire. */
const MAPPINGS = ["unknown", "none", "endpoint-independent", "address-dependent"] as const;
const ORDERS = [undefined, "preserving", "sequential", "random"] as const;
const KINDS = ["host", "reflexive", "mapped", "stated"] as const;

export interface Introduction {
  readonly sequence: number;
  readonly wantsAnswer: boolean;
  readonly nat: NatMapping;
  readonly natPorts: NatPorts | undefined;
  readonly candidates: readonly Candidate[];
}

/** `nonce`: 24 fresh random bytes. */
export function encodeIntroduction(
  header: Omit<PeerHeader, "kind">,
  { sequence, wantsAnswer, nat, natPorts, candidates }: Introduction,
  key: SymmetricKey,
  nonce: Bytes,
  sealer: Sealer,
): Bytes {
  invariant(candidates.length <= CANDIDATES_MAX, "too many candidates");
  const isSequential = natPorts?.order === "sequential";
  const step = isSequential ? (natPorts.step ?? 0) : 0;
  const writer = new Writer(FIXED_LENGTH + CANDIDATE_LENGTH * candidates.length)
    .u64(sequence)
    .u8(wantsAnswer ? FLAG_WANTS_ANSWER : 0)
    .u8(MAPPINGS.indexOf(nat))
    .u8(ORDERS.indexOf(natPorts?.order))
    .u8(step & 0xff)
    .u16(isSequential ? (natPorts.last ?? 0) : 0)
    .u8(candidates.length)
    .zeros(1);
  for (const { kind, endpoint } of candidates) writeEndpoint(writer.u8(KINDS.indexOf(kind)), endpoint);
  return sealPeerPacket({ ...header, kind: "introduction" }, writer.finish(), key, nonce, sealer);
}

export function openIntroduction(datagram: Bytes, key: SymmetricKey, sealer: Sealer): Introduction | Refusal {
  const header = peerHeader(datagram);
  if (isRefusal(header)) return header;
  if (header.kind !== "introduction") return Refusal.badField;
  const inside = openPeerPacket(datagram, key, sealer);
  return isRefusal(inside) ? inside : parse(inside);
}

function parse(inside: Bytes): Introduction | Refusal {
  const reader = new Reader(inside);
  const [sequence, flags] = [reader.u64(), reader.u8()];
  const [nat, order] = [MAPPINGS[reader.u8()], reader.u8()];
  const [step, last] = [(reader.u8() << 24) >> 24, reader.u16()];
  const [count, zero] = [reader.u8(), reader.u8()];
  const isWhole = reader.ok && reader.remaining === CANDIDATE_LENGTH * count && count <= CANDIDATES_MAX;
  const natPorts = portsOf(order, step, last);
  if (!isWhole || zero !== 0 || flags > FLAG_WANTS_ANSWER || nat === undefined || natPorts === "bad") {
    return Refusal.badField;
  }
  const candidates: Candidate[] = [];
  for (let i = 0; i < count; i++) {
    const kind = KINDS[reader.u8()];
    const endpoint = readEndpoint(reader);
    if (kind === undefined || endpoint === undefined) return Refusal.badField;
    candidates.push({ kind, endpoint });
  }
  return { sequence, wantsAnswer: flags === FLAG_WANTS_ANSWER, nat, natPorts, candidates };
}

function portsOf(order: number, step: number, last: number): NatPorts | undefined | "bad" {
  const name = ORDERS[order];
  if (order >= ORDERS.length) return "bad";
  if (name !== "sequential") {
    if (step !== 0 || last !== 0) return "bad";
    return name === undefined ? undefined : { order: name };
  }
  return step === 0 || Math.abs(step) > PORT_STEP_MAX || last === 0 ? "bad" : { order: name, step, last };
}
