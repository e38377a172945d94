/** The router before this machine, as far as whoever asks it for a port must know it. */

/** Packets for the rest of the world go there first. */
export interface Gateway {
  /** Its IPv4 address. */
  readonly address: string;
  /** Our own address on the link to it. */
  readonly local: string;
}
