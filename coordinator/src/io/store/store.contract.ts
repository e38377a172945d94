/** What every store must do. Each implementation's test calls this with a way to open one, and to open it again. */
import { describe, expect, test } from "bun:test";
import { agentIdOf, endpoint, type KeyText, keyToText, type NetworkId, relayIdOf } from "@burrow/protocol";
import type { AgentRecord } from "../../core/records.ts";
import { keyOf } from "../../testing/mesh.ts";
import type { NewToken, Store } from "./store.ts";

export interface StoreUnderTest {
  readonly store: Store;
  /** The same store after a restart; undefined for one that forgets. */
  readonly reopen?: () => Promise<Store>;
  readonly end: () => Promise<void>;
}

const NOW = 1_000_000;
const HASH = "aa".repeat(32);

function token(more: Partial<NewToken> = {}): NewToken {
  return {
    hash: HASH,
    kind: "agent",
    networkName: "default",
    freshNetworkId: "0000000000000001" as NetworkId,
    usesMax: 2,
    expiresAtMs: NOW + 1000,
    ...more,
  };
}

function agent(n: number, more: { tokenHash?: string | undefined; name?: string; key?: KeyText } = {}) {
  return { key: keyToText(keyOf(n)), tokenHash: HASH, version: "1", ...more };
}

function relay(n: number, more: { tokenHash?: string | undefined; region?: string } = {}) {
  return {
    key: keyToText(keyOf(n)),
    tokenHash: HASH,
    region: "r",
    at: { lat: 1, lon: 2 },
    endpoints: [endpoint("192.0.2.1", 21820), endpoint("2001:db8::1", 443)],
    version: "1",
    freshTicketKey: keyOf(1000 + n),
    ...more,
  };
}

async function enrolled(store: Store, n: number, more = {}, now = NOW): Promise<AgentRecord> {
  const outcome = await store.enrolAgent(agent(n, more), now);
  if (outcome.kind === "refused") throw new Error(outcome.code);
  return outcome.record;
}

async function refusal(store: Store, n: number, more = {}, now = NOW): Promise<string> {
  const outcome = await store.enrolAgent(agent(n, more), now);
  return outcome.kind === "refused" ? outcome.code : "let in";
}

