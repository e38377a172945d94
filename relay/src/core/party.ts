/**
 * One party: what is known of an agent or an outside client beside the numbers that the packet path reads (parties.ts).
 * Whom it talks to and which Binds it has sent are kept short here, so that nobody's party grows without a bound.
 */
import type {
  AgentId,
  IdWords,
  Mac1,
  NetworkId,
  PublicKey,
  RelayId,
  SymmetricKey,
  TokenBucket,
} from "@burrow/protocol";
import { PARTNERS_MAX, SESSIONS_REMEMBERED_MAX } from "./limits.ts";

/** One session key of an agent, and the sequence of the last Bind taken under it. */
interface SeenSession {
  readonly key: SymmetricKey;
  sequence: number;
}

/** Budgets of one agent, made when it first binds. */
export interface PartyBudgets {
  /** Binds with a right cookie; and what is opened for its address though there is little time for strangers. */
  readonly binds: TokenBucket;
  readonly tries: TokenBucket;
  readonly handshakes: TokenBucket;
  readonly checks: TokenBucket;
}

export interface Party {
  readonly slot: number;
  readonly serial: number;
  /** Undefined for outside clients. */
  readonly id: AgentId | undefined;
  /** The id as trunk packets have it. */
  readonly words: IdWords | undefined;
  readonly network: NetworkId;
  /** Place among the members of its network. */
  memberIndex: number;
  key: PublicKey | undefined;
  /** Made from `key` when first needed. */
  mac1: Mac1 | undefined;
  acceptsOutside: boolean;
  /** By which relay it is reached: as the trunk taught lately, else as the coordinator pushed. */
  relay: RelayId | undefined;
  /** As the coordinator pushed it; set and cleared by the router alone. */
  pushedRelay: RelayId | undefined;
  pushedLink: number;
  /** Until then the trunk's lesson stands; 0 when `relay` is no lesson. */
  learnedUntil: number;
  /** Who brought it in by the trunk, as long as nobody else spoke of it: one of that relay's `taughtPerRelayMax`. */
  taughtBy: RelayId | undefined;
  /** When other threads were last told of its way back. */
  toldAt: number;
  /** Slots and serials of whom it last exchanged handshakes or probes with, latest first. */
  readonly partners: { slot: number; serial: number }[];
  readonly sessions: SeenSession[];
  /** Receiver indices that it declared for agents not met yet. */
  pendingFlows: Map<number, AgentId> | undefined;
  budgets: PartyBudgets | undefined;
  /** The era of the relay's memory in which its binding was last written down. */
  rememberedIn: number;
  /** Where the search through its network goes on when the budget ended the last one. */
  searchFrom: number;
}

/** Remembers, for both, that they talk to each other. */
export function acquaint(a: Party, b: Party): void {
  remember(a, b);
  remember(b, a);
}

/** The sequence of the last Bind under this session key, or -1. */
export function lastSequence(party: Party, key: SymmetricKey): number {
  return party.sessions.find((session) => sameKey(session.key, key))?.sequence ?? -1;
}

export function setSequence(party: Party, key: SymmetricKey, sequence: number): void {
  const known = party.sessions.findIndex((session) => sameKey(session.key, key));
  if (known !== -1) party.sessions.splice(known, 1);
  party.sessions.unshift({ key, sequence });
  party.sessions.length = Math.min(party.sessions.length, SESSIONS_REMEMBERED_MAX);
}

function remember(whose: Party, partner: Party): void {
  const { partners } = whose;
  if (partners[0]?.serial === partner.serial) return;
  const known = partners.findIndex((entry) => entry.serial === partner.serial);
  if (known !== -1) partners.splice(known, 1);
  partners.unshift({ slot: partner.slot, serial: partner.serial });
  partners.length = Math.min(partners.length, PARTNERS_MAX);
}

function sameKey(a: SymmetricKey, b: SymmetricKey): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}
