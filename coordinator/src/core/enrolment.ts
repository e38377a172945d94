/**
 * Letting agents and relays in. Pure: facts are looked up through an interface, and what is to be written is
 * returned as one value, which a store commits as a whole or not at all.
 */
import {
  type AgentId,
  agentIdOf,
  type Endpoint,
  type KeyText,
  keyFromText,
  type NetworkId,
  overlayAddress4,
  type Place,
  relayIdOf,
} from "@burrow/protocol";
import type { AgentRecord, NetworkRecord, RelayRecord, TokenRecord } from "./records.ts";
import { isRefused, type Refused, refused } from "./refused.ts";
import { judgeToken } from "./tokens.ts";

/** What a hello asks for, its key already proven. */
export interface AgentRequest {
  readonly key: KeyText;
  readonly tokenHash?: string | undefined;
  readonly name?: string | undefined;
  readonly version: string;
}

export interface RelayRequest {
  readonly key: KeyText;
  readonly tokenHash?: string | undefined;
  readonly region: string;
  readonly at?: Place | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly version: string;
  /** 32 fresh random bytes, used if this relay is new. */
  readonly freshTicketKey: Uint8Array;
}

/** What the store knows, as of one moment. */
export interface EnrolmentFacts {
  agentByKey(key: KeyText): AgentRecord | undefined;
  relayByKey(key: KeyText): RelayRecord | undefined;
  token(hash: string): TokenRecord | undefined;
  network(id: NetworkId): NetworkRecord | undefined;
  /** The agent, not revoked, that bears this name. */
  nameOwner(network: NetworkId, name: string): AgentId | undefined;
  /** The lowest index above every one ever given in this network. */
  nextAddressIndex(network: NetworkId): number;
  /** Of the addresses whose agents were all revoked, the one longest free. Asked only when the network is full. */
  freedAddressIndex(network: NetworkId): number | undefined;
}

/** What to write: `record` inserted or replaced, and the token counted up, in one transaction. */
export interface Enrolled<Record_> {
  readonly kind: "enrolled";
  readonly record: Record_;
  /** The key was not known before. */
  readonly isNew: boolean;
  /** Nothing needs to be written when false. */
  readonly changed: boolean;
  readonly usedToken?: string | undefined;
}

export type AgentEnrolment = (Enrolled<AgentRecord> & { readonly network: NetworkRecord }) | Refused;
export type RelayEnrolment = Enrolled<RelayRecord> | Refused;

export function enrolAgent(request: AgentRequest, facts: EnrolmentFacts, now: number): AgentEnrolment {
  const known = facts.agentByKey(request.key);
  return known === undefined ? admitAgent(request, facts, now) : readmitAgent(known, request, facts, now);
}

function admitAgent(request: AgentRequest, facts: EnrolmentFacts, now: number): AgentEnrolment {
  const token = tokenOf(request.tokenHash, facts, "agent", now);
  if (isRefused(token)) return token;
  const network = token.network === undefined ? undefined : facts.network(token.network);
  const key = keyFromText(request.key);
  if (network === undefined || key === undefined) {
    return refused("token-wrong", "The token's network is gone.", "Create a new token.");
  }
  const id = agentIdOf(key);
  const name = request.name ?? freeName(id, (name) => facts.nameOwner(network.id, name) !== undefined);
  const owner = facts.nameOwner(network.id, name);
  if (owner !== undefined) return nameTaken(name, network);
  const addressIndex = freeAddress(network.id, facts);
  if (addressIndex === undefined) {
    return refused(
      "network-full",
      `Network ${network.name} has no IPv4 address left in 100.64.0.0/10.`,
      "Revoke agents that are gone, or use another network: burrow token create --network NAME",
    );
  }
  const record: AgentRecord = {
    id,
    key: request.key,
    network: network.id,
    name,
    addressIndex,
    version: request.version,
    enrolledAtMs: now,
  };
  return { kind: "enrolled", record, network, isNew: true, changed: true, usedToken: token.hash };
}

