/** Packets as sockets and devices hand them over. */

/** Packets that came together. The batch and its bytes are the receiver's until its callback returns. */
export interface PacketBatch {
  readonly count: number;
  /** The packet `i`, 0 to count - 1; may be changed in place during the callback. May lie in shared memory. */
  bytes(i: number): Uint8Array;
}
