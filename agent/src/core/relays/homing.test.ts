/** Which relay is home: for a real gain only, at once when the home is gone, and the ranking among equals. */
import { describe, expect, test } from "bun:test";
import type { RelayId } from "@burrow/protocol";
import fc from "fast-check";
import { chooseHomes, type HomeOption, type Homes, MOVE_GAIN_FACTOR, MOVE_GAIN_MS } from "./homing.ts";

const NONE: Homes = { home: undefined, standby: undefined, reason: "" };

function option(name: string, rttMs: number, more: Partial<HomeOption> = {}): HomeOption {
  return { relay: name as RelayId, region: name, rttMs, samples: 5, rank: 9, draining: false, ...more };
}

function at(home: string, standby?: string): Homes {
  return { home: home as RelayId, standby: standby as RelayId | undefined, reason: "as before" };
}

test("without any relay there is no home", () => {
  expect(chooseHomes([], at("a"), false)).toMatchObject({ home: undefined, standby: undefined });
});

test("the first to answer is home at once, with one sample", () => {
  const homes = chooseHomes([option("a", 90, { samples: 1 })], NONE, true);
  expect(homes).toMatchObject({ home: "a" as RelayId, standby: undefined });
});

test("while it settles, a nearer one takes over whatever the gain", () => {
  const options = [option("a", 30, { samples: 1 }), option("b", 18, { samples: 1 })];
  expect(chooseHomes(options, at("a"), true).home).toBe("b" as RelayId);
});

describe("once settled, a home moves only for 10 ms and a third, over several samples", () => {
  for (const [from, to, samples, moves] of [
    [100, 60, 5, true],
    [100, 70, 5, false],
    [25, 16, 5, false],
    [31, 20, 5, true],
    [100, 60, 2, false],
  ] as const) {
    test(`${from} ms → ${to} ms after ${samples} samples: ${moves ? "moves" : "stays"}`, () => {
      const homes = chooseHomes([option("a", from), option("b", to, { samples })], at("a"), false);
      expect(homes.home).toBe((moves ? "b" : "a") as RelayId);
      if (!moves) expect(homes.reason).toBe("as before");
    });
  }
});

test("a home that is gone is left at once, however far the next is", () => {
  const homes = chooseHomes([option("b", 300, { samples: 1 })], at("a", "b"), false);
  expect(homes.home).toBe("b" as RelayId);
  expect(homes.reason).toContain("silent");
});

test("a draining relay is nobody's standby", () => {
  const draining = option("a", 10, { draining: true });
  expect(chooseHomes([option("b", 20), draining], at("b"), false).standby).toBeUndefined();
  expect(chooseHomes([option("b", 20), draining, option("c", 90)], at("b"), false).standby).toBe(
    "c" as RelayId,
  );
});

test("a draining home is left for one that stays, and kept where there is none", () => {
  const draining = option("a", 10, { draining: true });
  expect(chooseHomes([draining, option("b", 200)], at("a"), false).home).toBe("b" as RelayId);
  expect(chooseHomes([draining], at("a"), false).home).toBe("a" as RelayId);
});

test("the coordinator's ranking decides among those that the round trip cannot tell apart", () => {
  const options = [option("a", 20, { rank: 3 }), option("b", 26, { rank: 1 }), option("c", 40, { rank: 0 })];
  expect(chooseHomes(options, NONE, true).home).toBe("b" as RelayId);
});

test("the standby is of another region where there is one, and stays", () => {
  const options = [
    option("a", 10, { region: "x" }),
    option("b", 11, { region: "x" }),
    option("c", 30, { region: "y" }),
  ];
  const homes = chooseHomes(options, NONE, false);
  expect(homes).toMatchObject({ home: "a" as RelayId, standby: "c" as RelayId });
  expect(chooseHomes([...options, option("d", 25, { region: "z" })], homes, false).standby).toBe(
    "c" as RelayId,
  );
});

test("home and standby never are the same, and nothing changes when nothing does", () => {
  const relays = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom("a", "b", "c", "d", "e"),
      rttMs: fc.integer({ min: 1, max: 300 }),
      samples: fc.integer({ min: 1, max: 6 }),
      rank: fc.integer({ min: 0, max: 5 }),
      draining: fc.boolean(),
    }),
    { selector: ({ name }) => name, minLength: 1 },
  );
  fc.assert(
    fc.property(relays, (drawn) => {
      const options = drawn.map(({ name, ...more }) => option(name, more.rttMs, more));
      const first = chooseHomes(options, NONE, false);
      expect(first.home).toBeDefined();
      if (options.length > 1) expect(first.standby).not.toBe(first.home);
      expect(chooseHomes(options, first, false)).toEqual(first);
    }),
  );
});

test("moving back and forth would take a gain in both directions, which there cannot be", () => {
  expect(MOVE_GAIN_MS).toBeGreaterThan(0);
  expect(MOVE_GAIN_FACTOR).toBeLessThan(1);
});
