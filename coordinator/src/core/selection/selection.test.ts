/** The parts of selection, each by itself: crowding, classes, posterior, standby, pairs. */
import { describe, expect, test } from "bun:test";
import type { NetworkId, RelayId } from "@burrow/protocol";
import fc from "fast-check";
import type { GeoLocation } from "../geo.ts";
import { type RankableRelay, type Ranked, rankFor, rankRelays } from "../ranking.ts";
import {
  choosePairPath,
  chooseStandby,
  pairPaths,
  RelayRtts,
  Reservations,
  relaysForPair,
  selectMore,
} from "../selection.ts";
import { CLASS_MS, WEIGHT_MAX_MS } from "./cost.ts";
import { seedOf } from "./hash.ts";

const PLACES = {
  frankfurt: [50.11, 8.68],
  amsterdam: [52.37, 4.9],
  london: [51.51, -0.13],
  virginia: [38.9, -77.5],
  oregon: [45.6, -121.2],
  singapore: [1.35, 103.82],
  tokyo: [35.68, 139.69],
  sydney: [-33.87, 151.21],
  mumbai: [19.08, 72.88],
} as const;
type Region = keyof typeof PLACES;
const REGIONS = Object.keys(PLACES) as Region[];

function id(n: number): RelayId {
  return n.toString(16).padStart(16, "0") as RelayId;
}

function relay(region: Region, more: Partial<RankableRelay> = {}): RankableRelay {
  const [lat, lon] = PLACES[region];
  return { id: id(REGIONS.indexOf(region) + 1), region, at: { lat, lon }, state: "healthy", ...more };
}

const world = REGIONS.map((region) => relay(region));
const berlin: GeoLocation = { at: { lat: 52.52, lon: 13.4 }, precision: "city", label: "Berlin, DE" };
const noRtts = new RelayRtts();

function regions(ranking: readonly Ranked[]): string[] {
  return ranking.map((ranked) => ranked.relay.region);
}

function measured(rtts: Partial<Record<Region, number>>): Map<RelayId, number> {
  return new Map(Object.entries(rtts).map(([region, ms]) => [relay(region as Region).id, ms]));
}

