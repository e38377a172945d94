/** Bytes go to the path that carried them, and durations to their bucket. */
import { expect, test } from "bun:test";
import { type AgentId, DURATION_BOUNDS_MS, type RelayId } from "@burrow/protocol";
import fc from "fast-check";
import { Figures } from "./figures.ts";
import type { PathTarget } from "./paths/path.ts";

const PEER = "00000000000000aa" as AgentId;
const relay: PathTarget = { kind: "relay", relay: "00000000000000bb" as RelayId };
const direct = { kind: "direct", endpoint: "192.0.2.1:1" } as PathTarget;
const facts = { bytes: 0, talkingSinceMs: 0, silentSinceMs: undefined };

/** How many are in the bucket up to `boundMs`. */
function bucket(
  of: { readonly counts: readonly number[] },
  boundMs: (typeof DURATION_BOUNDS_MS)[number],
): number | undefined {
  return of.counts[DURATION_BOUNDS_MS.indexOf(boundMs)];
}

test("from relay to direct and back: bytes by kind, time to direct, failover", () => {
  const figures = new Figures();
  figures.pathChanged(PEER, { from: undefined, to: relay, reason: "relay-first" }, facts, 100);
  // It had a relay for long before anybody talked: only the talk counts.
  const talked = { ...facts, bytes: 700, talkingSinceMs: 5_000 };
  figures.pathChanged(PEER, { from: relay, to: direct, reason: "direct-found" }, talked, 5_180);
  const died = { ...talked, bytes: 1_000_700, silentSinceMs: 60_000 };
  figures.pathChanged(PEER, { from: direct, to: relay, reason: "direct-silent" }, died, 60_420);
  figures.sample(PEER, "relay", 1_001_000);
  const { bytes, timeToDirect, failover } = figures.since;
  expect(bytes).toEqual({ relay: 1_000, direct: 1_000_000 });
  expect(bucket(timeToDirect, 200)).toBe(1);
  expect(timeToDirect.sumMs).toBe(180);
  expect(bucket(failover, 500)).toBe(1);
  expect(failover.sumMs).toBe(420);
  figures.told();
  expect(figures.since).toMatchObject({ bytes: { relay: 0, direct: 0 }, failover: { sumMs: 0 } });
});

test("between relays is a failover only when the first fell silent, and never a time to direct", () => {
  const figures = new Figures();
  const other: PathTarget = { kind: "relay", relay: "00000000000000cc" as RelayId };
  figures.pathChanged(PEER, { from: undefined, to: relay, reason: "relay-first" }, facts, 0);
  figures.pathChanged(PEER, { from: relay, to: other, reason: "better" }, facts, 10);
  expect(figures.since.failover.counts).not.toContain(1);
  figures.pathChanged(
    PEER,
    { from: other, to: relay, reason: "relay-silent" },
    { ...facts, silentSinceMs: 20 },
    99_999,
  );
  expect(figures.since.failover.counts.at(-1)).toBe(1);
  expect(figures.since.timeToDirect.sumMs).toBe(0);
});

test("whatever is carried is booked once, also when the tunnel begins anew", () => {
  const steps = fc.array(
    fc.record({ kind: fc.constantFrom("direct", "relay"), more: fc.nat(1e9), anew: fc.boolean() }),
  );
  fc.assert(
    fc.property(steps, (all) => {
      const figures = new Figures();
      let [total, sum, before] = [0, 0, 0];
      for (const { kind, more, anew } of all) {
        // A new tunnel that has carried more than the old one already cannot be told from it.
        total = anew && more < before ? more : total + more;
        sum += more;
        before = total;
        figures.sample(PEER, kind as "direct" | "relay", total);
      }
      const { bytes } = figures.since;
      expect(bytes.direct + bytes.relay).toBe(sum);
    }),
  );
});