export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  const withStore = (run: (store: Store, under: StoreUnderTest) => Promise<void>) => async () => {
    const under = await open();
    try {
      await run(under.store, under);
    } finally {
      await under.end();
    }
  };

  describe(`${name}: enrolment`, () => {
    test(
      "a token lets in as many keys as it has uses, and known keys need none",
      withStore(async (store) => {
        await store.createToken(token(), NOW);
        const first = await enrolled(store, 1);
        expect(first).toMatchObject({ id: agentIdOf(keyOf(1)), addressIndex: 1, enrolledAtMs: NOW });
        // The same key again, as after a crash between commit and answer: the same agent, and no use gone.
        expect(await enrolled(store, 1)).toEqual(first);
        expect(await enrolled(store, 1, { tokenHash: undefined })).toEqual(first);
        expect((await enrolled(store, 2)).addressIndex).toBe(2);
        expect(await refusal(store, 3)).toBe("token-used-up");
      }),
    );

    test(
      "wrong, missing, expired and other tokens",
      withStore(async (store) => {
        await store.createToken(token(), NOW);
        await store.createToken(token({ hash: "bb", kind: "relay" }), NOW);
        expect(await refusal(store, 1, { tokenHash: undefined })).toBe("key-unknown");
        expect(await refusal(store, 1, { tokenHash: "cc" })).toBe("token-wrong");
        expect(await refusal(store, 1, { tokenHash: "bb" })).toBe("token-kind");
        expect(await refusal(store, 1, {}, NOW + 1000)).toBe("token-expired");
        expect(await store.enrolRelay(relay(1), NOW)).toMatchObject({ code: "token-kind" });
        expect(await refusal(store, 1)).toBe("let in");
      }),
    );

    test(
      "a removed token lets nobody in any more, and those whom it let in stay",
      withStore(async (store) => {
        await store.createToken(token(), NOW);
        const first = await enrolled(store, 1);
        expect(await store.tokens()).toMatchObject([{ hash: HASH, kind: "agent", uses: 1, usesMax: 2 }]);
        expect(await store.removeToken(HASH)).toMatchObject({ hash: HASH, uses: 1 });
        expect(await store.removeToken(HASH)).toBeUndefined();
        expect(await store.tokens()).toEqual([]);
        expect(await refusal(store, 2)).toBe("token-wrong");
        expect(await enrolled(store, 1)).toEqual(first);
      }),
    );

    test(
      "many at once get addresses and names of their own, and no more than the token allows",
      withStore(async (store) => {
        await store.createToken(token({ usesMax: 50 }), NOW);
        const outcomes = await Promise.all(
          Array.from({ length: 80 }, (_, n) => store.enrolAgent(agent(n), NOW)),
        );
        const records = outcomes.flatMap((outcome) => (outcome.kind === "enrolled" ? [outcome.record] : []));
        expect(records).toHaveLength(50);
        expect(new Set(records.map(({ addressIndex }) => addressIndex)).size).toBe(50);
        expect(new Set(records.map(({ name }) => name)).size).toBe(50);
      }),
    );

    test(
      "names are unique in a network, free in another, and can be changed",
      withStore(async (store) => {
        await store.createToken(token({ usesMax: 9 }), NOW);
        const elsewhere = {
          hash: "bb",
          networkName: "else",
          freshNetworkId: "0000000000000002" as NetworkId,
        };
        await store.createToken(token(elsewhere), NOW);
        await enrolled(store, 1, { name: "alice" });
        expect(await refusal(store, 2, { name: "alice" })).toBe("name-taken");
        // Nothing was used up by the refusal, and the key can come back with another name.
        expect((await enrolled(store, 2, { name: "bob" })).addressIndex).toBe(2);
        const other = await enrolled(store, 3, { name: "alice", tokenHash: "bb" });
        expect(other).toMatchObject({ network: "0000000000000002", addressIndex: 1 });
        expect(await refusal(store, 2, { name: "alice" })).toBe("name-taken");
        expect((await enrolled(store, 2, { name: "carol" })).name).toBe("carol");
        expect((await enrolled(store, 4, { name: "bob" })).name).toBe("bob");
        expect(await refusal(store, 1, { tokenHash: "bb" })).toBe("other-network");
      }),
    );

    test(
      "tokens for one network name share the network",
      withStore(async (store) => {
        const first = await store.createToken(token(), NOW);
        const fresh = "0000000000000009" as NetworkId;
        const second = await store.createToken(token({ hash: "bb", freshNetworkId: fresh }), NOW);
        expect(second.network).toEqual(first.network);
        const ofRelay = await store.createToken(
          token({ hash: "cc", kind: "relay", networkName: undefined }),
          NOW,
        );
        expect(ofRelay.network).toBeUndefined();
      }),
    );

    test(
      "a relay's token may be of a network: the relay is that network's own, now and later",
      withStore(async (store) => {
        const { network } = await store.createToken(token({ kind: "relay", networkName: "own" }), NOW);
        expect(network?.name).toBe("own");
        const outcome = await store.enrolRelay(relay(1), NOW);
        expect(outcome).toMatchObject({ record: { network: network?.id } });
        const again = await store.enrolRelay(relay(1, { tokenHash: undefined, region: "s" }), NOW);
        expect(again).toMatchObject({ record: { network: network?.id, region: "s" } });
        expect((await store.load()).relays).toMatchObject([{ network: network?.id }]);
      }),
    );

    test(
      "relays keep their ticket key, and what else they say is brought up to date",
      withStore(async (store) => {
        await store.createToken(token({ kind: "relay", usesMax: 1 }), NOW);
        const outcome = await store.enrolRelay(relay(1), NOW);
        if (outcome.kind === "refused") throw new Error(outcome.code);
        expect(outcome).toMatchObject({ isNew: true, record: { id: relayIdOf(keyOf(1)), region: "r" } });
        const again = await store.enrolRelay(
          { ...relay(1, { tokenHash: undefined, region: "s" }), freshTicketKey: keyOf(5) },
          NOW,
        );
        if (again.kind === "refused") throw new Error(again.code);
        expect(again.record).toEqual({ ...outcome.record, region: "s" });
        expect((await store.load()).relays).toEqual([again.record]);
        expect(await store.enrolRelay(relay(2), NOW)).toMatchObject({ code: "token-used-up" });
        expect(await store.removeRelay(again.record.id)).toEqual(again.record);
        expect(await store.removeRelay(again.record.id)).toBeUndefined();
        expect((await store.load()).relays).toEqual([]);
        const removed = await store.enrolRelay(relay(1, { tokenHash: undefined }), NOW);
        expect(removed).toMatchObject({ code: "key-unknown" });
      }),
    );
  });

  describe(`${name}: changes`, () => {
    test(
      "revoked for ever; its name is free again, its address is not",
      withStore(async (store) => {
        await store.createToken(token({ usesMax: 9 }), NOW);
        const first = await enrolled(store, 1, { name: "alice" });
        const revoked = { ...first, revokedAtMs: NOW + 1 };
        expect(await store.revokeAgent(first.id, NOW + 1)).toEqual(revoked);
        expect(await store.revokeAgent(first.id, NOW + 2)).toEqual(revoked);
        expect(await store.revokeAgent(agentIdOf(keyOf(9)), NOW)).toBeUndefined();
        expect(await refusal(store, 1)).toBe("revoked");
        const heir = await enrolled(store, 2, { name: "alice" });
        expect(heir.addressIndex).toBe(2);
        // The dead one's name is not in the way of the heir's changes.
        expect((await enrolled(store, 2, { name: "alice" })).id).toBe(heir.id);
        expect(await refusal(store, 3, { name: "alice" })).toBe("name-taken");
      }),
    );

    test(
      "homes, drains, deaths and when agents were seen last are remembered",
      withStore(async (store) => {
        await store.createToken(token(), NOW);
        await store.createToken(token({ hash: "bb", kind: "relay" }), NOW);
        const { id } = await enrolled(store, 1);
        const outcome = await store.enrolRelay(relay(1, { tokenHash: "bb" }), NOW);
        if (outcome.kind === "refused") throw new Error(outcome.code);
        const home = outcome.record.id;
        await store.saveHomes([{ agent: id, home, standby: undefined }]);
        await store.saveSeen([{ agent: id, lastSeenMs: 66 }]);
        await store.saveRelayDown(home, 77);
        expect(await store.requestDrain(home, true)).toMatchObject({ drainRequested: true, downSinceMs: 77 });
        expect((await store.load()).agents).toMatchObject([{ id, home, lastSeenMs: 66 }]);
        expect((await store.load()).relays).toMatchObject([{ drainRequested: true, downSinceMs: 77 }]);
        await store.saveHomes([{ agent: id }]);
        await store.saveRelayDown(home, undefined);
        await store.requestDrain(home, false);
        const after = await store.load();
        expect(after.agents[0]?.home).toBeUndefined();
        expect(after.relays[0]).toMatchObject({ drainRequested: false, downSinceMs: undefined });
        expect(await store.requestDrain(relayIdOf(keyOf(9)), true)).toBeUndefined();
      }),
    );

    test(
      "an operator's wishes for a relay are remembered, each on its own, whatever the relay says later",
      withStore(async (store) => {
        await store.createToken(token({ kind: "relay", networkName: undefined }), NOW);
        const outcome = await store.enrolRelay(relay(1), NOW);
        if (outcome.kind === "refused") throw new Error(outcome.code);
        const { id } = outcome.record;
        expect(await store.saveRelayWishes(id, { weightMs: -12.5 })).toEqual({
          ...outcome.record,
          weightMs: -12.5,
        });
        expect(await store.saveRelayWishes(id, { avoid: true })).toMatchObject({
          weightMs: -12.5,
          avoid: true,
        });
        await store.enrolRelay(relay(1, { tokenHash: undefined, region: "s" }), NOW);
        expect((await store.load()).relays).toMatchObject([{ weightMs: -12.5, avoid: true, region: "s" }]);
        const plain = await store.saveRelayWishes(id, { weightMs: 0, avoid: false });
        expect(plain).toEqual({ ...outcome.record, region: "s" });
        expect(await store.saveRelayWishes(relayIdOf(keyOf(9)), { avoid: true })).toBeUndefined();
      }),
    );

    test(
      "what was committed is told in the order in which it was asked for, and before promises resolve",
      withStore(async (store) => {
        await store.createToken(token(), NOW);
        await store.createToken(token({ hash: "bb", kind: "relay" }), NOW);
        const { id } = await enrolled(store, 1);
        const relayId = relayIdOf(keyOf(1));
        const told: string[] = [];
        const note = (what: string) => () => void told.push(what);
        const resolved = store.enrolRelay(relay(1, { tokenHash: "bb" }), NOW, note("relay in"));
        const all = [
          resolved.then(note("resolved")),
          store.enrolAgent(agent(1, { tokenHash: undefined }), NOW, note("agent in")),
          store.revokeAgent(id, NOW, note("agent revoked")),
          store.enrolAgent(agent(1), NOW, (outcome) => told.push(outcome.kind)),
          store.requestDrain(relayId, true, note("drained")),
          store.saveRelayWishes(relayId, { avoid: true }, note("avoided")),
          store.removeRelay(relayId, note("relay removed")),
          store.removeRelay(relayId, (relay) => told.push(`then ${relay}`)),
        ];
        await Promise.all(all);
        expect(told.filter((what) => what !== "resolved")).toEqual([
          "relay in",
          "agent in",
          "agent revoked",
          "refused",
          "drained",
          "avoided",
          "relay removed",
          "then undefined",
        ]);
        expect(told.indexOf("relay in")).toBeLessThan(told.indexOf("resolved"));
        const wrong = store.requestDrain(relayId, true, () => {
          throw new Error("the caller's own");
        });
        const next = store.requestDrain(relayId, true);
        expect(wrong).rejects.toThrow("the caller's own");
        expect(await next).toBeUndefined();
      }),
    );

    test(
      "check resolves while it can be written to",
      withStore(async (store) => {
        await store.check();
      }),
    );

    test(
      "everything is there after a restart",
      withStore(async (store, under) => {
        if (under.reopen === undefined) return;
        await store.createToken(token(), NOW);
        await store.createToken(token({ hash: "bb", kind: "relay" }), NOW);
        await enrolled(store, 1, { name: "alice" });
        await store.enrolRelay(relay(1, { tokenHash: "bb" }), NOW);
        const before = await store.load();
        await store.close();
        const again = await under.reopen();
        expect(await again.load()).toEqual(before);
        expect(await refusal(again, 2)).toBe("let in");
        expect(await refusal(again, 3)).toBe("token-used-up");
        await again.close();
      }),
    );
  });
}
