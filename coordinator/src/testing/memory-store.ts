/** A store that forgets everything when the process ends: for tests and simulations of many agents. */
import type { AgentId, NetworkId, RelayId } from "@burrow/protocol";
import { type EnrolmentFacts, enrolAgent, enrolRelay } from "../core/enrolment.ts";
import type { AgentRecord, NetworkRecord, RelayRecord, TokenRecord } from "../core/records.ts";
import type { Committed, Store } from "../io/store/store.ts";

/** A change is made and lasts at once. */
function done<T>(outcome: T, committed: Committed<T> | undefined): T {
  committed?.(outcome);
  return outcome;
}

export function openMemoryStore(): Store {
  const networks = new Map<NetworkId, NetworkRecord>();
  const agents = new Map<AgentId, AgentRecord>();
  const relays = new Map<RelayId, RelayRecord>();
  const tokens = new Map<string, TokenRecord>();
  const names = new Map<string, AgentId>();
  const nextAddress = new Map<NetworkId, number>();
  const nameKey = (network: NetworkId, name: string) => `${network} ${name}`;

  const facts: EnrolmentFacts = {
    agent: (id) => agents.get(id),
    relay: (id) => relays.get(id),
    token: (hash) => tokens.get(hash),
    network: (id) => networks.get(id),
    nameOwner: (network, name) => names.get(nameKey(network, name)),
    nextAddressIndex: (network) => nextAddress.get(network) ?? 1,
    freedAddressIndex: (network) => {
      const members = [...agents.values()].filter((agent) => agent.network === network);
      const taken = new Set(members.filter(isLive).map(({ addressIndex }) => addressIndex));
      const free = members.filter(({ addressIndex }) => !taken.has(addressIndex));
      free.sort((a, b) => (a.revokedAtMs ?? 0) - (b.revokedAtMs ?? 0));
      return free[0]?.addressIndex;
    },
  };

  function countUse(hash: string | undefined): void {
    const token = hash === undefined ? undefined : tokens.get(hash);
    if (token !== undefined) tokens.set(token.hash, { ...token, uses: token.uses + 1 });
  }

  function putAgent(record: AgentRecord): void {
    const before = agents.get(record.id);
    if (before !== undefined) names.delete(nameKey(before.network, before.name));
    agents.set(record.id, record);
    if (isLive(record)) names.set(nameKey(record.network, record.name), record.id);
    const next = Math.max(nextAddress.get(record.network) ?? 1, record.addressIndex + 1);
    nextAddress.set(record.network, next);
  }

  return {
    kind: "memory",
    load: async () => ({
      agents: [...agents.values()],
      relays: [...relays.values()],
      networks: [...networks.values()],
    }),
    createToken: async (token, now) => {
      const { networkName, freshNetworkId } = token;
      const network =
        networkName === undefined ? undefined : networkFor(networkName, freshNetworkId, networks, now);
      if (network !== undefined) networks.set(network.id, network);
      const { hash, kind, usesMax, expiresAtMs } = token;
      const record = { hash, kind, network: network?.id, usesMax, uses: 0, expiresAtMs, createdAtMs: now };
      tokens.set(hash, record);
      return { token: record, network };
    },
    tokens: async () => [...tokens.values()],
    removeToken: async (hash) => {
      const token = tokens.get(hash);
      tokens.delete(hash);
      return token;
    },
    enrolAgent: async (request, now, committed) => {
      const outcome = enrolAgent(request, facts, now);
      if (outcome.kind === "enrolled" && outcome.changed) {
        putAgent(outcome.record);
        countUse(outcome.usedToken);
      }
      return done(outcome, committed);
    },
    enrolRelay: async (request, now, committed) => {
      const outcome = enrolRelay(request, facts, now);
      if (outcome.kind === "enrolled" && outcome.changed) {
        relays.set(outcome.record.id, outcome.record);
        countUse(outcome.usedToken);
      }
      return done(outcome, committed);
    },
    revokeAgent: async (id, now, committed) => {
      const agent = agents.get(id);
      if (agent === undefined || !isLive(agent)) return done(agent, committed);
      const revoked = { ...agent, revokedAtMs: now };
      putAgent(revoked);
      return done(revoked, committed);
    },
    requestDrain: async (id, draining, committed) => {
      const relay = relays.get(id);
      if (relay === undefined) return done(undefined, committed);
      const changed = { ...relay, drainRequested: draining };
      relays.set(id, changed);
      return done<RelayRecord>(changed, committed);
    },
    saveRelayWishes: async (id, { weightMs, avoid }, committed) => {
      const relay = relays.get(id);
      if (relay === undefined) return done(undefined, committed);
      const changed = {
        ...relay,
        weightMs: (weightMs ?? relay.weightMs) || undefined,
        avoid: (avoid ?? relay.avoid) || undefined,
      };
      relays.set(id, changed);
      return done<RelayRecord>(changed, committed);
    },
    removeRelay: async (id, committed) => {
      const relay = relays.get(id);
      relays.delete(id);
      return done(relay, committed);
    },
    saveHomes: async (homes) => {
      for (const { agent: id, home, standby } of homes) {
        const agent = agents.get(id);
        if (agent !== undefined) agents.set(id, { ...agent, home, standby });
      }
    },
    saveSeen: async (seen) => {
      for (const { agent: id, lastSeenMs } of seen) {
        const agent = agents.get(id);
        if (agent !== undefined) agents.set(id, { ...agent, lastSeenMs });
      }
    },
    saveRelayDown: async (id, downSinceMs) => {
      const relay = relays.get(id);
      if (relay !== undefined) relays.set(id, { ...relay, downSinceMs });
    },
    check: async () => {},
    close: async () => {},
  };
}

function isLive(agent: AgentRecord): boolean {
  return agent.revokedAtMs === undefined;
}

function networkFor(
  networkName: string,
  freshNetworkId: NetworkId,
  networks: ReadonlyMap<NetworkId, NetworkRecord>,
  now: number,
): NetworkRecord {
  for (const network of networks.values()) if (network.name === networkName) return network;
  return { id: freshNetworkId, name: networkName, createdAtMs: now };
}
