/** The few fields of IPv4 (RFC 791) and IPv6 (RFC 8200) headers that a tunnel looks at. */

export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;
export const IPV6_SOURCE = 8;
export const IPV6_DESTINATION = 24;

const IPV4_HEADER_LENGTH = 20;
const IPV6_HEADER_LENGTH = 40;

/** 4 or 6 when a whole header of that version lies at `at`, otherwise 0. */
export function ipVersion(bytes: Uint8Array, at: number, length: number): 4 | 6 | 0 {
  const version = (bytes[at] ?? 0) >>> 4;
  if (version === 4 && length >= IPV4_HEADER_LENGTH) return 4;
  return version === 6 && length >= IPV6_HEADER_LENGTH ? 6 : 0;
}

/** The packet's length as its header has it, which padding may follow. 0 when it does not fit into `length`. */
export function ipLength(bytes: Uint8Array, at: number, version: 4 | 6, length: number): number {
  if (version === 4) {
    const total = u16(bytes, at + 2);
    return total >= IPV4_HEADER_LENGTH && total <= length ? total : 0;
  }
  const total = IPV6_HEADER_LENGTH + u16(bytes, at + 4);
  return total <= length ? total : 0;
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
