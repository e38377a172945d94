/** What the page makes of lists and events, and how it shows much as little. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { clusters } from "./clusters.ts";
import { GAP_MS, History, type Reading, readingOf, SAMPLES_MAX } from "./history.ts";
import { links } from "./links.ts";
import { agentRows, relayRows } from "./lists.ts";
import { type Agent, MeshModel, type Path, type Relay } from "./mesh.ts";
import { parseRoute, routeHash } from "./route.ts";
import { amount, count, duration, milliseconds, place } from "./units.ts";
import { fitted, moved, WHOLE, zoomed } from "./view-box.ts";
import { rowAfterKey, rowsInSight, scrolledTo } from "./window.ts";
import { reachText, reasonText, whyRelayed, wishesText } from "./words.ts";

const LOAD = { sessions: 0, flows: 0, packets: 0, bytes: 0, drops: {} };
const relay = (id: string, more: Partial<Relay> = {}) =>
  ({ id, region: "eu", state: "healthy", endpoints: [], load: LOAD, rtt: null, agents: 0, ...more }) as Relay;
const agent = (id: string, more: Partial<Agent> = {}) =>
  ({ id, name: id, network: "default", ipv4: "100.64.0.1", online: true, nat: "unknown", ...more }) as Agent;
const path = (peer: string, more: Partial<Path> = {}) =>
  ({
    peer,
    peerName: peer,
    kind: "relay",
    relay: "r",
    endpoint: null,
    reason: "relay-first",
    ...more,
  }) as Path;

describe("the model", () => {
  test("asks for lists when it cannot know what it missed, and only then", () => {
    const model = new MeshModel();
    expect(model.take({ type: "hello", atMs: 1, resumed: false, operator: true })).toBe("lists");
    expect(model.take({ type: "hello", atMs: 1, resumed: true, operator: true })).toBeUndefined();
    const numbers = { connected: 300, disconnected: 0, moved: 0, removed: 0, paths: 0 };
    expect(model.take({ type: "many-changed", atMs: 1, ...numbers })).toBe("lists");
    expect(model.take({ type: "relay-added", atMs: 1, relay: relay("a") })).toBeUndefined();
  });

  test("follows relays: added, changed, loaded, removed", () => {
    const model = new MeshModel();
    model.setRelays([relay("a")]);
    expect(model.history.of("a")).toEqual([]);
    model.take({ type: "relay-state", atMs: 1, relay: relay("a", { state: "down" }), from: "healthy" });
    expect(model.relays.get("a")?.state).toBe("down");
    const load = { ...LOAD, sessions: 7 };
    const before = model.versions.relays;
    model.take({ type: "relay-loads", atMs: 2, relays: [{ id: "a", load, agents: 3, rtt: null }] });
    expect(model.relays.get("a")).toMatchObject({ state: "down", sessions: 7, agents: 3 });
    expect(model.versions.relays).toBeGreaterThan(before);
    // One that is not known yet comes with its own event.
    model.take({ type: "relay-loads", atMs: 2, relays: [{ id: "b", load, agents: 3, rtt: null }] });
    model.take({ type: "relay-removed", atMs: 3, relay: { id: "a", region: "eu" } });
    expect(model.relays.size).toBe(0);
    expect(model.history.of("a")).toEqual([]);
  });

  test("keeps the paths of those that are looked at, and of no others", () => {
    const model = new MeshModel();
    model.setAgents([agent("a"), agent("b")]);
    model.setPaths("a", [path("b")]);
    const change = (id: string, peer: string) =>
      model.take({
        type: "path-changed",
        atMs: 5,
        agent: { id, name: id },
        peer: { id: peer, name: peer },
        from: { kind: "relay", endpoint: null, relay: null },
        to: { kind: "direct", endpoint: "192.0.2.1:1", relay: null },
        rttMs: 4,
        reason: "direct-found",
      });
    change("a", "b");
    change("b", "a");
    expect(model.paths.get("a")?.get("b")).toMatchObject({ kind: "direct", rttMs: 4, sinceMs: 5 });
    expect(model.paths.has("b")).toBe(false);
    model.take({ type: "agent-removed", atMs: 6, agent: { id: "a", name: "a", network: "default" } });
    expect(model.paths.size).toBe(0);
    expect([...model.agents.keys()]).toEqual(["b"]);
  });
});

describe("curves", () => {
  const read = (atMs: number, more: Partial<Reading> = {}): Reading => ({
    ...readingOf(atMs, LOAD, null),
    ...more,
  });

  test("counters become rates; a relay that starts anew has none for a moment", () => {
    const history = new History();
    const at = (atMs: number, packets: number, drops = 0) =>
      history.add(
        "r",
        readingOf(
          atMs,
          { ...LOAD, packets, drops: { x: drops, y: drops } },
          { samples: 1, p50Ms: 3, p90Ms: 4, p99Ms: 5 },
        ),
      );
    at(0, 100);
    at(2_000, 300, 2);
    at(4_000, 10);
    at(4_000, 99);
    at(6_000, 30);
    expect(history.of("r").map(({ packets }) => packets)).toEqual([null, 100, null, 10]);
    expect(history.of("r").map(({ drops }) => drops)).toEqual([null, 2, null, 0]);
    expect(history.of("r").at(-1)).toMatchObject({ p50Ms: 3, p90Ms: 4, p99Ms: 5 });
  });

  test("are of bounded length", () => {
    const history = new History();
    for (let i = 0; i < SAMPLES_MAX + 50; i++) history.add("r", read(i * 1000));
    expect(history.of("r")).toHaveLength(SAMPLES_MAX);
    expect(history.of("r")[0]?.atMs).toBe(50_000);
  });

  test("a silence is a gap, not a line", () => {
    const history = new History();
    history.add("r", read(0, { sessions: 4, packets: 10 }));
    history.add("r", read(GAP_MS + 1_000, { sessions: 2, packets: 5_000 }));
    expect(history.of("r").map(({ sessions }) => sessions)).toEqual([4, null, 2]);
    expect(history.of("r").map(({ packets }) => packets)).toEqual([null, null, null]);
  });

  test("what the coordinator kept comes before what was heard since, each moment once", () => {
    const history = new History();
    for (const at of [30_000, 32_000, 34_000]) history.add("r", read(at, { packets: at }));
    history.recall(
      "r",
      [15_000, 30_500].map((at) => read(at, { packets: at })),
    );
    expect(history.of("r").map(({ atMs }) => atMs)).toEqual([15_000, 30_500, 32_000, 34_000]);
    expect(history.of("r").map(({ packets }) => packets)).toEqual([null, 1_000, 1_000, 1_000]);
    history.recall("r", []);
    expect(history.of("r")).toHaveLength(4);
  });
});

describe("the map", () => {
  test("no agent is lost in a cluster, whatever the cell", () => {
    const placed = fc.array(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 4 }),
        x: fc.double({ min: -500, max: 500, noNaN: true }),
        y: fc.double({ min: -500, max: 500, noNaN: true }),
        home: fc.option(fc.constantFrom("r1", "r2")),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(placed, fc.integer({ min: 1, max: 100 }), (agents, cell) => {
        const found = clusters(agents, cell);
        expect(found.reduce((sum, of) => sum + of.count, 0)).toBe(agents.length);
        const homes = found.flatMap((of) => [...of.homes.values()]).reduce((sum, n) => sum + n, 0);
        expect(homes).toBe(agents.filter(({ home }) => home !== null).length);
        for (const { x, y } of found) expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThanOrEqual(500.001);
      }),
    );
  });

  test("pairs are drawn once, direct when either side is, and not at all when they only could talk", () => {
    const paths = (...of: Path[]) => new Map(of.map((one) => [one.peer, one]));
    const all = new Map([
      ["a", paths(path("b", { relay: "r1" }), path("c"), path("d", { reason: "idle" }))],
      ["b", paths(path("a", { relay: "r2" }))],
      ["c", paths(path("a", { kind: "direct" }), path("d", { kind: "none" }))],
    ]);
    expect(links(all)).toEqual([
      { key: "a b", a: "a", b: "b", kind: "relay", relays: ["r1", "r2"] },
      { key: "a c", a: "a", b: "c", kind: "direct", relays: [] },
    ]);
    expect(links(all, "d").map(({ key }) => key)).toEqual(["a b", "a c", "a d"]);
  });

  test("never shows what is beyond the world's edge; zooming leaves the pointer where it is", () => {
    const size = { width: 800, height: 400 };
    const factor = fc.double({ min: 0.2, max: 5, noNaN: true });
    const coordinate = fc.double({ min: 0, max: 400, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(factor, coordinate, coordinate), { maxLength: 20 }), (steps) => {
        let view = WHOLE;
        for (const [by, x, y] of steps) {
          view = moved(zoomed(view, by, x, y, size), x - 200, y - 200, size);
          expect(view.k).toBeGreaterThanOrEqual(1);
          expect(view.x).toBeLessThanOrEqual(0);
          expect(view.x + size.width * view.k).toBeGreaterThanOrEqual(size.width - 1e-6);
        }
      }),
    );
    const close = zoomed(WHOLE, 4, 400, 200, size);
    const closer = zoomed(close, 1.5, 300, 150, size);
    expect((300 - closer.x) / closer.k).toBeCloseTo((300 - close.x) / close.k);
    expect(fitted([], size)).toEqual(WHOLE);
    const shown = fitted(
      [
        { x: 300, y: 100 },
        { x: 420, y: 180 },
      ],
      size,
    );
    expect(shown.x + 360 * shown.k).toBeCloseTo(400);
  });
});

describe("lists", () => {
  test("what needs looking at comes first, and every word of a filter counts", () => {
    const relays = new Map(
      [relay("1", { region: "b" }), relay("2", { region: "a" }), relay("3", { state: "down" })].map((of) => [
        of.id,
        of,
      ]),
    );
    expect(relayRows(relays, "").map(({ id }) => id)).toEqual(["3", "2", "1"]);
    expect(relayRows(relays, " HEALTHY  b").map(({ id }) => id)).toEqual(["1"]);
    const agents = new Map([agent("x", { online: false }), agent("z"), agent("y")].map((of) => [of.id, of]));
    expect(agentRows(agents, "").map(({ id }) => id)).toEqual(["y", "z", "x"]);
    expect(agentRows(agents, "offline")).toHaveLength(1);
  });

  test("all rows in sight are drawn, and few others", () => {
    fc.assert(
      fc.property(
        fc.nat(50_000),
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 2000 }),
        (rows, top, height) => {
          const scrollTop = Math.min(top, Math.max(0, rows * 52 - height));
          const { from, to } = rowsInSight(scrollTop, height, 52, rows);
          expect(from * 52).toBeLessThanOrEqual(scrollTop);
          expect(to === rows || to * 52 >= scrollTop + height).toBe(true);
          expect(to - from).toBeLessThan(height / 52 + 16);
        },
      ),
    );
  });

  test("keys move as they do in any list, and not beyond its ends", () => {
    expect(rowAfterKey("ArrowDown", 0, 3, 10)).toBe(1);
    expect(rowAfterKey("ArrowDown", 2, 3, 10)).toBe(2);
    expect(rowAfterKey("ArrowUp", 0, 3, 10)).toBe(0);
    expect(rowAfterKey("PageDown", 5, 100, 10)).toBe(14);
    expect(rowAfterKey("End", 0, 100, 10)).toBe(99);
    expect(rowAfterKey("x", 0, 100, 10)).toBeUndefined();
    expect(scrolledTo(0, 500, 200, 52)).toBe(0);
    expect(scrolledTo(10, 500, 200, 52)).toBe(500);
    expect(scrolledTo(20, 500, 200, 52)).toBe(20 * 52 + 52 - 200);
  });
});

describe("words and numbers", () => {
  test("read as people read them", () => {
    expect([0.214, 12.34, 183.6, null].map(milliseconds)).toEqual(["0.21 ms", "12.3 ms", "184 ms", "–"]);
    expect([400, 42_000, 300_000, 11_520_000, 7_200_000, 800_000_000].map(duration)).toEqual([
      "now",
      "42 s",
      "5 min",
      "3 h 12 min",
      "2 h",
      "9 days",
    ]);
    expect([0, 7, 999.6, 1_400, 104e6].map((n) => amount(n, "B"))).toEqual([
      "0 B",
      "7 B",
      "1.0 kB",
      "1.4 kB",
      "104 MB",
    ]);
    expect([0, 999, 20_000, 1_234_567].map(count)).toEqual(["0", "999", "20,000", "1,234,567"]);
    expect(place({ lat: -33.87, lon: 151.2 })).toBe("33.87° S, 151.20° E");
  });

  test("a reason that is not known yet is shown all the same", () => {
    expect(reasonText("direct-found")).toContain("Probes found");
    expect(reasonText("moon-in-the-way")).toBe("moon in the way.");
    const hard = agent("a", { nat: "address-dependent" });
    expect(whyRelayed(path("b"), hard, hard)).toContain("Both NATs");
    expect(whyRelayed(path("b"), hard, agent("b"))).toContain("One side");
    expect(whyRelayed(path("b", { kind: "direct" }), hard, hard)).toBeUndefined();
  });

  test("what others say of a relay, and what operators want of it", () => {
    const reach = { verdict: "works", coordinator: true, rttMs: 7.4, reachedBy: 2, missedBy: 1 } as const;
    expect(reachText(relay("a", { reach }))).toBe(
      "Answers, 7.4 ms from the coordinator; 2 of 3 other relays reach it",
    );
    expect(reachText(relay("a", { reach: { ...reach, verdict: "silent", rttMs: null } }))).toBe(
      "Silent; 2 of 3 other relays reach it",
    );
    expect(wishesText(relay("a", { weightMs: 0, avoid: false }))).toBe("None");
    expect(wishesText(relay("a", { weightMs: -20, avoid: true }))).toBe("Counts as 20.0 ms nearer; avoided");
  });

  test("addresses lead where they say, and all others to the relays", () => {
    const id = "0123456789abcdef";
    for (const route of [
      { page: "relays" },
      { page: "agents" },
      { page: "relay", id },
      { page: "agent", id },
    ] as const) {
      expect(parseRoute(routeHash(route))).toEqual(route);
    }
    for (const hash of ["", "#", "#/x", "#/relays/../x", "#/relays/<b>", `#/relays/${id}/x`]) {
      expect(parseRoute(hash)).toEqual({ page: "relays" });
    }
  });
});