/** A known key needs no token. A good one for another network is a misunderstanding better told than ignored. */
function readmitAgent(
  known: AgentRecord,
  request: AgentRequest,
  facts: EnrolmentFacts,
  now: number,
): AgentEnrolment {
  if (known.revokedAtMs !== undefined) {
    return refused(
      "revoked",
      "An operator has removed this agent; its key is not accepted any more.",
      "To join again, start with an empty state directory (--state) and a new token.",
    );
  }
  const network = facts.network(known.network);
  if (network === undefined) return refused("revoked", "This agent's network is gone.", "Enrol again.");
  const token = tokenOf(request.tokenHash, facts, "agent", now);
  if (!isRefused(token) && token.network !== known.network) {
    return refused(
      "other-network",
      `This agent belongs to network ${network.name}, and the token is for another one.`,
      "Leave --token out to stay, or join the other network from another state directory (--state).",
    );
  }
  const name = request.name ?? known.name;
  const owner = facts.nameOwner(known.network, name);
  if (owner !== undefined && owner !== known.id) return nameTaken(name, network);
  const changed = name !== known.name || request.version !== known.version;
  const record = changed ? { ...known, name, version: request.version } : known;
  return { kind: "enrolled", record, network, isNew: false, changed };
}

export function enrolRelay(request: RelayRequest, facts: EnrolmentFacts, now: number): RelayEnrolment {
  const { region, at, endpoints, version } = request;
  const known = facts.relayByKey(request.key);
  if (known !== undefined) {
    const record = { ...known, region, at, endpoints, version };
    return { kind: "enrolled", record, isNew: false, changed: !sameRelay(known, record) };
  }
  const token = tokenOf(request.tokenHash, facts, "relay", now);
  if (isRefused(token)) return token;
  const key = keyFromText(request.key);
  if (key === undefined) return refused("key-unknown", "Not a key.", "Start with a new state directory.");
  const record: RelayRecord = {
    id: relayIdOf(key),
    key: request.key,
    ticketKey: request.freshTicketKey,
    region,
    at,
    endpoints,
    version,
    enrolledAtMs: now,
    drainRequested: false,
  };
  return { kind: "enrolled", record, isNew: true, changed: true, usedToken: token.hash };
}

function tokenOf(hash: string | undefined, facts: EnrolmentFacts, kind: "agent" | "relay", now: number) {
  const token = hash === undefined ? undefined : facts.token(hash);
  return judgeToken(hash !== undefined, token, kind, now);
}

function nameTaken(name: string, network: NetworkRecord): Refused {
  return refused(
    "name-taken",
    `Another agent of network ${network.name} is called ${name}.`,
    "Choose another name with --name, or leave it out and be given one.",
  );
}

/** Never reused while there is any address that was never used: stale peers must not reach a stranger. */
function freeAddress(network: NetworkId, facts: EnrolmentFacts): number | undefined {
  const next = facts.nextAddressIndex(network);
  return overlayAddress4(next) === undefined ? facts.freedAddressIndex(network) : next;
}

/** `agent-` and as much of the id as it takes. The whole id is its own, unless somebody chose it as a name. */
export function freeName(id: AgentId, isTaken: (name: string) => boolean): string {
  for (let length = 4; length <= id.length; length += 4) {
    const name = `agent-${id.slice(0, length)}`;
    if (!isTaken(name)) return name;
  }
  for (let n = 2; ; n++) {
    const name = `agent-${id}-${n}`;
    if (!isTaken(name)) return name;
  }
}

function sameRelay(a: RelayRecord, b: RelayRecord): boolean {
  return (
    a.region === b.region &&
    a.version === b.version &&
    a.at?.lat === b.at?.lat &&
    a.at?.lon === b.at?.lon &&
    a.endpoints.join() === b.endpoints.join()
  );
}
