/** What the paths to a peer are asked for and tell: probes to send, an introduction to ask for, the way of each packet. */
import type { Transaction } from "@burrow/protocol";
import type { PathTarget } from "./path.ts";

export interface PeerPathsSink {
  /** Send a probe of this transaction to the peer by `target`. */
  probe(target: PathTarget, transaction: Transaction, form: ProbeForm): void;
  /** Ask the coordinator to swap candidates and start both sides now. */
  introduce(): void;
  /** The path for data is another one. */
  pathChanged(change: PathChange): void;
  /** Packets went out by `target` and nothing came back. */
  pathDoubted(target: PathTarget): void;
  /** A path just came to life that was not: worth trying a handshake again at once. */
  pathProven(target: PathTarget): void;
  /** The largest packet inside the tunnel that the path in use carries; undefined when it carries all. */
  mtuChanged(mtuBytes: number | undefined): void;
}

/** What a probe is for, beside finding out whether the path works. */
export interface ProbeForm {
  /** It only has to open our own NATs, and dies at this router on its way. Undefined: all the way. */
  readonly ttl?: number | undefined;
  /** It goes by a relay, and tells that probes straight to the peer have begun. */
  readonly hasBegun?: true;
  /** It is padded to this length, and must not be fragmented on the way. */
  readonly lengthBytes?: number;
}

export interface PathChange {
  readonly from: PathTarget | undefined;
  readonly to: PathTarget | undefined;
  readonly reason: string;
}

/** Where a data packet goes: first choice, and a second while the first is in doubt. */
export interface Route {
  readonly primary: PathTarget | undefined;
  readonly also: PathTarget | undefined;
}
