/**
 * NAT-PMP (RFC 6886): PCP's elder, which many routers still speak alone. Big-endian. The outside address is asked for
 * on its own.
 *
 *                     0          1          2          3
 *   ask address     0 | version 0| opcode 0 |
 *     answer        0 | version 0| 0x80     | result              |
 *                   4 | epoch     8 | outside IPv4 address        |
 *   ask mapping     0 | version 0| opcode 1 | zero                |
 *                   4 | inside port         | outside port wished |
 *                   8 | lifetime in seconds; 0 gives back         |
 *     answer        0 | version 0| 0x81     | result              |
 *                   4 | epoch     8 | inside port   10 | outside  |
 *                  12 | lifetime in seconds                       |
 */

const VERSION = 0;
const OPCODE_ADDRESS = 0;
const OPCODE_MAP_UDP = 1;
const RESPONSE = 0x80;
const HEADER_LENGTH = 8;
const ADDRESS_ANSWER_LENGTH = 12;
const MAP_ANSWER_LENGTH = 16;

/** §3.5. */
export const NAT_PMP_UNSUPPORTED_VERSION = 1;
const RESULTS: Readonly<Record<number, string>> = {
  [NAT_PMP_UNSUPPORTED_VERSION]: "it speaks another version",
  2: "it does not allow it",
  3: "its own network is down",
  4: "it has no ports left",
  5: "it cannot map ports",
};

export interface NatPmpQuestion {
  readonly port: number;
  /** A wish. */
  readonly outsidePort: number;
  readonly lifetimeS: number;
}

export type NatPmpAnswer =
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "mapping"; readonly outsidePort: number; readonly lifetimeS: number }
  | { readonly kind: "refused"; readonly code: number; readonly why: string };

export function encodeAddressQuestion(): Uint8Array {
  return Uint8Array.of(VERSION, OPCODE_ADDRESS);
}

export function encodeNatPmp({ port, outsidePort, lifetimeS }: NatPmpQuestion): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = OPCODE_MAP_UDP;
  view.setUint16(4, port);
  view.setUint16(6, lifetimeS === 0 ? 0 : outsidePort);
  view.setUint32(8, lifetimeS);
  return bytes;
}

/**
 * What a router's datagram says to our questions; undefined if it is no answer to them. Nothing in it ties it to a
 * question but the port: the sender's address must be the router's. A PCP question is answered like this, too, by
 * routers that know NAT-PMP alone (RFC 6887, appendix A): `refused`, for its version.
 */
export function parseNatPmp(datagram: Uint8Array, port: number): NatPmpAnswer | undefined {
  const { length } = datagram;
  const [version, opcode = 0] = datagram;
  if (length < HEADER_LENGTH || version !== VERSION || (opcode & RESPONSE) === 0) return undefined;
  const view = new DataView(datagram.buffer, datagram.byteOffset, length);
  const result = view.getUint16(2);
  if (result !== 0) {
    return { kind: "refused", code: result, why: RESULTS[result] ?? `it answers with code ${result}` };
  }
  if (opcode === (OPCODE_ADDRESS | RESPONSE) && length >= ADDRESS_ANSWER_LENGTH) {
    return { kind: "address", address: datagram.slice(8, 12).join(".") };
  }
  if (opcode !== (OPCODE_MAP_UDP | RESPONSE) || length < MAP_ANSWER_LENGTH) return undefined;
  if (view.getUint16(8) !== port) return undefined;
  return { kind: "mapping", outsidePort: view.getUint16(10), lifetimeS: view.getUint32(12) };
}
