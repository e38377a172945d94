/** Why a relay drops a packet: one closed list, each counted on its own and shown in /metrics under this name. */

export const DropReason = {
  /** First bytes that are neither WireGuard's nor ours, or an answer that no relay expects. */
  unknownType: "unknown-type",
  malformed: "malformed",
  unboundSource: "unbound-source",
  /** Nobody taught the relay whose this receiver index is. */
  unknownFlow: "unknown-flow",
  /** The destination is known, but neither bound here nor routed. */
  destinationAway: "destination-away",
  rateLimited: "rate-limited",
  handshakeBudget: "handshake-budget",
  handshakeForNobody: "handshake-for-nobody",
  probeSenderMismatch: "probe-sender-mismatch",
  probeReceiverUnknown: "probe-receiver-unknown",
  otherNetwork: "other-network",
  outsideBudget: "outside-budget",
  outsideForNobody: "outside-for-nobody",
  bindBudget: "bind-budget",
  ticketRefused: "ticket-refused",
  bindForged: "bind-forged",
  bindReplayed: "bind-replayed",
  trunkUnknownRelay: "trunk-unknown-relay",
  trunkBudget: "trunk-budget",
  trunkForged: "trunk-forged",
  trunkOldBoot: "trunk-old-boot",
  trunkReplayed: "trunk-replayed",
  trunkDestinationAway: "trunk-destination-away",
  /** A network's own relay spoke for agents of another. */
  trunkOtherNetwork: "trunk-other-network",
  /** One relay brought more agents that nobody else knows than it may. */
  trunkTooManyAgents: "trunk-too-many-agents",
  /** An answer to no ping of ours, or one that came too late. */
  trunkPongUnasked: "trunk-pong-unasked",
  /** The other relay's address is not known, or none of its address families is ours. */
  trunkUnreachable: "trunk-unreachable",
  /** The way out was full, and this packet's pair had the longest queue; counted by the shell. */
  wayOutFull: "way-out-full",
  /** The kernel did not take the packet; counted by the shell. */
  sendFailed: "send-failed",
} as const;
export type DropReason = (typeof DropReason)[keyof typeof DropReason];

export const DROP_REASONS: readonly DropReason[] = Object.values(DropReason);

const CODES = new Map<DropReason, number>(DROP_REASONS.map((reason, index) => [reason, index]));

/** Drops by reason. Counting allocates nothing. */
export class DropCounters {
  readonly #counts = new Float64Array(DROP_REASONS.length);

  count(reason: DropReason, packets = 1): void {
    const code = CODES.get(reason) ?? 0;
    this.#counts[code] = (this.#counts[code] ?? 0) + packets;
  }

  of(reason: DropReason): number {
    return this.#counts[CODES.get(reason) ?? 0] ?? 0;
  }

  /** All reasons, those never met included, so that a metric exists before it is first needed. */
  snapshot(): Record<DropReason, number> {
    return Object.fromEntries(DROP_REASONS.map((reason) => [reason, this.of(reason)])) as Record<
      DropReason,
      number
    >;
  }
}
