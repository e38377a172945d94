/** Which relay is home: at once for a real gain or when it is gone, in time for a small one, and how often at most. */
import { describe, expect, test } from "bun:test";
import type { RelayId } from "@burrow/protocol";
import fc from "fast-check";
import { type HomeOption, Homing, MOVE_GAIN_FACTOR, MOVE_GAIN_MS } from "./homing.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

function option(name: string, rttMs: number, more: Partial<HomeOption> = {}): HomeOption {
  return {
    relay: name as RelayId,
    region: name,
    rttMs,
    samples: 5,
    penaltyMs: 0,
    crowdMs: 0,
    rank: 9,
    isReserve: false,
    draining: false,
    isDown: false,
    ...more,
  };
}

/** Settled at `a`. */
function atHome(...others: readonly HomeOption[]): Homing {
  const homing = new Homing();
  homing.decide([option("a", 1)], true, 0);
  homing.decide([option("a", 1), ...others], false, 1);
  return homing;
}

function id(name: string): RelayId {
  return name as RelayId;
}

/** Decides every 15 seconds, as keep-alives do. Returns when the home changed, if it did. */
function live(
  homing: Homing,
  options: (now: number) => readonly HomeOption[],
  fromMs: number,
  forMs: number,
): number[] {
  const moved: number[] = [];
  for (let now = fromMs; now < fromMs + forMs; now += 15 * SECOND_MS) {
    const { home } = homing.homes;
    if (homing.decide(options(now), false, now).home !== home) moved.push(now - fromMs);
  }
  return moved;
}

test("without any relay there is no home", () => {
  expect(new Homing().decide([], false, 0)).toMatchObject({ home: undefined, standby: undefined });
});

test("the first to answer is home at once, with one sample", () => {
  const homes = new Homing().decide([option("a", 90, { samples: 1 })], true, 0);
  expect(homes).toMatchObject({ home: id("a"), standby: undefined });
});

test("while it settles, a nearer one takes over whatever the gain", () => {
  const homing = atHome();
  const options = [option("a", 30, { samples: 1 }), option("b", 18, { samples: 1 })];
  expect(homing.decide(options, true, 2).home).toBe(id("b"));
});

describe("once settled, a home moves at once only for 10 ms and a third, over several samples", () => {
  for (const [from, to, samples, moves] of [
    [100, 60, 5, true],
    [100, 70, 5, false],
    [25, 16, 5, false],
    [31, 20, 5, true],
    [100, 60, 2, false],
  ] as const) {
    test(`${from} ms → ${to} ms after ${samples} samples: ${moves ? "moves" : "stays"}`, () => {
      const homing = atHome();
      const { reason } = homing.homes;
      const homes = homing.decide([option("a", from), option("b", to, { samples })], false, 2);
      expect(homes.home).toBe(id(moves ? "b" : "a"));
      if (!moves) expect(homes.reason).toBe(reason);
    });
  }
});

describe("a smaller gain moves it in time", () => {
  test("the sooner, the larger it is; what noise could be, never", () => {
    const waits = [15, 8, 4].map((gainMs) => {
      const moved = live(atHome(), () => [option("a", 50), option("b", 50 - gainMs)], 0, HOUR_MS);
      expect(moved).toHaveLength(1);
      return moved[0] ?? 0;
    });
    expect(waits).toEqual(waits.toSorted((x, y) => x - y));
    expect(waits[0]).toBeGreaterThan(2 * MINUTE_MS);
    expect(waits[2]).toBeLessThan(30 * MINUTE_MS);
    expect(live(atHome(), () => [option("a", 50), option("b", 49.2)], 0, DAY_MS)).toEqual([]);
  });

  test("not when it comes and goes", () => {
    const swings = (now: number) => [option("a", 50), option("b", now % MINUTE_MS < 30_000 ? 44 : 56)];
    expect(live(atHome(), swings, 0, DAY_MS)).toEqual([]);
  });
});

test("however the world swings, moves within a day are few", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 240 }), fc.integer({ min: 10, max: 300 }), (minutes, ms) => {
      const periodMs = minutes * MINUTE_MS;
      const swings = (now: number) => {
        const isOdd = Math.floor(now / periodMs) % 2 === 1;
        return [option("a", isOdd ? 20 + ms : 20), option("b", isOdd ? 20 : 20 + ms)];
      };
      expect(live(atHome(), swings, 0, DAY_MS).length).toBeLessThanOrEqual(11);
    }),
    { numRuns: 30 },
  );
});

test("a home that is gone is left at once, for the standby: room is kept there", () => {
  const homing = atHome(option("b", 20), option("c", 40, { isReserve: true }));
  expect(homing.homes.standby).toBe(id("c"));
  const homes = homing.decide([option("b", 20), option("c", 40, { isReserve: true })], false, 2);
  expect(homes).toMatchObject({ home: id("c"), standby: id("b") });
  expect(homes.reason).toContain("silent");
  expect(homing.moves).toBe(0);
});

