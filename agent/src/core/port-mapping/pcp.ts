/**
 * The Port Control Protocol, as far as one mapping takes (RFC 6887 §7, §11). Big-endian.
 *
 *              0          1          2          3
 *   request  0 | version 2| opcode 1 | zero     | zero     |
 *            4 | lifetime in seconds; 0 gives back         |
 *            8 | our address, 16 bytes ...                 |
 *   answer   0 | version 2| 0x81     | zero     | result   |
 *            4 | lifetime in seconds; of an error: pause   |
 *            8 | epoch: seconds since it lost its mappings |
 *           12 | zero, 12 bytes                            |
 *   both    24 | nonce, 12 bytes: who may renew            |
 *           36 | protocol | zero, 3 bytes                  |
 *           40 | inside port         | outside port        |
 *           44 | outside address, 16 bytes; zeros: any     |
 */
import { type Endpoint, parseAddress, parseEndpoint } from "@burrow/protocol";

export const PCP_NONCE_LENGTH = 12;

const VERSION = 2;
const OPCODE_MAP = 1;
const RESPONSE = 0x80;
const HEADER_LENGTH = 24;
const NONCE_AT = 24;
const MAP_LENGTH = 60;
/** §7: the longest there is. */
const LENGTH_MAX = 1_100;
const UDP = 17;

/** §7.4, in words that say whether there is something to mend. */
const RESULTS: Readonly<Record<number, string>> = {
  1: "it speaks another version",
  2: "it does not allow it, or another program has this port",
  3: "it calls our question malformed",
  4: "it cannot map ports",
  5: "it does not know an option",
  6: "an option was malformed",
  7: "its own network is down",
  8: "it has no ports left",
  9: "it does not map UDP",
  10: "we have too many mappings",
  11: "the port is taken",
  12: "another router stands between us",
  13: "too many remote peers",
};

export interface PcpQuestion {
  /** Our own IPv4 address, from which the question is sent. */
  readonly local: string;
  readonly port: number;
  /** A wish. */
  readonly outsidePort: number;
  readonly nonce: Uint8Array;
  readonly lifetimeS: number;
}

export type PcpAnswer =
  /** `outside` is undefined where the router has no outer address that can be one. */
  | { readonly kind: "mapping"; readonly outside: Endpoint | undefined; readonly lifetimeS: number }
  | { readonly kind: "refused"; readonly why: string };

export function encodePcp({ local, port, outsidePort, nonce, lifetimeS }: PcpQuestion): Uint8Array {
  const bytes = new Uint8Array(MAP_LENGTH);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = OPCODE_MAP;
  view.setUint32(4, lifetimeS);
  bytes.set(mapped(local), 8);
  bytes.set(nonce, NONCE_AT);
  bytes[36] = UDP;
  view.setUint16(40, port);
  view.setUint16(42, outsidePort);
  // "Any address" of IPv4 (§5): with sixteen zeros the router may think of IPv6.
  bytes.set(mapped("0.0.0.0"), 44);
  return bytes;
}

/** What a router's datagram says to our question; undefined if it is no answer to that. Any bytes from anyone. */
export function parsePcp(datagram: Uint8Array, question: PcpQuestion): PcpAnswer | undefined {
  const { length } = datagram;
  if (length < HEADER_LENGTH || length > LENGTH_MAX || length % 4 !== 0) return undefined;
  if (datagram[0] !== VERSION || datagram[1] !== (OPCODE_MAP | RESPONSE)) return undefined;
  const view = new DataView(datagram.buffer, datagram.byteOffset, length);
  const result = datagram[3] ?? 0;
  const isWhole = length >= MAP_LENGTH;
  // A router that does not understand the question may answer with a header alone; all else bears our nonce.
  if (isWhole ? !repeats(view, datagram, question) : result === 0) return undefined;
  if (result !== 0) return { kind: "refused", why: RESULTS[result] ?? `it answers with code ${result}` };
  const outside = endpointAt(datagram.subarray(44, 60), view.getUint16(42));
  return { kind: "mapping", outside, lifetimeS: view.getUint32(4) };
}

function repeats(view: DataView, datagram: Uint8Array, { nonce, port }: PcpQuestion): boolean {
  const isOurs = nonce.every((byte, i) => byte === datagram[NONCE_AT + i]);
  return isOurs && datagram[36] === UDP && view.getUint16(40) === port;
}

function endpointAt(address: Uint8Array, port: number): Endpoint | undefined {
  const groups = Array.from({ length: 8 }, (_, i) => {
    return (((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0)).toString(16);
  });
  const text = parseAddress(groups.join(":"));
  if (text === undefined) return undefined;
  return parseEndpoint(text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`);
}

/** ::ffff:a.b.c.d, RFC 4291 §2.5.5.2. */
function mapped(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff, ...address.split(".").map(Number)], 10);
  return bytes;
}