describe("what stands for or against a relay", () => {
  test("agents fall on relays that are equally far in proportion to their room", () => {
    const twins = [
      relay("frankfurt", { id: id(101), capacity: 1000, load: 250 }),
      relay("frankfurt", { id: id(102), capacity: 1000, load: 750 }),
    ];
    const byMap = rankRelays(berlin, twins);
    let first = 0;
    for (let n = 0; n < 4000; n++) {
      const asker = { seed: seedOf((n * 0x9e3779b1).toString(16).padStart(16, "0")) };
      if (rankFor(asker, byMap, new Map(), noRtts)[0]?.relay.id === id(101)) first++;
    }
    expect(first / 4000).toBeCloseTo(0.75, 1);
  });

  test("a relay that fills up loses its agents one by one, never all at once", () => {
    let before = 1;
    for (const load of [0, 900, 950, 980, 990, 999]) {
      const byMap = rankRelays(berlin, [relay("frankfurt", { capacity: 1000, load }), relay("amsterdam")]);
      let near = 0;
      for (let n = 0; n < 500; n++) {
        const asker = { seed: seedOf((n * 0x9e3779b1).toString(16).padStart(16, "0")) };
        if (rankFor(asker, byMap, new Map(), noRtts)[0]?.relay.region === "frankfurt") near++;
      }
      expect(near / 500).toBeLessThanOrEqual(before);
      expect(before - near / 500).toBeLessThan(0.9);
      before = near / 500;
    }
    const full = rankRelays(berlin, [relay("frankfurt", { capacity: 1000, load: 1000 }), relay("sydney")]);
    expect(regions(full)).toEqual(["sydney", "frankfurt"]);
  });

  test("own relays, then others, then those to be avoided, then draining, then dead ones", () => {
    const mine = "00000000000000aa" as NetworkId;
    const theirs = "00000000000000bb" as NetworkId;
    const fleet = [
      relay("frankfurt"),
      relay("sydney", { network: mine }),
      relay("amsterdam", { avoid: true }),
      relay("london", { state: "draining" }),
      relay("virginia", { state: "down" }),
      relay("mumbai", { network: theirs }),
    ];
    const asker = { network: mine, hasOwnRelays: true };
    const ranking = rankFor(asker, rankRelays(berlin, fleet), new Map(), noRtts);
    expect(regions(ranking)).toEqual(["sydney", "frankfurt", "amsterdam", "london", "virginia"]);
    expect(ranking[2]?.terms.map(({ name }) => name)).toEqual(["fibre", "access", "fallback", "avoid"]);
    const others = rankFor({ network: "00000000000000cc" as NetworkId }, ranking, new Map(), noRtts);
    expect(regions(others)).not.toContain("sydney");
  });

  test("an operator's weight makes a relay count as nearer or further", () => {
    const by = (weightMs: number) =>
      regions(rankRelays(berlin, [relay("frankfurt"), relay("london", { weightMs })]));
    expect(by(0)).toEqual(["frankfurt", "london"]);
    expect(by(-30)).toEqual(["london", "frankfurt"]);
    expect(by(30)).toEqual(["frankfurt", "london"]);
    // However much it is preferred: one without room is after all that have some.
    const full = { weightMs: -WEIGHT_MAX_MS, capacity: 1, load: 1 };
    expect(regions(rankRelays(berlin, [relay("frankfurt"), relay("london", full)]))[0]).toBe("frankfurt");
  });

  test("the terms add up to the cost, whatever the relay", () => {
    const relays = fc.record({
      region: fc.constantFrom(...REGIONS),
      capacity: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
      load: fc.integer({ min: 0, max: 200 }),
      weightMs: fc.option(fc.double({ min: -1000, max: 1000, noNaN: true }), { nil: undefined }),
      avoid: fc.boolean(),
      state: fc.constantFrom("healthy" as const, "draining" as const, "down" as const),
      rttMs: fc.option(fc.double({ min: 0, max: 500, noNaN: true }), { nil: undefined }),
    });
    fc.assert(
      fc.property(relays, fc.integer(), ({ region, rttMs, ...more }, seed) => {
        const known = rttMs === undefined ? new Map() : new Map([[relay(region).id, rttMs]]);
        const [ranked] = rankFor({ seed }, rankRelays(berlin, [relay(region, more)]), known, noRtts);
        const sum = ranked?.terms.reduce((total, { ms }) => total + ms, 0) ?? Number.NaN;
        expect(Math.abs(sum - (ranked?.costMs ?? 0))).toBeLessThan(0.5);
        expect(ranked?.reason.length).toBeLessThanOrEqual(500);
      }),
    );
  });
});

describe("measurements", () => {
  test("beat the map, and say something of relays that were not measured", () => {
    const ranking = rankFor(
      {},
      rankRelays(berlin, world),
      measured({ frankfurt: 60, amsterdam: 25, london: 30 }),
      noRtts,
    );
    expect(regions(ranking).slice(0, 2)).toEqual(["amsterdam", "london"]);
    expect(ranking[0]?.estimate?.source).toBe("measured");
    expect(ranking.find(({ relay: of }) => of.region === "virginia")?.estimate?.source).toBe("predicted");
    expect(ranking[0]?.reason).toContain("measured by the agent");
  });

  test("a map that is wrong by a continent is found out in two rounds", () => {
    // In truth in Sydney: tickets are for Europe and one further off.
    const trueMs = { sydney: 8, singapore: 95, tokyo: 105, mumbai: 150, oregon: 140, virginia: 200 };
    const far = { frankfurt: 280, amsterdam: 285, london: 270 };
    const known = measured({ ...far, virginia: trueMs.virginia });
    for (let round = 0; round < 2; round++) {
      const ranking = rankFor({}, rankRelays(berlin, world), known, noRtts);
      const more = selectMore(ranking);
      expect(more.length).toBeGreaterThan(0);
      for (const one of more) {
        const region = world.find((other) => other.id === one)?.region as keyof typeof trueMs;
        known.set(one, trueMs[region]);
      }
    }
    expect(regions(rankFor({}, rankRelays(berlin, world), known, noRtts))[0]).toBe("sydney");
  });

  test("whoever is beside a relay needs no further tickets", () => {
    const ranking = rankFor({}, rankRelays(berlin, world), measured({ frankfurt: 4, amsterdam: 12 }), noRtts);
    expect(selectMore(ranking)).toEqual([]);
    expect(selectMore(rankRelays(berlin, world))).toEqual([]);
  });
});

