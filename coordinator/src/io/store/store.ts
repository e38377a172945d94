/**
 * What the coordinator remembers, behind one small interface. Every implementation passes `store.contract.ts`.
 * All decisions are the core's (core/enrolment.ts): a store looks facts up, and writes what was decided as a whole
 * or not at all. When a promise resolves, the change survives the death of the process.
 *
 * What the mesh must know as well is handed to `committed`, and these are called one by one in the order in which the
 * changes were made: an agent that was let in and then revoked is first let in and then revoked there too. Promises do
 * not keep that order, since what waits for one of them may wait for others before.
 *
 *     const store = openSqliteStore("state/coordinator.db");
 *     await store.createToken({ hash, kind: "agent", networkName: "default", ... }, now);
 *     const outcome = await store.enrolAgent({ key, tokenHash: hash, version }, now);
 *     if (outcome.kind === "refused") tell(outcome.code, outcome.message, outcome.remedy);
 */
import type { AgentId, NetworkId, RelayId } from "@burrow/protocol";
import type { AgentEnrolment, AgentRequest, RelayEnrolment, RelayRequest } from "../../core/enrolment.ts";
import type {
  AgentHome,
  AgentRecord,
  AgentSeen,
  NetworkRecord,
  RelayRecord,
  RelayWishes,
  TokenKind,
  TokenRecord,
} from "../../core/records.ts";

export interface NewToken {
  readonly hash: string;
  readonly kind: TokenKind;
  /** Made if there is none of that name. Absent for relays that serve all networks. */
  readonly networkName?: string | undefined;
  /** 8 fresh random bytes in hex, used if the network is made. */
  readonly freshNetworkId: NetworkId;
  readonly usesMax: number;
  readonly expiresAtMs: number;
}

export interface Snapshot {
  /** Revoked ones included. */
  readonly agents: readonly AgentRecord[];
  readonly relays: readonly RelayRecord[];
  readonly networks: readonly NetworkRecord[];
}

/** What storage underneath refused: a full disk, a lost file, a lock that another process keeps. Nothing was written. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

/** Called with what a change came to, once that is certain to last, before anybody hears of any later change. */
export type Committed<Outcome> = (outcome: Outcome) => void;

export interface Store {
  /** For people: `sqlite`. */
  readonly kind: string;
  load(): Promise<Snapshot>;
  createToken(
    token: NewToken,
    now: number,
  ): Promise<{ readonly token: TokenRecord; readonly network: NetworkRecord | undefined }>;
  /** All that were made and not removed, used up and expired ones too. */
  tokens(): Promise<readonly TokenRecord[]>;
  /** Lets nobody in any more. Undefined when there is no such token. */
  removeToken(hash: string): Promise<TokenRecord | undefined>;
  enrolAgent(
    request: AgentRequest,
    now: number,
    committed?: Committed<AgentEnrolment>,
  ): Promise<AgentEnrolment>;
  enrolRelay(
    request: RelayRequest,
    now: number,
    committed?: Committed<RelayEnrolment>,
  ): Promise<RelayEnrolment>;
  /** Undefined when there is no such agent. Revoking twice changes nothing. */
  revokeAgent(
    id: AgentId,
    now: number,
    committed?: Committed<AgentRecord | undefined>,
  ): Promise<AgentRecord | undefined>;
  /** Undefined when there is no such relay. */
  requestDrain(
    id: RelayId,
    draining: boolean,
    committed?: Committed<RelayRecord | undefined>,
  ): Promise<RelayRecord | undefined>;
  /** Undefined when there is no such relay. */
  saveRelayWishes(
    id: RelayId,
    wishes: RelayWishes,
    committed?: Committed<RelayRecord | undefined>,
  ): Promise<RelayRecord | undefined>;
  /** Forgets it: its key needs a token again. Undefined when there is no such relay. */
  removeRelay(id: RelayId, committed?: Committed<RelayRecord | undefined>): Promise<RelayRecord | undefined>;
  /** May be lost when the machine (not the process) dies: agents say it again. */
  saveHomes(homes: readonly AgentHome[]): Promise<void>;
  saveSeen(seen: readonly AgentSeen[]): Promise<void>;
  saveRelayDown(id: RelayId, downSinceMs: number | undefined): Promise<void>;
  /** Resolves when the store can be written to. */
  check(): Promise<void>;
  close(): Promise<void>;
}
