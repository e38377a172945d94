/** Places, the ranking of relays from them, and the selection that agents get tickets for. */
import { describe, expect, test } from "bun:test";
import type { RelayId } from "@burrow/protocol";
import { distanceKm, type GeoLocation, locationOfRecord } from "./geo.ts";
import { type RankableRelay, rankingForAgents, rankRelays } from "./ranking.ts";
import { selectRelays } from "./selection.ts";

const PLACES = {
  frankfurt: [50.11, 8.68],
  amsterdam: [52.37, 4.9],
  london: [51.51, -0.13],
  paris: [48.86, 2.35],
  warsaw: [52.23, 21.01],
  virginia: [38.9, -77.5],
  oregon: [45.6, -121.2],
  singapore: [1.35, 103.82],
  tokyo: [35.68, 139.69],
  sydney: [-33.87, 151.21],
  saopaulo: [-23.55, -46.63],
  mumbai: [19.08, 72.88],
} as const;
type Region = keyof typeof PLACES;

const relays: RankableRelay[] = (Object.keys(PLACES) as Region[]).map((region, n) => ({
  id: n.toString(16).padStart(16, "0") as RelayId,
  region,
  at: { lat: PLACES[region][0], lon: PLACES[region][1] },
  state: "healthy",
}));
const linkoping: GeoLocation = { at: { lat: 58.4, lon: 15.6 }, precision: "city", label: "Linköping, SE" };

function regions(ids: readonly RelayId[]): string[] {
  return ids.map((id) => relays.find((relay) => relay.id === id)?.region ?? "?");
}

describe("places", () => {
  test("great-circle distances", () => {
    expect(distanceKm({ lat: 51.5, lon: -0.13 }, { lat: 40.7, lon: -74 })).toBeCloseTo(5570, -2);
    expect(distanceKm({ lat: 0, lon: 179 }, { lat: 0, lon: -179 })).toBeCloseTo(222, 0);
    expect(distanceKm({ lat: 90, lon: 0 }, { lat: -90, lon: 77 })).toBeCloseTo(20015, 0);
  });

  test("records: nested, flat, of a country only, without a place", () => {
    const location = { latitude: 1, longitude: 2, accuracy_radius: 10 };
    const city = { names: { en: "Town" } };
    const country = { iso_code: "XX" };
    expect(locationOfRecord({ city, country, location })).toEqual({
      at: { lat: 1, lon: 2 },
      precision: "city",
      label: "Town, XX",
      radiusKm: 10,
    });
    expect(locationOfRecord({ country, location })?.precision).toBe("country");
    const vague = { ...location, accuracy_radius: 1000 };
    expect(locationOfRecord({ city, country, location: vague })).toMatchObject({
      precision: "country",
      label: "XX",
    });
    const flat = { city: "Town", country_code: "XX", latitude: "1.5", longitude: 2 };
    expect(locationOfRecord(flat)).toMatchObject({
      at: { lat: 1.5, lon: 2 },
      precision: "city",
      label: "Town, XX",
    });
    for (const nothing of [null, undefined, 7, "x", {}, { location: {} }, { latitude: 91, longitude: 0 }]) {
      expect(locationOfRecord(nothing)).toBeUndefined();
    }
  });
});

describe("ranking", () => {
  test("by expected round trip, every term with its reason", () => {
    const [first] = rankRelays(linkoping, relays);
    expect(first?.relay.region).toBe("warsaw");
    expect(first?.terms.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(first?.costMs ?? 0, 0);
    expect(first?.reason).toMatch(
      /^warsaw from Linköping, SE: [\d.]+ ms \(\d+ km at 2 ms per 100 km, [\d.]+ to [\d.]+ ms\) \+ 4 ms/,
    );
  });

  test("draining relays come after healthy ones; agents are not told of those that are down", () => {
    const states = relays.map((relay): RankableRelay => {
      if (relay.region === "warsaw") return { ...relay, state: "down" };
      return relay.region === "frankfurt" ? { ...relay, state: "draining" } : relay;
    });
    const ranking = rankingForAgents(rankRelays(linkoping, states));
    expect(regions(ranking.map(({ relay }) => relay))).not.toContain("warsaw");
    expect(regions(ranking.map(({ relay }) => relay)).at(-1)).toBe("frankfurt");
  });
});

describe("selection", () => {
  test("the four nearest and one further off from elsewhere", () => {
    const chosen = regions(selectRelays(linkoping, rankRelays(linkoping, relays)));
    expect(new Set(chosen.slice(0, 4))).toEqual(new Set(["warsaw", "amsterdam", "frankfurt", "london"]));
    expect(chosen).toHaveLength(5);
  });

  test("each of another region, however many relays a region has", () => {
    const twins = relays.flatMap((relay, n) => {
      const id = `f${n}`.padStart(16, "0") as RelayId;
      return [relay, { ...relay, id }];
    });
    const chosen = selectRelays(linkoping, rankRelays(linkoping, twins));
    const of = chosen.map((id) => twins.find((relay) => relay.id === id)?.region);
    expect(new Set(of).size).toBe(5);
    const few = twins.filter(({ region }) => region === "london" || region === "paris");
    expect(selectRelays(linkoping, rankRelays(linkoping, few))).toHaveLength(4);
  });

  test("nobody knows where, or only in which country: all over the world", () => {
    const usa: GeoLocation = { at: { lat: 37.75, lon: -97.8 }, precision: "country", label: "US" };
    for (const origin of [undefined, usa]) {
      const chosen = regions(selectRelays(origin, rankRelays(origin, relays)));
      expect(chosen).toHaveLength(8);
      const continents = [
        ["sydney"],
        ["saopaulo"],
        ["tokyo", "singapore"],
        ["virginia", "oregon"],
        ["mumbai"],
      ];
      for (const some of continents) expect(some.some((region) => chosen.includes(region))).toBe(true);
    }
    const ofUsa = regions(selectRelays(usa, rankRelays(usa, relays)));
    expect(ofUsa.slice(0, 2).sort()).toEqual(["oregon", "virginia"]);
  });

  test("draining relays only when there is nothing else; none when all are down", () => {
    const draining = relays.map((relay): RankableRelay => ({ ...relay, state: "draining" }));
    expect(selectRelays(linkoping, rankRelays(linkoping, draining))).toHaveLength(5);
    const down = relays.map((relay): RankableRelay => ({ ...relay, state: "down" }));
    expect(selectRelays(linkoping, rankRelays(linkoping, down))).toEqual([]);
    expect(selectRelays(undefined, [])).toEqual([]);
  });
});