describe("standby", () => {
  test("near, of another region, and only where there is room if the home's region dies", () => {
    const fleet = [
      relay("frankfurt", { capacity: 100 }),
      relay("frankfurt", { id: id(101), capacity: 100 }),
      relay("amsterdam", { capacity: 10, load: 5 }),
      relay("london", { capacity: 100, load: 50 }),
    ];
    const reservations = new Reservations();
    const taken = new Map<string, number>();
    for (let n = 0; n < 40; n++) {
      const asker = { seed: seedOf((n * 0x9e3779b1).toString(16).padStart(16, "0")) };
      const ranking = rankFor(asker, rankRelays(berlin, fleet), new Map(), noRtts);
      const standby = chooseStandby(ranking, relay("frankfurt"), reservations);
      if (standby === undefined) throw new Error("no standby");
      reservations.count("frankfurt", standby.relay.id, 1);
      taken.set(standby.relay.region, (taken.get(standby.relay.region) ?? 0) + 1);
    }
    expect(taken.get("frankfurt")).toBeUndefined();
    expect(taken.get("amsterdam") ?? 0).toBeLessThanOrEqual(5);
    expect(taken.get("london") ?? 0).toBeLessThanOrEqual(50);
    expect(fleet.some((one) => reservations.isOverbooked("frankfurt", one))).toBe(false);
    // Another region's death is another matter: the same room serves it.
    expect(reservations.of("virginia", relay("london").id)).toBe(0);
  });

  test("of the same region when there is no other; none when it is alone", () => {
    const two = [relay("frankfurt"), relay("frankfurt", { id: id(101) })];
    const ranking = rankRelays(berlin, two);
    expect(chooseStandby(ranking, relay("frankfurt"), new Reservations())?.relay.id).toBe(id(101));
    expect(chooseStandby(ranking.slice(0, 1), relay("frankfurt"), new Reservations())).toBeUndefined();
  });
});

