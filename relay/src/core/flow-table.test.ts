/** The flow table against a plain map, and its bounds. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FlowTable, NO_FLOW } from "./flow-table.ts";
import { FLOW_LIFETIME_S, FLOW_UNUSED_LIFETIME_S } from "./limits.ts";

const key = (source: number, index: number) => `${source} ${index}`;

describe("flow table", () => {
  test("says what a plain map says, through puts, sweeps and the shifting of runs", () => {
    const step = fc.oneof(
      fc.record({
        put: fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 1, 2, 0xffff_ffff, 0x8000_0000)),
        slot: fc.nat(1000),
      }),
      fc.record({ wait: fc.integer({ min: 1, max: 120 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
        const table = new FlowTable(64, seed);
        const model = new Map<string, { slot: number; untilS: number }>();
        let nowS = 1_000;
        for (const [i, each] of steps.entries()) {
          if ("wait" in each) {
            nowS += each.wait;
            table.sweep(table.places * 2, nowS);
            for (const [name, { untilS }] of model) if (nowS > untilS) model.delete(name);
          } else {
            const [source, index] = each.put;
            const isProven = i % 2 === 0;
            table.put(source, index, each.slot, each.slot + 1, nowS, isProven);
            const lifetimeS = isProven ? FLOW_LIFETIME_S : FLOW_UNUSED_LIFETIME_S;
            model.set(key(source, index), { slot: each.slot, untilS: nowS + lifetimeS });
          }
          expect(table.size).toBe(model.size);
          for (let source = 1; source <= 6; source++) {
            for (const index of [0, 1, 2, 0xffff_ffff, 0x8000_0000]) {
              const at = table.find(source, index);
              const expected = model.get(key(source, index))?.slot;
              expect(at === NO_FLOW ? undefined : table.destinationSlot(at)).toBe(expected as number);
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("is bounded: the unproven and the long unused make room", () => {
    const table = new FlowTable(1_000, 42);
    for (let i = 0; i < 500; i++) table.put(1, i, i, 1, 1_000, true);
    for (let i = 0; i < 100_000; i++) table.put(2, i, i, 1, 1_010, false);
    expect(table.size).toBe(1_000);
    expect(table.evictions).toBe(99_500);
    let kept = 0;
    for (let i = 0; i < 500; i++) if (table.find(1, i) !== NO_FLOW) kept++;
    // Victims are the worst of a sample, so a few good ones may go.
    expect(kept).toBeGreaterThan(450);
  });

  test("whoever holds the most gives: the idle few flows of others stay, whatever one source declares", () => {
    const table = new FlowTable(12_288, 7);
    for (let source = 1; source <= 20; source++) table.put(source, source, 1, 1, 1_000, true);
    for (let i = 0; i < 50_000; i++) table.put(21, i, i, 1, 1_000 + Math.floor(i / 320), true);
    expect(table.size).toBe(12_288);
    for (let source = 1; source <= 20; source++) expect(table.find(source, source)).not.toBe(NO_FLOW);
    // And many who want all of it share it.
    const held = new Map<number, number>();
    for (let i = 0; i < 40_000; i++) table.put(31 + (i % 10), i, i, 1, 1_160, true);
    for (let i = 0; i < 40_000; i++) {
      const source = 31 + (i % 10);
      if (table.find(source, i) !== NO_FLOW) held.set(source, (held.get(source) ?? 0) + 1);
    }
    for (const [, count] of held) expect(count).toBeWithin(1_000, 1_300);
    for (let source = 1; source <= 20; source++) expect(table.find(source, source)).not.toBe(NO_FLOW);
  });

  test("what is stale goes before anybody's living flow", () => {
    const table = new FlowTable(1_000, 42);
    for (let i = 0; i < 500; i++) table.put(i + 2, i, i, 1, 1_000, false);
    for (let i = 0; i < 600; i++) table.put(1, i, i, 1, 1_000 + FLOW_UNUSED_LIFETIME_S + 1, true);
    let kept = 0;
    for (let i = 0; i < 600; i++) if (table.find(1, i) !== NO_FLOW) kept++;
    expect(kept).toBe(600);
  });

  // Each pair renews its session every 120 s, and nothing is put again before that: a lost flow is dead until then.
  for (const [others, packetEveryS] of [
    [4_600, 1],
    [5_000, 1],
    [4_600, 5],
  ] as const) {
    test(`what carries packets stays, also of a hub, beside ${others} others with a packet in ${packetEveryS} s`, () => {
      const table = new FlowTable(12_288, 7);
      const hub = Array.from({ length: 600 }, (_, i) => ({ source: 1, at: i }));
      const pairs = [...hub, ...Array.from({ length: others }, (_, i) => ({ source: i + 2, at: i }))];
      const flows = new Map<(typeof pairs)[number], number>();
      let index = 1;
      let dead = 0;
      for (let nowS = 1_000; nowS < 1_700; nowS++) {
        for (const pair of pairs) {
          if ((nowS - pair.at) % 120 === 0) {
            flows.set(pair, index);
            table.put(pair.source, index++, 1, 1, nowS, true);
          }
          const flow = flows.get(pair);
          if (flow === undefined || (nowS + pair.at) % packetEveryS !== 0) continue;
          const at = table.find(pair.source, flow);
          if (at === NO_FLOW) dead++;
          else table.touch(at, nowS);
        }
        table.sweep(table.places, nowS);
      }
      expect(table.evictions).toBeGreaterThan(1_000);
      expect(dead).toBe(0);
    });
  }

  test("a packet for each does not let one source's declarations stay either, once idle", () => {
    const table = new FlowTable(12_288, 7);
    for (let source = 1; source <= 20; source++) table.put(source, source, 1, 1, 1_000, true);
    for (let i = 0; i < 19_000; i++) {
      const nowS = 1_000 + Math.floor(i / 100);
      table.put(21, i, 1, 1, nowS, true);
      table.touch(table.find(21, i), nowS);
      if (i % 100 === 0) table.sweep(table.places, nowS);
    }
    expect(table.size).toBe(12_288);
    for (let source = 1; source <= 20; source++) expect(table.find(source, source)).not.toBe(NO_FLOW);
  });
});
