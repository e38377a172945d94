/** Routers that take stray packets for their own (design §7): what they do, and what it must not do to agents. */
import { describe, expect, test } from "bun:test";
import type { Endpoint } from "@burrow/protocol";
import { HARD, type NatKind, PORT_RESTRICTED, STRAY } from "./net/nat.ts";
import { StrayNat } from "./net/stray-nat.ts";
import type { HomePlan, Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { World } from "./world.ts";

/** Machines may be busy. */
const PATIENCE_MS = 120_000;

describe("a router that keeps strays", () => {
  const inner = "192.168.1.10:4000" as Endpoint;
  const [x, y, z] = ["203.0.113.1:1", "203.0.113.2:2", "203.0.113.3:3"] as [Endpoint, Endpoint, Endpoint];
  const outer = "198.51.100.1:4000" as Endpoint;
  const make = () => new StrayNat(STRAY, "198.51.100.1", 60_000, new Random(1));

  test("keeps a socket's port towards everybody, and lets in only those to whom it spoke", () => {
    const nat = make();
    for (const to of [x, y]) expect(nat.outbound(inner, to, 0)).toBe(outer);
    expect(nat.inbound(outer, x, 1)).toBe(inner);
    expect(nat.inbound(outer, z, 1)).toBeUndefined();
  });

  test("gives what answers a stray another port, and whatever follows to anybody new the same", () => {
    const nat = make();
    nat.outbound(inner, x, 0);
    nat.inbound(outer, y, 0);
    const moved = nat.outbound(inner, y, 1);
    expect(moved).not.toBe(outer);
    expect(nat.outbound(inner, z, 2)).toBe(moved);
    // What was open stays where it is.
    expect(nat.outbound(inner, x, 3)).toBe(outer);
  });

  test("forgets a stray after half a minute, and then keeps the socket's port again", () => {
    const nat = make();
    nat.inbound(outer, y, 0);
    const moved = nat.outbound(inner, y, 30_000);
    expect(moved).not.toBe(outer);
    expect(nat.outbound(inner, y, 60_001)).toBe(outer);
  });
});

function home(x: number, nat: NatKind): HomePlan {
  return { position: { x, y: 0 }, nat, firewall: false, carrier: undefined, natTimeoutMs: 60_000 };
}

/** The first two talk; six seconds later the third speaks to the second. */
function planOf(seed: number, homes: readonly [HomePlan, HomePlan, HomePlan], from: 0 | 1): Plan {
  return {
    seed,
    homes,
    agents: homes.map((_, index) => ({ home: index, startMs: 100 * index, skewMs: 0 })),
    relays: [-5, 10, 25].map((x) => ({ position: { x, y: 5 }, skewMs: 0 })),
    talks: [
      { from, to: 1 - from, everyMs: 50 },
      { from: 2, to: 1, everyMs: 50, fromMs: 12_000 },
    ],
    faults: [],
    loss: 0,
    duplication: 0,
    jitterMs: 0,
    talkFromMs: 6_000,
    talkUntilMs: 20_000,
    endMs: 25_000,
    isWide: true,
  };
}

describe("a hard NAT meets one that keeps strays, and leaves it as good as it was for whom comes next", () => {
  for (const from of [0, 1] as const) {
    test(
      from === 0 ? "the hard side begins" : "the other side begins",
      () => {
        for (let seed = 1; seed <= 12; seed++) {
          const homes = [home(0, HARD), home(20, STRAY), home(-10, PORT_RESTRICTED)] as const;
          const plan = planOf(seed, homes, from);
          const { failures, measures } = new World(plan).run();
          expect(failures).toEqual([]);
          const [punchedMs, easyMs] = measures.get("direct found, ms") ?? [];
          expect(punchedMs).toBeLessThan(3_000);
          expect(easyMs).toBeLessThan(400);
        }
      },
      PATIENCE_MS,
    );
  }
});