describe("pairs", () => {
  const rtts = new RelayRtts();
  const between = (a: Region, b: Region, rttMs: number) => {
    rtts.report(relay(a).id, [{ relay: relay(b).id, rttMs }]);
  };
  between("frankfurt", "singapore", 160);
  between("frankfurt", "mumbai", 110);
  between("mumbai", "singapore", 55);
  const fleet = [relay("frankfurt"), relay("mumbai"), relay("singapore")];
  const homes = [relay("frankfurt").id, relay("singapore").id] as const;
  const view = (rttsOf: Partial<Record<Region, number>>) => {
    return rankFor({}, rankRelays(undefined, fleet), measured(rttsOf), rtts);
  };

  test("the relay with the least sum, not the home of either", () => {
    const a = view({ frankfurt: 40, mumbai: 60, singapore: 170 });
    const b = view({ frankfurt: 200, mumbai: 50, singapore: 45 });
    const path = choosePairPath(a, b, rtts, homes);
    expect(path).toMatchObject({ relays: [relay("mumbai").id], rttMs: 110, source: "measured" });
    expect(path?.reason).toBe("by mumbai: 60.0 ms measured + 50.0 ms measured = 110.0 ms");
  });

  test("the trunk where that is faster", () => {
    const a = view({ frankfurt: 5, mumbai: 190, singapore: 250 });
    const b = view({ frankfurt: 260, mumbai: 120, singapore: 5 });
    const path = choosePairPath(a, b, rtts, homes);
    expect(path?.relays).toEqual([relay("frankfurt").id, relay("singapore").id]);
    expect(path?.rttMs).toBeCloseTo(170.3, 1);
    // No relay hands over to another than the receiver's home.
    const elsewhere = [relay("frankfurt").id, relay("mumbai").id] as const;
    expect(choosePairPath(a, b, rtts, elsewhere)?.rttMs).toBeCloseTo(235.3, 1);
    expect(choosePairPath(a, b, rtts, [undefined, undefined])?.relays).toEqual([relay("singapore").id]);
  });

  test("beside the best, those that may turn out to be better are worth measuring; those that cannot are not", () => {
    const a = view({ frankfurt: 20, mumbai: 19, singapore: 150 });
    const b = view({ frankfurt: 20, mumbai: 22, singapore: 160 });
    const ways = pairPaths(a, b, rtts, [undefined, undefined]).map(({ relays }) => relays);
    expect(ways).toEqual([[relay("frankfurt").id], [relay("mumbai").id]]);
  });

  test("a sum with a guess in it says so, and names what both should measure", () => {
    const [a, b] = [view({ frankfurt: 5 }), view({ singapore: 5 })];
    expect(choosePairPath(a, b, rtts, homes)?.source).not.toBe("mapped");
    expect(relaysForPair(a, b)).toContain(relay("frankfurt").id);
    expect(
      relaysForPair(
        view({ frankfurt: 5, mumbai: 9, singapore: 9 }),
        view({ frankfurt: 5, mumbai: 9, singapore: 9 }),
      ),
    ).toEqual([]);
  });

  test("no relay, no way; draining relays carry no new pairs", () => {
    expect(choosePairPath([], [], rtts, homes)).toBeUndefined();
    const draining = rankFor(
      {},
      rankRelays(undefined, [relay("mumbai", { state: "draining" })]),
      measured({ mumbai: 5 }),
      rtts,
    );
    expect(draining[0]?.costMs).toBeGreaterThan(CLASS_MS.draining);
    expect(choosePairPath(draining, draining, rtts, homes)).toBeUndefined();
  });
});

describe.each([0.1, 9_000])("a relay that tells %d ms for all its links", (liedMs) => {
  const rtts = new RelayRtts();
  const honest: [Region, Region, number][] = [
    ["frankfurt", "singapore", 160],
    ["frankfurt", "tokyo", 230],
    ["singapore", "tokyo", 70],
  ];
  for (const [a, b, rttMs] of honest) {
    rtts.report(relay(a).id, [{ relay: relay(b).id, rttMs: a === "frankfurt" ? liedMs : rttMs }]);
    rtts.report(relay(b).id, [{ relay: relay(a).id, rttMs }]);
  }

  test("draws nobody by what it says", () => {
    expect(rtts.between(relay("frankfurt"), relay("tokyo"))?.ms).toBeGreaterThanOrEqual(230);
    expect(rtts.between(relay("singapore"), relay("tokyo"))?.ms).toBe(70);
  });

  test("hides no relay from those that measured it", () => {
    const fleet = [relay("frankfurt"), relay("singapore"), relay("tokyo")];
    const singapore: GeoLocation = {
      at: { lat: 1.3, lon: 103.8 },
      precision: "country",
      label: "elsewhere",
    };
    // Of an agent in Singapore only Frankfurt is known: the relay beside it must still be worth a probe.
    const ranking = rankFor({}, rankRelays(singapore, fleet), measured({ frankfurt: 165 }), rtts);
    expect(selectMore(ranking)).toContain(relay("singapore").id);
  });
});