test("a home that is gone is left for any that answers, however far it is", () => {
  const homing = atHome();
  expect(homing.decide([option("b", 300, { samples: 1 })], false, 2).home).toBe(id("b"));
});

test("a draining relay is nobody's standby", () => {
  const draining = option("b", 10, { draining: true, isReserve: true });
  expect(atHome(draining).homes.standby).toBeUndefined();
  expect(atHome(draining, option("c", 90)).homes.standby).toBe(id("c"));
});

test("a draining home is left for one that stays, and kept where there is none", () => {
  const draining = option("a", 10, { draining: true });
  expect(atHome().decide([draining, option("b", 200)], false, 2).home).toBe(id("b"));
  expect(atHome().decide([draining], false, 2).home).toBe(id("a"));
});

test("the reason for leaving says whether the home drains or is down", () => {
  const reasonOf = (isDown: boolean) =>
    atHome().decide([option("a", 10, { draining: true, isDown }), option("b", 200)], false, 2).reason;
  expect(reasonOf(false)).toBe("the home is draining: b at 200.0 ms, 5 samples");
  expect(reasonOf(true)).toBe("the home is down: b at 200.0 ms, 5 samples");
});

test("what the coordinator adds counts like distance", () => {
  const homing = atHome();
  const options = [option("a", 20, { penaltyMs: 5_000 }), option("b", 60)];
  expect(homing.decide(options, false, 2).home).toBe(id("b"));
});

test("the coordinator's ranking decides among those that the round trip cannot tell apart", () => {
  const options = [
    option("a", 20, { rank: 3 }),
    option("b", 20.8, { rank: 1 }),
    option("c", 22, { rank: 0 }),
  ];
  expect(new Homing().decide(options, true, 0).home).toBe(id("b"));
});

test("of those equally far the crowd decides, before the ranking, and moves nobody who has a home", () => {
  const options = [option("a", 20, { rank: 0, crowdMs: 0.3 }), option("b", 20.4, { rank: 1, crowdMs: 0.1 })];
  expect(new Homing().decide(options, true, 0).home).toBe(id("b"));
  const homing = atHome(option("b", 20.4, { crowdMs: 0.1 }));
  expect(live(homing, () => options, 2, HOUR_MS)).toEqual([]);
});

test("what is added to both relays does not hide the gain", () => {
  const added = { penaltyMs: 10_000 };
  const homing = atHome();
  expect(homing.decide([option("a", 90, added), option("b", 20, added)], false, 2).home).toBe(id("b"));
});

test("a move says what it gains over the relay that it leaves, by the one that it goes to", () => {
  const homing = atHome();
  // `c` is the best by a hair, and only just appeared: it is `b` against which staying has cost enough.
  const options = (now: number) => [
    option("a", 30),
    option("b", 25.5),
    ...(now > 700 * SECOND_MS ? [option("c", 24)] : []),
  ];
  live(homing, options, 2, 15 * MINUTE_MS);
  expect(homing.homes).toMatchObject({
    home: id("b"),
    reason: expect.stringMatching(/4\.5 ms better than a: b/),
  });
});

test("the standby is of another region where there is one, stays, and follows advice", () => {
  const options = [
    option("a", 10, { region: "x" }),
    option("b", 11, { region: "x" }),
    option("c", 30, { region: "y" }),
  ];
  const homing = new Homing();
  expect(homing.decide(options, false, 0)).toMatchObject({ home: id("a"), standby: id("c") });
  const near = option("d", 25, { region: "z" });
  expect(homing.decide([...options, near], false, 1).standby).toBe(id("c"));
  expect(homing.decide([...options, { ...near, isReserve: true }], false, 2).standby).toBe(id("d"));
});

test("home and standby never are the same, and nothing changes when nothing does", () => {
  const relays = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom("a", "b", "c", "d", "e"),
      rttMs: fc.integer({ min: 1, max: 300 }),
      samples: fc.integer({ min: 1, max: 6 }),
      rank: fc.integer({ min: 0, max: 5 }),
      isReserve: fc.boolean(),
      draining: fc.boolean(),
    }),
    { selector: ({ name }) => name, minLength: 1 },
  );
  fc.assert(
    fc.property(relays, (drawn) => {
      const options = drawn.map(({ name, ...more }) => option(name, more.rttMs, more));
      const homing = new Homing();
      const first = homing.decide(options, false, 0);
      expect(first.home).toBeDefined();
      if (options.length > 1) expect(first.standby).not.toBe(first.home);
      expect(homing.decide(options, false, SECOND_MS)).toBe(first);
    }),
  );
});

test("moving back and forth would take a gain in both directions, which there cannot be", () => {
  expect(MOVE_GAIN_MS).toBeGreaterThan(0);
  expect(MOVE_GAIN_FACTOR).toBeLessThan(1);
});
