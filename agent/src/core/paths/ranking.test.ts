/** Which of the proven paths is best. */
import { describe, expect, test } from "bun:test";
import type { Endpoint, RelayId, Transaction } from "@burrow/protocol";
import { Path, type PathTarget } from "./path.ts";
import { choosePath, costMs, isDirectClearlyWorse } from "./ranking.ts";

let transactions = 0;

/** A path that was answered several times after `rttMs`. */
function proven(target: PathTarget, rttMs: number): Path {
  const path = new Path(target, "host", 0);
  for (let i = 0; i < 60; i++) {
    const transaction = `${++transactions}`.padStart(16, "0") as Transaction;
    path.probed(transaction, i * 1_000);
    path.answered(transaction, "192.0.2.9:1" as Endpoint, true, i * 1_000 + rttMs);
  }
  return path;
}
const direct = (endpoint: string, rttMs: number) =>
  proven({ kind: "direct", endpoint: endpoint as Endpoint }, rttMs);
const relay = (id: string, rttMs: number) => proven({ kind: "relay", relay: id as RelayId }, rttMs);

test("nothing that is not proven is chosen", () => {
  const untried = new Path({ kind: "relay", relay: "a" as RelayId }, "relay", 0);
  expect(choosePath([untried], untried, false)).toEqual({ path: undefined, reason: "nothing-proven" });
  const one = relay("b", 50);
  expect(choosePath([untried, one], untried, false)).toEqual({ path: one, reason: "only-path" });
});

test("of several relays the best one is taken, and said to be that", () => {
  const [far, near] = [relay("a", 80), relay("b", 30)];
  expect(choosePath([far, near], undefined, false)).toEqual({ path: near, reason: "best-relay" });
});

test("direct beats a relay, also a faster one, until it was clearly worse for long", () => {
  const [slow, fast] = [direct("203.0.113.1:1", 100), relay("a", 30)];
  expect(choosePath([fast, slow], fast, false)).toEqual({ path: slow, reason: "direct-beats-relay" });
  expect(isDirectClearlyWorse([fast, slow], slow)).toBe(true);
  expect(choosePath([fast, slow], slow, true)).toEqual({ path: fast, reason: "direct-clearly-worse" });
});

describe("clearly worse is half as slow again and 20 ms more", () => {
  for (const [directMs, relayMs, isWorse] of [
    [100, 60, true],
    [100, 70, false],
    [30, 15, false],
    [36, 15, true],
  ] as const) {
    test(`${directMs} ms against ${relayMs} ms: ${isWorse}`, () => {
      const paths = [direct("203.0.113.1:1", directMs), relay("a", relayMs)];
      expect(isDirectClearlyWorse(paths, undefined)).toBe(isWorse);
    });
  }
});

test("a relay that is used no more is left for that, and not for its round trip", () => {
  const [drained, near] = [relay("a", 40), relay("b", 36)];
  expect(choosePath([near], drained, false)).toEqual({ path: near, reason: "relay-left" });
});

test("among paths of a kind the one in use stays unless another gains 5 ms and a fifth", () => {
  const [held, near, far] = [relay("a", 40), relay("b", 36), relay("c", 31)];
  expect(choosePath([held, near], held, false)).toEqual({ path: held, reason: "stays" });
  expect(choosePath([near, held], held, false)).toEqual({ path: held, reason: "stays" });
  expect(choosePath([held, near, far], held, false)).toEqual({ path: far, reason: "lower-rtt" });
});

test("loss counts a second for each lost packet: a lossy direct path gives way to a clean relay", () => {
  const [lossy, clean] = [direct("203.0.113.1:1", 20), relay("a", 60)];
  expect(isDirectClearlyWorse([lossy, clean], lossy)).toBe(false);
  for (let i = 0; i < 32; i++) {
    const transaction = `lossy ${i}` as Transaction;
    lossy.loss.sent(transaction, i);
    if (i % 8 !== 0) lossy.loss.arrived(transaction);
  }
  lossy.loss.settle(32);
  expect(costMs(lossy)).toBeWithin(140, 160);
  expect(isDirectClearlyWorse([lossy, clean], lossy)).toBe(true);
  expect(choosePath([lossy, clean], lossy, true)).toEqual({ path: clean, reason: "direct-clearly-worse" });
});

test("a direct path that loses what the relay loses is no worse for it", () => {
  const [lossy, relayed] = [direct("203.0.113.1:1", 50), relay("a", 60)];
  for (let i = 0; i < 32; i++) {
    for (const [path, isLost] of [
      [lossy, i % 7 === 0],
      [relayed, i % 12 === 0],
    ] as const) {
      const transaction = `${path.id} ${i}` as Transaction;
      path.loss.sent(transaction, i);
      if (!isLost) path.loss.arrived(transaction);
      path.loss.settle(i + 1);
    }
  }
  expect([lossy.loss.share, relayed.loss.share]).toEqual([5 / 32, 0]);
  expect(isDirectClearlyWorse([lossy, relayed], lossy)).toBe(false);
});

test("among relays beside a direct path the reason is still why it is a relay", () => {
  const [slow, far, near] = [direct("203.0.113.1:1", 200), relay("a", 60), relay("b", 30)];
  expect(choosePath([slow, far, near], far, true)).toEqual({ path: near, reason: "direct-clearly-worse" });
  expect(choosePath([far, near], far, true)).toEqual({ path: near, reason: "lower-rtt" });
});

test("inside the building is better than around it, IPv6 better than IPv4, by a little", () => {
  const outside = direct("203.0.113.1:1", 10);
  expect(choosePath([outside, direct("192.168.1.2:1", 12)], undefined, false).path?.id).toContain("192.168");
  expect(choosePath([outside, direct("[2001:db8::1]:1", 10.5)], undefined, false).path?.id).toContain("2001");
  expect(choosePath([outside, direct("192.168.1.2:1", 14)], undefined, false).path).toBe(outside);
});
