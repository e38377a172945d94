/** Worlds of two agents, made for one question each: how two networks find together. */
import { describe, expect, test } from "bun:test";
import { FULL_CONE, HARD, type NatKind, PORT_RESTRICTED, SEQUENTIAL } from "./net/nat.ts";
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

describe("two hard NATs that both give their ports in order meet where each expects the other", () => {
  for (const steps of [
    [1, 1],
    [1, 2],
    [-1, 1],
  ] as const) {
    test(
      `steps ${steps.join(" and ")}`,
      () => {
        for (let seed = 1; seed <= 3; seed++) {
          const [near, far] = steps.map((portStep, i) => home(20 * i, { ...SEQUENTIAL, portStep }));
          if (near === undefined || far === undefined) throw new Error("two homes");
          const { failures, measures } = new World(planOf(seed, [near, far])).run();
          expect(failures).toEqual([]);
          const [foundMs] = measures.get("direct found, ms") ?? [];
          expect(foundMs).toBeLessThan(2_000);
        }
      },
      PATIENCE_MS,
    );
  }
});

test(
  "while the coordinator is gone, two agents that both move find a direct path, told by each other through the relay",
  () => {
    for (let seed = 1; seed <= 4; seed++) {
      const plan: Plan = {
        ...planOf(seed, [home(0, PORT_RESTRICTED), home(20, FULL_CONE)]),
        faults: [
          { fault: { is: "coordinator-gone" }, atMs: 8_000, forMs: 60_000 },
          {
            fault: { is: "moved", agent: 0, to: home(3, PORT_RESTRICTED), awayMs: 300 },
            atMs: 10_000,
            forMs: 0,
          },
          {
            fault: { is: "moved", agent: 1, to: home(18, PORT_RESTRICTED), awayMs: 0 },
            atMs: 10_100,
            forMs: 0,
          },
        ],
        talkUntilMs: 30_000,
        endMs: 35_000,
      };
      // The watches say so if the two are not direct when they stop talking.
      expect(new World(plan).run().failures).toEqual([]);
    }
  },
  PATIENCE_MS,
);

test(
  "draining relays one after another under a stream costs no packet",
  () => {
    for (const seed of [6, 7, 8, 9]) {
      const drain = (relay: number) =>
        ({ fault: { is: "relay-drained", relay }, atMs: 9_822 + 10_000 * relay, forMs: 5_000 }) as const;
      const world = new World({
        ...planOf(seed, [home(0, HARD), home(20, HARD)]),
        relays: [-5, 10, 25].map((x) => ({ position: { x: x + (seed % 5), y: 5 }, skewMs: 0 })),
        talks: [{ from: 0, to: 1, everyMs: 20 }],
        faults: [0, 1, 2].map(drain),
        // Two hard NATs: a relay it is. Packets pass each other on the way.
        jitterMs: 8,
        talkUntilMs: 36_000,
        endMs: 40_000,
      });
      const node = world.agent(0);
      const before = node.onEvent;
      const answered = new Set<number>();
      node.onEvent = (event) => {
        before(event);
        if (event.type === "echo") answered.add(event.reply.sequence);
      };
      expect(world.run().failures).toEqual([]);
      expect(answered.size).toBe((36_000 - 6_000) / 20);
    }
  },
  PATIENCE_MS,
);
