/** Probes of the peer that somebody captured, sent again from wherever they like: what they draw, and what they do not stop. */
import { expect, test } from "bun:test";
import type { Endpoint, Transaction } from "@burrow/protocol";
import { HEARSAY_PATHS_MAX } from "./path-table.ts";
import { Pair, R1, R2 } from "./testkit.ts";

function talking(forMs = 3_000): Pair {
  const pair = new Pair();
  pair.bindRelays(R1, R2);
  pair.stream(forMs);
  return pair;
}

test("a replayed probe from other addresses draws nothing but the first answer", () => {
  const pair = talking();
  const before = pair.a.probes.length;
  for (let i = 0; i < 500; i++) {
    const target = { kind: "direct", endpoint: `203.0.113.${i % 250}:${1000 + i}` as Endpoint } as const;
    pair.a.paths.probedBy(target, "00112233445566aa" as never, pair.now);
  }
  const strays = pair.a.probes.slice(before).filter(({ target }) => target.kind === "direct");
  expect(strays.length).toBeLessThanOrEqual(2);
});

test("one captured probe, sent again and again from one address, is answered with one probe of our own", () => {
  const pair = talking(2_000);
  const before = pair.a.probes.length;
  const endpoint = "203.0.113.9:9" as Endpoint;
  for (let i = 0; i < 50; i++) {
    pair.a.paths.probedBy({ kind: "direct", endpoint }, "00112233445566ad" as never, pair.now);
    pair.run(100);
  }
  const strays = pair.a.probes
    .slice(before)
    .filter(({ target }) => "endpoint" in target && target.endpoint === endpoint);
  expect(strays.length).toBe(1);
});

test("more captured probes than are remembered, from ever new addresses, keep a pair off no direct path and draw few probes", () => {
  const pair = new Pair();
  const told = [pair.a.candidates, pair.b.candidates] as const;
  [pair.a.candidates, pair.b.candidates] = [[], []];
  pair.bindRelays(R1, R2);
  pair.a.paths.route(0);
  const captured = Array.from({ length: 300 }, (_, i) => `${i}`.padStart(16, "0") as Transaction);
  const relay = { kind: "relay", relay: R1 } as const;
  for (const transaction of captured) pair.a.paths.probedBy(relay, transaction, 0);
  const ATTACK_MS = 15_000;
  for (let i = 0; i * 10 < ATTACK_MS; i++) {
    const transaction = captured[i % captured.length] as Transaction;
    const endpoint = `203.0.113.${i % 250}:${1_000 + i}` as Endpoint;
    pair.at(i * 10, () => pair.a.paths.probedBy({ kind: "direct", endpoint }, transaction, pair.now));
  }
  pair.stream(10_000);
  expect(pair.a.paths.current?.kind).toBe("relay");
  expect(pair.a.probesBy("direct")).toBeGreaterThan(100);
  expect(pair.a.probesBy("direct")).toBeLessThanOrEqual(11 * HEARSAY_PATHS_MAX);
  [pair.a.candidates, pair.b.candidates] = told;
  pair.introduce();
  pair.stream(ATTACK_MS - 10_000);
  expect(pair.a.paths.current).toEqual({ kind: "direct", endpoint: pair.b.endpoint });
  expect(pair.b.paths.current).toEqual({ kind: "direct", endpoint: pair.a.endpoint });
});
