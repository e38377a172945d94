/** The directory of parties against a plain list, and ids that share most of their bits. */
import { expect, test } from "bun:test";
import { type AgentId, idWords, type NetworkId } from "@burrow/protocol";
import fc from "fast-check";
import { NO_ADDRESS } from "./addresses.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { Parties } from "./parties.ts";
import type { Party } from "./party.ts";
import { PartyDirectory } from "./party-directory.ts";

const NETWORKS = ["00000000000000a1", "00000000000000a2"] as NetworkId[];

/** Of two kinds: some differ in their last three digits alone, which the fast look-up does not see. */
const ids = Array.from({ length: 12 }, (_, i) =>
  (i % 2 === 0 ? `0123456789abc${i}` : `${i}fedcba987654321`).padStart(16, "0").slice(0, 16),
) as AgentId[];

/** A party that no other directory knows. */
function newParty(id: AgentId | undefined, network: number): Party {
  const addresses = {
    capacity: 1,
    endpoint: () => "192.0.2.1:1" as never,
    door: () => 0,
    reach: () => NO_ADDRESS,
    pin: () => true,
    unpin: () => {},
  };
  const parties = new Parties({ ...DEFAULT_LIMITS, partiesMax: 1 }, addresses as never, { unbound() {} });
  const party = parties.add(id, NETWORKS[network] as NetworkId, 0);
  if (party === undefined) throw new Error("no room");
  return party;
}

test("finds by id, by words and by network exactly those that are in it", () => {
  const steps = fc.array(fc.tuple(fc.nat(ids.length - 1), fc.nat(1), fc.boolean()), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (all) => {
      const directory = new PartyDirectory();
      const model = new Map<AgentId, Party>();
      for (const [i, network, adds] of all) {
        const id = ids[i] as AgentId;
        const known = model.get(id);
        if (adds && known === undefined) {
          const party = newParty(id, network);
          directory.add(party);
          model.set(id, party);
        } else if (!adds && known !== undefined) {
          directory.delete(known);
          // Once more changes nothing.
          directory.delete(known);
          model.delete(id);
        }
        for (const each of ids) {
          expect(directory.byId(each)).toBe(model.get(each));
          expect(directory.byWords(idWords(each))).toBe(model.get(each));
        }
        for (const of of NETWORKS) {
          const expected = [...model.values()].filter((party) => party.network === of);
          expect(new Set(directory.membersOf(of))).toEqual(new Set(expected));
          expect(directory.membersOf(of).length).toBe(expected.length);
        }
      }
    }),
  );
});

test("outside clients are in no directory", () => {
  const client = newParty(undefined, 0);
  const directory = new PartyDirectory();
  directory.add(client);
  expect(directory.membersOf(client.network)).toEqual([]);
  directory.delete(client);
});
