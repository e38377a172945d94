/** What the forwarder wants of whoever runs it. */
import type { Agreement, Bytes, Sealer, TrunkMacOf } from "@burrow/protocol";
import type { Addresses } from "./addresses.ts";
import type { Limits, RateClass } from "./limits.ts";
import type { LinkIdentity } from "./links.ts";

export interface ForwarderSink {
  /** Sends bytes that are valid during the call only. False when the kernel or the queue would not have them. */
  send(bytes: Bytes, to: number): boolean;
  /** Something an operator may want in the log. Never called for every packet. */
  event(event: ForwarderEvent): void;
  /**
   * Something that other threads should know, as a record for `recall` (memory.ts), and if it `isNew` another life of
   * this process too: ways back, which the trunk teaches anew, and keep-alives are not. The bytes are the sink's.
   */
  learned?(record: Bytes, isNew: boolean): void;
}

export interface ForwarderEvent {
  readonly kind: "bound" | "moved" | "unbound";
  readonly party: string;
  readonly reason: string;
}

export interface ForwarderOptions {
  readonly identity: LinkIdentity;
  readonly addresses: Addresses;
  readonly sink: ForwarderSink;
  readonly sealer: Sealer;
  readonly agreement: Agreement;
  readonly trunkMac: TrunkMacOf;
  readonly random: (length: number) => Bytes;
  readonly limits?: Limits;
  readonly rateClasses?: readonly RateClass[];
  /** Counts trunk packets to all relays, where several threads share one boot; default: each link on its own. */
  readonly nextTrunkCounter?: () => number;
  /** Of several threads one measures the other relays: that which hears their answers. Default true. */
  readonly soundsRelays?: boolean;
}
