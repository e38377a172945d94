/**
 * What a relay has learned, as records for its other threads and, but for ways back, ones that outlive the process:
 * accepted Binds as they came, with the address they came from, flows by the ids of both ends, and by which other relay
 * the trunk brought an agent's packets. A relay that was killed reads them again and serves its agents' flows
 * at once. Cheaper than asking the agents: they would have to notice first, and name each flow anew.
 *
 *   0  length  2   of the whole record       3  flags    1   of a flow: 1, both sides have spoken; of a bind: its door
 *   2  kind    1   1 bind, 2 flow, 3 way     4  seconds  4   when it was written, Unix time
 *   8  bind: endpoint 18, then the datagram; flow: receiver index 4, then source and destination, each
 *      1 and an agent's id of 8, or 2 and an outside client's endpoint of 18, or 3 and its door of 1 and its endpoint;
 *      way: the agent's id 8, its network's 8, the relay's 8
 *
 * A record tells what was authenticated when it was written; a Bind is opened again with its ticket when it is read.
 */
import {
  type AgentId,
  type Bytes,
  ENDPOINT_LENGTH,
  ID_LENGTH,
  idFromBytes,
  idToBytes,
  type NetworkId,
  Reader,
  type RelayId,
  readEndpoint,
  Writer,
  writeEndpoint,
} from "@burrow/protocol";
import type { Source } from "./addresses.ts";

const HEADER_LENGTH = 8;
const KIND_BIND = 1;
const KIND_FLOW = 2;
const KIND_WAY = 3;
const FLAG_PROVEN = 1;

export type MemoryRecord =
  | { readonly kind: "bind"; readonly atS: number; readonly from: Source; readonly datagram: Bytes }
  | {
      readonly kind: "flow";
      readonly atS: number;
      readonly receiverIndex: number;
      readonly source: PartyName;
      readonly destination: PartyName;
      readonly proven: boolean;
    }
  | {
      readonly kind: "way";
      readonly atS: number;
      readonly agent: AgentId;
      readonly network: NetworkId;
      readonly relay: RelayId;
    };

/** An agent's id; of an outside client, which has none, its address. */
export type PartyName = AgentId | Source;

const NAME_ID = 1;
const NAME_ENDPOINT = 2;
const NAME_AT_DOOR = 3;

export function isAgentName(name: PartyName): name is AgentId {
  return typeof name === "string";
}

export function bindRecord(from: Source, datagram: Bytes, atS: number): Bytes {
  const writer = begin(KIND_BIND, ENDPOINT_LENGTH + datagram.length, atS, from.door);
  return writeEndpoint(writer, from.endpoint).put(datagram).finish();
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

/** The agent is reached by this relay, as a packet of the trunk showed. */
export function wayRecord(agent: AgentId, network: NetworkId, relay: RelayId, atS: number): Bytes {
  const writer = begin(KIND_WAY, 3 * ID_LENGTH, atS);
  for (const id of [agent, network, relay]) writer.put(idToBytes(id));
  return writer.finish();
}

function nameLength(name: PartyName): number {
  if (isAgentName(name)) return 1 + ID_LENGTH;
  return (name.door === 0 ? 1 : 2) + ENDPOINT_LENGTH;
}

function writeName(writer: Writer, name: PartyName): Writer {
  if (isAgentName(name)) return writer.u8(NAME_ID).put(idToBytes(name));
  if (name.door === 0) writer.u8(NAME_ENDPOINT);
  else writer.u8(NAME_AT_DOOR).u8(name.door);
  return writeEndpoint(writer, name.endpoint);
}

function readName(reader: Reader): PartyName | undefined {
  const kind = reader.u8();
  if (kind === NAME_ID) return idFromBytes<AgentId>(reader.view(ID_LENGTH));
  if (kind !== NAME_ENDPOINT && kind !== NAME_AT_DOOR) return undefined;
  const door = kind === NAME_AT_DOOR ? reader.u8() : 0;
  const endpoint = readEndpoint(reader);
  return endpoint === undefined ? undefined : { endpoint, door };
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
    else if (record.kind === "way") kept.push(wayRecord(record.agent, record.network, record.relay, atS));
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
  if (kind === KIND_BIND) {
    const endpoint = readEndpoint(reader);
    const datagram = reader.rest();
    if (endpoint === undefined || !reader.ok) return undefined;
    return { kind: "bind", atS, from: { endpoint, door: flags }, datagram };
  }
  if (kind === KIND_WAY) return parseWay(reader, atS);
  if (kind !== KIND_FLOW || flags > FLAG_PROVEN) return undefined;
  const receiverIndex = reader.u32();
  const source = readName(reader);
  const destination = readName(reader);
  if (source === undefined || destination === undefined) return undefined;
  return reader.ok && reader.remaining === 0
    ? { kind: "flow", atS, receiverIndex, source, destination, proven: flags === FLAG_PROVEN }
    : undefined;
}

function parseWay(reader: Reader, atS: number): MemoryRecord | undefined {
  const agent = idFromBytes<AgentId>(reader.view(ID_LENGTH));
  const network = idFromBytes<NetworkId>(reader.view(ID_LENGTH));
  const relay = idFromBytes<RelayId>(reader.view(ID_LENGTH));
  if (!reader.ok || reader.remaining !== 0) return undefined;
  return { kind: "way", atS, agent, network, relay };
}
