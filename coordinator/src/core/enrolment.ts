/**
 * Letting agents and relays in. Pure: facts are looked up through an interface, and what is to be written is
 * returned as one value, which a store commits as a whole or not at all.
 */
import {
  type AgentId,
  agentIdOf,
  type Endpoint,
  invariant,
  type KeyText,
  keyFromText,
  type NetworkId,
  overlayAddress4,
  type Place,
  type RelayId,
  relayIdOf,
  type WebsocketDoor,
} from "@burrow/protocol";
import type { AgentRecord, NetworkRecord, RelayRecord, TokenKind, TokenRecord } from "./records.ts";
import { isRefused, type Refused, refused } from "./refused.ts";
import { judgeToken } from "./tokens.ts";

/** RFC 1035 §2.3.4. */
const LABEL_LENGTH_MAX = 63;
/** So many of one name are told apart by number. Of clones there may be thousands, and each number tried is a query. */
const NUMBERED_MAX = 5;

/** What a hello asks for, its key already proven. */
export interface AgentRequest {
  readonly key: KeyText;
  readonly tokenHash?: string | undefined;
  /** Demanded: refused if it is taken. */
  readonly name?: string | undefined;
  /** For a new agent without a demand: this name, or one like it that is free. */
  readonly nameHint?: string | undefined;
  readonly version: string;
}

export interface RelayRequest {
  readonly key: KeyText;
  readonly tokenHash?: string | undefined;
  readonly region: string;
  readonly at?: Place | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly websocket?: WebsocketDoor | undefined;
  readonly version: string;
  /** 32 fresh random bytes, used if this relay is new. */
  readonly freshTicketKey: Uint8Array;
}

/** What the store knows, as of one moment. */
export interface EnrolmentFacts {
  agent(id: AgentId): AgentRecord | undefined;
  relay(id: RelayId): RelayRecord | undefined;
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
  const key = keyFromText(request.key);
  invariant(key !== undefined, "a key that was proven is no key");
  const id = agentIdOf(key);
  const known = facts.agent(id);
  if (known === undefined) return admitAgent(id, request, facts, now);
  return known.key === request.key ? readmitAgent(known, request, facts, now) : idTaken("agent");
}

function admitAgent(id: AgentId, request: AgentRequest, facts: EnrolmentFacts, now: number): AgentEnrolment {
  const token = tokenOf(request.tokenHash, facts, "agent", now);
  if (isRefused(token)) return token;
  const network = token.network === undefined ? undefined : facts.network(token.network);
  invariant(network !== undefined, "an agent's token has no network");
  const isTaken = (name: string) => facts.nameOwner(network.id, name) !== undefined;
  const { nameHint } = request;
  const name =
    request.name ?? (nameHint === undefined ? freeName(id, isTaken) : freeNameLike(nameHint, id, isTaken));
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
  invariant(network !== undefined, "an agent has no network");
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
  const { region, at, endpoints, websocket, version } = request;
  const key = keyFromText(request.key);
  invariant(key !== undefined, "a key that was proven is no key");
  const id = relayIdOf(key);
  const known = facts.relay(id);
  if (known !== undefined) {
    if (known.key !== request.key) return idTaken("relay");
    const record = { ...known, region, at, endpoints, websocket, version };
    return { kind: "enrolled", record, isNew: false, changed: !sameRelay(known, record) };
  }
  const token = tokenOf(request.tokenHash, facts, "relay", now);
  if (isRefused(token)) return token;
  const record: RelayRecord = {
    id,
    key: request.key,
    ticketKey: request.freshTicketKey,
    region,
    at,
    endpoints,
    websocket,
    version,
    enrolledAtMs: now,
    network: token.network,
    drainRequested: false,
  };
  return { kind: "enrolled", record, isNew: true, changed: true, usedToken: token.hash };
}

function tokenOf(hash: string | undefined, facts: EnrolmentFacts, kind: TokenKind, now: number) {
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

/** Ids are 64 bits of a hash: two keys with one id can be searched for, and must not step into each other's place. */
function idTaken(kind: TokenKind): Refused {
  return refused(
    "id-taken",
    `Another ${kind}'s key has the same id.`,
    "Start with an empty state directory (--state): a new key is made.",
  );
}

/** Never reused while there is any address that was never used: stale peers must not reach a stranger. */
function freeAddress(network: NetworkId, facts: EnrolmentFacts): number | undefined {
  const next = facts.nextAddressIndex(network);
  return overlayAddress4(next) === undefined ? facts.freedAddressIndex(network) : next;
}

/** `agent-` and as much of the id as it takes. The whole id is its own, unless somebody chose it as a name. */
export function freeName(id: AgentId, isTaken: (name: string) => boolean): string {
  return nameByIdOf("agent", id, isTaken);
}

/** The name itself, or with -2 to -5 behind it, or with as much of the id as it takes. */
export function freeNameLike(wish: string, id: AgentId, isTaken: (name: string) => boolean): string {
  if (!isTaken(wish)) return wish;
  for (let n = 2; n <= NUMBERED_MAX; n++) {
    const name = labelOf(wish, `-${n}`);
    if (!isTaken(name)) return name;
  }
  return nameByIdOf(wish, id, isTaken);
}

function nameByIdOf(stem: string, id: AgentId, isTaken: (name: string) => boolean): string {
  for (let length = 4; length <= id.length; length += 4) {
    const name = labelOf(stem, `-${id.slice(0, length)}`);
    if (!isTaken(name)) return name;
  }
  for (let n = 2; ; n++) {
    const name = labelOf(stem, `-${id}-${n}`);
    if (!isTaken(name)) return name;
  }
}

/** Still a label of 63 characters at most. */
function labelOf(stem: string, suffix: string): string {
  return `${stem.slice(0, LABEL_LENGTH_MAX - suffix.length).replace(/-+$/, "")}${suffix}`;
}

function sameRelay(a: RelayRecord, b: RelayRecord): boolean {
  return (
    a.region === b.region &&
    a.version === b.version &&
    a.at?.lat === b.at?.lat &&
    a.at?.lon === b.at?.lon &&
    a.endpoints.join() === b.endpoints.join() &&
    a.websocket?.url === b.websocket?.url &&
    a.websocket?.certificate === b.websocket?.certificate
  );
}
