/**
 * What a relay has learned, as records that outlive the process: accepted Binds as they came, with the address they
 * came from, and flows by the ids of both ends. A relay that was killed reads them again and serves its agents' flows
 * at once. Cheaper than asking the agents: they would have to notice first, and name each flow anew.
 *
 *   0  length  2   of the whole record       3  flags    1   of a flow: 1, both sides have spoken
 *   2  kind    1   1 bind, 2 flow            4  seconds  4   when it was written, Unix time
 *   8  bind: endpoint 18, then the datagram; flow: receiver index 4, then source and destination, each
 *      1 and an agent's id of 8, or 2 and an outside client's endpoint of 18
 *
 * A record tells what was authenticated when it was written; a Bind is opened again with its ticket when it is read.
 */
import {
  type AgentId,
  type Bytes,
  ENDPOINT_LENGTH,
  type Endpoint,
  ID_LENGTH,
  idFromBytes,
  idToBytes,
  Reader,
  readEndpoint,
  Writer,
  writeEndpoint,
} from "@burrow/protocol";

const HEADER_LENGTH = 8;
const KIND_BIND = 1;
const KIND_FLOW = 2;
const FLAG_PROVEN = 1;

export type MemoryRecord =
  | { readonly kind: "bind"; readonly atS: number; readonly from: Endpoint; readonly datagram: Bytes }
  | {
      readonly kind: "flow";
      readonly atS: number;
      readonly receiverIndex: number;
      readonly source: PartyName;
      readonly destination: PartyName;
      readonly proven: boolean;
    };

/** An agent's id; of an outside client, which has none, its address. */
export type PartyName = AgentId | Endpoint;

const NAME_ID = 1;
const NAME_ENDPOINT = 2;
const ID_TEXT_LENGTH = 2 * ID_LENGTH;

export function isAgentName(name: PartyName): name is AgentId {
  return name.length === ID_TEXT_LENGTH && !name.includes(":");
}

export function bindRecord(from: Endpoint, datagram: Bytes, atS: number): Bytes {
  const writer = begin(KIND_BIND, ENDPOINT_LENGTH + datagram.length, atS);
  return writeEndpoint(writer, from).put(datagram).finish();
}

export function flowRecord(
  source: PartyName,
  receiverIndex: number,
  destination: PartyName,
  atS: number,
  proven: boolean,
): Bytes {
  const length = 4 + nameLength(source) + nameLength(destination);
  const writer = begin(KIND_FLOW, length, atS, proven ? FLAG_PROVEN : 0).u32(receiverIndex);
  return writeName(writeName(writer, source), destination).finish();
}

function nameLength(name: PartyName): number {
  return 1 + (isAgentName(name) ? ID_LENGTH : ENDPOINT_LENGTH);
}

function writeName(writer: Writer, name: PartyName): Writer {
  if (isAgentName(name)) return writer.u8(NAME_ID).put(idToBytes(name));
  return writeEndpoint(writer.u8(NAME_ENDPOINT), name);
}

function readName(reader: Reader): PartyName | undefined {
  const kind = reader.u8();
  if (kind === NAME_ID) return idFromBytes<AgentId>(reader.view(ID_LENGTH));
  return kind === NAME_ENDPOINT ? readEndpoint(reader) : undefined;
}

/** The records up to the first that is cut short or broken. Datagrams are views. */
export function* readMemory(bytes: Bytes): Generator<MemoryRecord> {
  for (let at = 0; at < bytes.length; ) {
    const header = new Reader(bytes, at);
    const length = header.u16();
    if (!header.ok || length < HEADER_LENGTH || at + length > bytes.length) return;
    const record = parse(new Reader(bytes.subarray(at + 2, at + length)));
    if (record === undefined) return;
    yield record;
    at += length;
  }
}

/** The bytes of those records that were written since a moment. */
export function memorySince(bytes: Bytes, sinceS: number): Bytes {
  const kept: Bytes[] = [];
  for (const record of readMemory(bytes)) {
    if (record.atS < sinceS) continue;
    const { atS } = record;
    if (record.kind === "bind") kept.push(bindRecord(record.from, record.datagram, atS));
    else {
      const { source, receiverIndex, destination, proven } = record;
      kept.push(flowRecord(source, receiverIndex, destination, atS, proven));
    }
  }
  const writer = new Writer(kept.reduce((sum, { length }) => sum + length, 0));
  for (const record of kept) writer.put(record);
  return writer.finish();
}

function begin(kind: number, length: number, atS: number, flags = 0): Writer {
  const whole = HEADER_LENGTH + length;
  return new Writer(whole).u16(whole).u8(kind).u8(flags).u32(atS);
}

function parse(reader: Reader): MemoryRecord | undefined {
  const kind = reader.u8();
  const flags = reader.u8();
  const atS = reader.u32();
  if (flags > (kind === KIND_FLOW ? FLAG_PROVEN : 0)) return undefined;
  if (kind === KIND_BIND) {
    const from = readEndpoint(reader);
    const datagram = reader.rest();
    return from === undefined || !reader.ok ? undefined : { kind: "bind", atS, from, datagram };
  }
  if (kind !== KIND_FLOW) return undefined;
  const receiverIndex = reader.u32();
  const source = readName(reader);
  const destination = readName(reader);
  if (source === undefined || destination === undefined) return undefined;
  return reader.ok && reader.remaining === 0
    ? { kind: "flow", atS, receiverIndex, source, destination, proven: flags === FLAG_PROVEN }
    : undefined;
}
