/** The simulator itself, a handful of worlds on every run, and every world that ever found a mistake. */
import { describe, expect, test } from "bun:test";
import { basename, join } from "node:path";
import { type Endpoint, splitEndpoint } from "@burrow/protocol";
import { Glob } from "bun";
import { Clock } from "./clock.ts";
import { FULL_CONE, HARD, Nat, PORT_RESTRICTED, SEQUENTIAL } from "./net/nat.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { simulate } from "./simulate.ts";
import { World } from "./world.ts";

/** Machines may be busy; a world takes a fifth of a second of its own. */
const PATIENCE_MS = 120_000;

test(
  "a seed replays to the last byte, and another seed is another world",
  () => {
    const [first, again, other] = [simulate(113), simulate(113), simulate(142)];
    expect(again).toEqual(first);
    expect(other.trace).not.toBe(first.trace);
  },
  PATIENCE_MS,
);

test(
  "no world of the first few is broken",
  () => {
    for (let seed = 1; seed <= 6; seed++) expect(simulate(seed).failures).toEqual([]);
  },
  PATIENCE_MS,
);

/** Worlds that broke once, kept as plans and named after what they broke: what is drawn from a seed may change. */
const SCARS = [...new Glob("*.json").scanSync(join(import.meta.dir, "scars"))].sort();

describe("worlds that broke once", () => {
  for (const file of SCARS) {
    test(
      basename(file, ".json").replaceAll("-", " "),
      async () => {
        const plan: Plan = await Bun.file(join(import.meta.dir, "scars", file)).json();
        expect(new World(plan).run().failures).toEqual([]);
      },
      PATIENCE_MS,
    );
  }
});

test("plans always leave relay 0 alone, so that there is a way", () => {
  for (let seed = 0; seed < 300; seed++) {
    for (const { fault } of drawPlan(seed).faults) if ("relay" in fault) expect(fault.relay).not.toBe(0);
  }
});

describe("a NAT", () => {
  const inner = "192.168.1.10:4000" as Endpoint;
  const [x, y] = ["203.0.113.1:1" as Endpoint, "203.0.113.2:2" as Endpoint];
  const nat = (kind: typeof HARD) => new Nat(kind, "198.51.100.1", 30_000, new Random(1));

  test("of the easy kinds has one outer port for all destinations, a hard one another for each", () => {
    for (const kind of [FULL_CONE, PORT_RESTRICTED]) {
      const easy = nat(kind);
      expect(easy.outbound(inner, x, 0)).toBe(easy.outbound(inner, y, 0));
    }
    const hard = nat(HARD);
    expect(hard.outbound(inner, x, 0)).not.toBe(hard.outbound(inner, y, 0));
    expect(hard.outbound(inner, x, 0)).toBe(hard.outbound(inner, x, 10));
  });

  test("that is sequential gives one port after another", () => {
    const orderly = nat(SEQUENTIAL);
    const ports = ["203.0.113.1:1", "203.0.113.2:1", "203.0.113.3:1"].map(
      (to) => splitEndpoint(orderly.outbound(inner, to as Endpoint, 0)).port,
    );
    const [first = 0] = ports;
    expect(ports).toEqual([first, first + 1, first + 2]);
  });

  test("lets in strangers only as a full cone", () => {
    for (const [kind, isOpen] of [
      [FULL_CONE, true],
      [PORT_RESTRICTED, false],
      [HARD, false],
    ] as const) {
      const box = nat(kind);
      const outer = box.outbound(inner, x, 0);
      expect(box.inbound(outer, x, 1)).toBe(inner);
      expect(box.inbound(outer, y, 1)).toBe(isOpen ? inner : undefined);
    }
  });

  test("forgets what was not used for its time, and all at a reboot", () => {
    const box = nat(PORT_RESTRICTED);
    const outer = box.outbound(inner, x, 0);
    expect(box.inbound(outer, x, 30_000)).toBe(inner);
    expect(box.inbound(outer, x, 30_001)).toBeUndefined();
    const later = box.outbound(inner, x, 40_000);
    box.reboot();
    expect(box.inbound(later, x, 40_001)).toBeUndefined();
    expect(box.outbound(inner, x, 40_002)).not.toBe(later);
  });
});

test("the clock runs events in order of time, then of planning, and notices when time stands still", () => {
  const clock = new Clock(0);
  const ran: string[] = [];
  clock.at(5, () => ran.push("b"));
  clock.at(1, () => {
    ran.push("a");
    clock.at(5, () => ran.push("d"));
  });
  clock.at(5, () => ran.push("c"));
  clock.runUntil(10);
  expect(ran).toEqual(["a", "b", "c", "d"]);
  const chase = () => clock.at(11, chase);
  chase();
  expect(() => clock.runUntil(20)).toThrow("time stands still");
});
