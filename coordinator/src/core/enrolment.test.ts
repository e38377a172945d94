/** Enrolment where stores are hard to bring to: full networks, ids that collide, names that are all taken. */
import { describe, expect, test } from "bun:test";
import { type AgentId, keyToText, overlayAddress4 } from "@burrow/protocol";
import { agentRecord, keyOf, NETWORK, relayRecord } from "../testing/mesh.ts";
import { type EnrolmentFacts, enrolAgent, enrolRelay, freeName, freeNameLike } from "./enrolment.ts";
import type { TokenRecord } from "./records.ts";

const PAST_THE_END = 0x40_0000 - 1;
const OTHER = "0123456789abcdef" as AgentId;
const token: TokenRecord = {
  hash: "h",
  kind: "agent",
  network: NETWORK.id,
  usesMax: 1,
  uses: 0,
  expiresAtMs: 10,
  createdAtMs: 0,
};
const request = { key: keyToText(keyOf(1)), tokenHash: "h", version: "1" };

function facts(more: Partial<EnrolmentFacts> = {}): EnrolmentFacts {
  return {
    agent: () => undefined,
    relay: () => undefined,
    token: () => token,
    network: () => NETWORK,
    nameOwner: () => undefined,
    nextAddressIndex: () => 1,
    freedAddressIndex: () => undefined,
    ...more,
  };
}

describe("addresses", () => {
  test("are taken from revoked agents only when no other is left", () => {
    expect(overlayAddress4(PAST_THE_END)).toBeUndefined();
    const freed = facts({ nextAddressIndex: () => PAST_THE_END, freedAddressIndex: () => 7 });
    expect(enrolAgent(request, freed, 1)).toMatchObject({ record: { addressIndex: 7 } });
    const unused = facts({ nextAddressIndex: () => PAST_THE_END - 1, freedAddressIndex: () => 7 });
    expect(enrolAgent(request, unused, 1)).toMatchObject({ record: { addressIndex: PAST_THE_END - 1 } });
  });

  test("a full network says so", () => {
    const full = facts({ nextAddressIndex: () => PAST_THE_END });
    expect(enrolAgent(request, full, 1)).toMatchObject({ kind: "refused", code: "network-full" });
  });
});

describe("ids", () => {
  test("of another key let nobody step into its place", () => {
    const agent = facts({ agent: () => ({ ...agentRecord(1), key: keyToText(keyOf(2)) }) });
    expect(enrolAgent(request, agent, 1)).toMatchObject({ code: "id-taken" });
    const relay = facts({ relay: () => ({ ...relayRecord(1), key: keyToText(keyOf(2)) }) });
    const asRelay = { ...request, region: "r", endpoints: [], freshTicketKey: keyOf(3) };
    expect(enrolRelay(asRelay, relay, 1)).toMatchObject({ code: "id-taken" });
  });
});

describe("names", () => {
  const taken = facts({ nameOwner: (_, name) => (name === "laptop" ? OTHER : undefined) });

  test("that are demanded are had or refused", () => {
    expect(enrolAgent({ ...request, name: "laptop" }, taken, 1)).toMatchObject({ code: "name-taken" });
    expect(enrolAgent({ ...request, name: "server", nameHint: "laptop" }, taken, 1)).toMatchObject({
      record: { name: "server" },
    });
  });

  test("that are wished for give way, and rename nobody", () => {
    const wish = { ...request, nameHint: "laptop" };
    expect(enrolAgent(wish, facts(), 1)).toMatchObject({ record: { name: "laptop" } });
    expect(enrolAgent(wish, taken, 1)).toMatchObject({ record: { name: "laptop-2" } });
    const known = { ...agentRecord(1), name: "laptop-2" };
    const again = facts({ agent: () => known, nameOwner: () => known.id });
    expect(enrolAgent(wish, again, 1)).toMatchObject({ isNew: false, record: { name: "laptop-2" } });
  });

  test("made from a wish stay labels", () => {
    const long = `${"a".repeat(60)}-bc`;
    const had = new Set([long]);
    const names = Array.from({ length: 9 }, () => {
      const name = freeNameLike(long, OTHER, (name) => had.has(name));
      had.add(name);
      return name;
    });
    expect(names).toEqual([
      ...[2, 3, 4, 5].map((n) => `${"a".repeat(60)}-${n}`),
      `${"a".repeat(58)}-0123`,
      `${"a".repeat(54)}-01234567`,
      `${"a".repeat(50)}-0123456789ab`,
      `${"a".repeat(46)}-0123456789abcdef`,
      `${"a".repeat(44)}-0123456789abcdef-2`,
    ]);
  });

  test("of two thousand clones are found with some looks each, all different", () => {
    const had = new Set<string>();
    let looks = 0;
    for (let n = 0; n < 2_000; n++) {
      const isTaken = (name: string) => {
        looks++;
        return had.has(name);
      };
      had.add(freeNameLike("clone", agentRecord(n).id, isTaken));
    }
    expect(had.size).toBe(2_000);
    expect([...had].slice(0, 6)).toEqual([
      ...["clone", "clone-2", "clone-3", "clone-4", "clone-5"],
      `clone-${agentRecord(5).id.slice(0, 4)}`,
    ]);
    expect(looks).toBeLessThan(2_000 * 7);
  });

  test("grow until one is free", () => {
    const id = "0123456789abcdef" as AgentId;
    const taken = new Set<string>();
    const names = Array.from({ length: 6 }, () => {
      const name = freeName(id, (name) => taken.has(name));
      taken.add(name);
      return name;
    });
    expect(names).toEqual([
      "agent-0123",
      "agent-01234567",
      "agent-0123456789ab",
      "agent-0123456789abcdef",
      "agent-0123456789abcdef-2",
      "agent-0123456789abcdef-3",
    ]);
  });
});
