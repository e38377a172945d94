/** Worlds of two agents, made for one question each: how two networks find together. */
import { describe, expect, test } from "bun:test";
import { FULL_CONE, type NatKind, PORT_RESTRICTED, SEQUENTIAL } from "./net/nat.ts";
import type { HomePlan, Plan } from "./plan.ts";
import { World } from "./world.ts";

/** Machines may be busy. */
const PATIENCE_MS = 60_000;

function home(x: number, nat: NatKind | undefined): HomePlan {
  return { position: { x, y: 0 }, nat, firewall: false, carrier: undefined, natTimeoutMs: 60_000 };
}

/** Two agents 20 ms from each other, relays between, one that talks. */
function planOf(seed: number, homes: readonly [HomePlan, HomePlan]): Plan {
  return {
    seed,
    homes,
    agents: homes.map((_, index) => ({ home: index, startMs: 100 * index, skewMs: 0 })),
    relays: [-5, 10, 25].map((x) => ({ position: { x, y: 5 }, skewMs: 0 })),
    talks: [{ from: 0, to: 1, everyMs: 50 }],
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

describe("a NAT that gives its ports in order is met at the first guesses", () => {
  const easy = [PORT_RESTRICTED, FULL_CONE, undefined] as const;
  for (const step of [1, 2, -1]) {
    for (const other of easy) {
      test(
        `step ${step}, against ${other?.name ?? "no NAT"}`,
        () => {
          const orderly = { ...SEQUENTIAL, portStep: step };
          for (let seed = 1; seed <= 3; seed++) {
            const plan = planOf(seed, [home(0, orderly), home(20, other)]);
            const { failures, measures } = new World(plan).run();
            expect(failures).toEqual([]);
            // Introduced within 100 ms; then a volley and its answers, 44 ms apart. No random port takes part before 300 ms.
            for (const ms of measures.get("direct found, ms") ?? []) expect(ms).toBeLessThan(300);
            expect(measures.get("direct found, ms")).toHaveLength(1);
          }
        },
        PATIENCE_MS,
      );
    }
  }
});
