/**
 * What a relay has learned, as records that outlive the process: accepted Binds as they came, with the address they
 * came from, and flows by the ids of both ends. A relay that was killed reads them again and serves its agents' flows
 * at once. Cheaper than asking the agents: they would have to notice first, and name each flow anew.
 *
 *   0  length  2   of the whole record       3  zero     1
 *   2  kind    1   1 bind, 2 flow            4  seconds  4   when it was written, Unix time
 *   8  bind: endpoint 18, then the datagram; flow: receiver index 4, source 8, destination 8
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

export type MemoryRecord =
  | { readonly kind: "bind"; readonly atS: number; readonly from: Endpoint; readonly datagram: Bytes }
  | {
      readonly kind: "flow";
      readonly atS: number;
      readonly receiverIndex: number;
      readonly source: AgentId;
      readonly destination: AgentId;
    };

export function bindRecord(from: Endpoint, datagram: Bytes, atS: number): Bytes {
  const writer = begin(KIND_BIND, ENDPOINT_LENGTH + datagram.length, atS);
  return writeEndpoint(writer, from).put(datagram).finish();
}

export function flowRecord(source: AgentId, receiverIndex: number, destination: AgentId, atS: number): Bytes {
  const writer = begin(KIND_FLOW, 4 + 2 * ID_LENGTH, atS).u32(receiverIndex);
  return writer.put(idToBytes(source)).put(idToBytes(destination)).finish();
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
    else kept.push(flowRecord(record.source, record.receiverIndex, record.destination, atS));
  }
  const writer = new Writer(kept.reduce((sum, { length }) => sum + length, 0));
  for (const record of kept) writer.put(record);
  return writer.finish();
}

function begin(kind: number, length: number, atS: number): Writer {
  const whole = HEADER_LENGTH + length;
  return new Writer(whole).u16(whole).u8(kind).u8(0).u32(atS);
}

function parse(reader: Reader): MemoryRecord | undefined {
  const kind = reader.u8();
  const zero = reader.u8();
  const atS = reader.u32();
  if (zero !== 0) return undefined;
  if (kind === KIND_BIND) {
    const from = readEndpoint(reader);
    const datagram = reader.rest();
    return from === undefined || !reader.ok ? undefined : { kind: "bind", atS, from, datagram };
  }
  if (kind !== KIND_FLOW) return undefined;
  const receiverIndex = reader.u32();
  const source = idFromBytes<AgentId>(reader.view(ID_LENGTH));
  const destination = idFromBytes<AgentId>(reader.view(ID_LENGTH));
  return reader.ok && reader.remaining === 0
    ? { kind: "flow", atS, receiverIndex, source, destination }
    : undefined;
}
