/** Rings of readings: in order, of bounded length, and gone with their relay. */
import { expect, test } from "bun:test";
import { relayId } from "@burrow/protocol";
import { READINGS_MAX, type Reading, Readings } from "./readings.ts";

const A = relayId.parse("000000000000000a");
const B = relayId.parse("000000000000000b");
const NONE = { sessions: 0, packets: 0, bytes: 0, drops: 0, p50Ms: null, p90Ms: null, p99Ms: null };
const reading = (atMs: number): Reading => ({ ...NONE, atMs });

test("the latest are kept, the oldest first", () => {
  const readings = new Readings();
  expect(readings.of(A)).toEqual([]);
  for (let at = 0; at < READINGS_MAX + 3; at++) readings.add(A, reading(at));
  expect(readings.of(A).map(({ atMs }) => atMs)).toEqual(
    Array.from({ length: READINGS_MAX }, (_, index) => index + 3),
  );
});

test("each relay has its own, and none is kept of one that is gone", () => {
  const readings = new Readings();
  readings.add(A, reading(1));
  readings.add(B, reading(2));
  readings.keepOnly((relay) => relay === B);
  expect(readings.of(A)).toEqual([]);
  expect(readings.of(B)).toEqual([reading(2)]);
});
