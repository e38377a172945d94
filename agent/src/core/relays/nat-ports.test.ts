/** What relays' views tell of the order in which a NAT gives out ports. */
import { expect, test } from "bun:test";
import { type Endpoint, type NatPorts, PORT_STEP_MAX } from "@burrow/protocol";
import fc from "fast-check";
import { portOrder } from "./nat-ports.ts";

const OWN = 41_641;

function order(ports: readonly number[], host = "198.51.100.7"): NatPorts | undefined {
  return portOrder(
    ports.map((port, i) => ({ observed: `${host}:${port}` as Endpoint, sequence: i, atMs: i })),
    OWN,
  );
}

test("one foreign port tells nothing, one of our own does", () => {
  expect(order([])).toBeUndefined();
  expect(order([5_000])).toBeUndefined();
  expect(order([5_000, 5_000, 5_000])).toBeUndefined();
  expect(order([OWN])).toEqual({ order: "preserving" });
});

test("a NAT that mostly keeps the port keeps it", () => {
  expect(order([OWN, OWN, 5_000])).toEqual({ order: "preserving" });
  expect(order([OWN, 5_000])).toEqual({ order: "random" });
});

test("ports in order, upwards and downwards, past the end too", () => {
  expect(order([5_000, 5_001, 5_002])).toEqual({ order: "sequential", step: 1, last: 5_002 });
  expect(order([5_000, 5_006, 5_008])).toEqual({ order: "sequential", step: 2, last: 5_008 });
  expect(order([5_000, 4_999])).toEqual({ order: "sequential", step: -1, last: 4_999 });
  expect(order([65_534, 65_535, 1])).toEqual({ order: "sequential", step: 1, last: 1 });
});

test("too far apart, or to and fro, is random", () => {
  expect(order([5_000, 5_000 + PORT_STEP_MAX + 1])).toEqual({ order: "random" });
  expect(order([5_000, 5_001, 5_000 - 3])).toEqual({ order: "random" });
});

test("the order is that in which the mappings were made, not that of the answers", () => {
  const seen = (port: number, sequence: number) => ({
    observed: `198.51.100.7:${port}` as Endpoint,
    sequence,
    atMs: 0,
  });
  expect(portOrder([seen(5_003, 9), seen(5_001, 2), seen(5_002, 5)], OWN)).toEqual({
    order: "sequential",
    step: 1,
    last: 5_003,
  });
});

test("between mappings of different times others had theirs", () => {
  const seen = (port: number, sequence: number, atMs: number) => ({
    observed: `198.51.100.7:${port}` as Endpoint,
    sequence,
    atMs,
  });
  const start = [seen(5_000, 1, 0), seen(5_001, 2, 10)];
  const told = portOrder([...start, seen(5_700, 40, 90_000)], OWN);
  expect(told).toEqual({ order: "sequential", step: 1, last: 5_700 });
  expect(portOrder([seen(5_000, 1, 0), seen(5_700, 40, 90_000)], OWN)).toBeUndefined();
});

test("of several outer addresses the latest counts, and IPv6 never", () => {
  const seen = (observed: string, sequence: number) => ({
    observed: observed as Endpoint,
    sequence,
    atMs: 0,
  });
  const pool = [seen("198.51.100.7:5000", 1), seen("198.51.100.8:9000", 2), seen("198.51.100.8:9001", 3)];
  expect(portOrder(pool, OWN)).toEqual({ order: "sequential", step: 1, last: 9_001 });
  expect(portOrder([seen("[2001:db8::1]:5000", 1), seen("[2001:db8::1]:5001", 2)], OWN)).toBeUndefined();
});

test("whatever relays claim, the answer fits a message", () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(
    fc.property(fc.array(port, { maxLength: 12 }), (ports) => {
      const told = order(ports);
      if (told?.order !== "sequential") return;
      expect(Math.abs(told.step ?? 0)).toBeWithin(1, PORT_STEP_MAX + 1);
      expect(told.last).toBe(ports.at(-1));
    }),
  );
});

test("any counting NAT is seen to count", () => {
  const step = fc.integer({ min: 1, max: 4 });
  const strangers = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40_000 }), step, strangers, (first, by, between) => {
      let port = first;
      const ports = [port, ...between.map((others) => (port += by * (1 + others)))];
      fc.pre(!ports.includes(OWN));
      const told = order(ports);
      expect(told).toMatchObject({ order: "sequential", last: port });
      expect((told?.step ?? 0) % by).toBe(0);
    }),
  );
});
