/**
 * What rtnetlink(7) says unasked: that links, addresses or routes changed. Only the kind of each message is read; what
 * is true now is looked up afterwards, which also mends whatever the kernel had no room to tell.
 *
 *     0       4      6      8          12        16
 *   +--------+------+------+----------+---------+ - - - - - +
 *   | length | type | flags| sequence | port id | payload   |   struct nlmsghdr, aligned to 4, in the host's order
 *   +--------+------+------+----------+---------+ - - - - - +
 */
const HEADER_LENGTH = 16;

/** linux/rtnetlink.h. */
const KINDS: Readonly<Record<number, NetworkChange>> = {
  16: "link",
  17: "link",
  20: "address",
  21: "address",
  24: "route",
  25: "route",
};

export type NetworkChange = "link" | "address" | "route";

/** Which kinds of change a datagram tells of. Any bytes: a header that is cut off or of another kind says nothing. */
export function networkChanges(datagram: Uint8Array): ReadonlySet<NetworkChange> {
  const found = new Set<NetworkChange>();
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 0; at + HEADER_LENGTH <= datagram.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER_LENGTH) break;
    const kind = KINDS[view.getUint16(at + 4, true)];
    if (kind !== undefined) found.add(kind);
    // The reader had no room for the rest, or the length lies.
    if (length > datagram.length - at) break;
    at += (length + 3) & ~3;
  }
  return found;
}
