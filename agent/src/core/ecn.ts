/**
 * Explicit congestion notification across the tunnel (RFC 3168 §5, RFC 6040): what the inner header says goes into the
 * outer one when a packet is sealed; what queues on the way wrote there goes into the inner one when it is opened.
 */

/** The two bits of the IP header. */
export const Ecn = { notCapable: 0, capable1: 1, capable0: 2, congested: 3 } as const;

const MASK = 3;
/** IPv4: the low bits of the second byte. IPv6: the traffic class lies across the first two bytes. */
const SERVICE = 1;
const IPV6_SHIFT = 4;
const IPV4_CHECKSUM = 10;

/** Of a packet that has a whole header. */
export function ecnOf(memory: Uint8Array, at: number): number {
  const service = memory[at + SERVICE] ?? 0;
  return ((memory[at] ?? 0) >>> 4 === 6 ? service >>> IPV6_SHIFT : service) & MASK;
}

/**
 * Writes into the inner header what the outer one says beyond it (RFC 6040 §4.2), with IPv4's checksum. A packet that
 * cannot say that there is congestion is passed on as the kernel's WireGuard does, where the RFC would drop it: some
 * networks mark everything.
 */
export function combineEcn(memory: Uint8Array, at: number, outer: number): void {
  const inner = ecnOf(memory, at);
  const isNews = outer === Ecn.congested || (outer === Ecn.capable1 && inner === Ecn.capable0);
  if (!isNews || inner === Ecn.notCapable || inner === outer) return;
  const isV6 = (memory[at] ?? 0) >>> 4 === 6;
  const change = (inner ^ outer) << (isV6 ? IPV6_SHIFT : 0);
  memory[at + SERVICE] = (memory[at + SERVICE] ?? 0) ^ change;
  if (!isV6) adjustChecksum(memory, at + IPV4_CHECKSUM, inner, outer);
}

/** RFC 1624 §3, eqn. 3: a word of the header that had `before` in its low bits has `after` there. */
function adjustChecksum(memory: Uint8Array, field: number, before: number, after: number): void {
  const old = ((memory[field] ?? 0) << 8) | (memory[field + 1] ?? 0);
  let sum = (~old & 0xffff) + (0xffff - before) + after;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  memory[field] = (~sum >>> 8) & 0xff;
  memory[field + 1] = ~sum & 0xff;
}
