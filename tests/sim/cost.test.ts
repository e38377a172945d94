/** What an agent costs its network when nobody says anything, and when hardly anybody does: docs/paths.md has the figures. */
import { expect, test } from "bun:test";
import { FULL_CONE, PORT_RESTRICTED } from "./net/nat.ts";
import type { HomePlan, Plan } from "./plan.ts";
import { World } from "./world.ts";

const PATIENCE_MS = 120_000;
const HOUR_MS = 3_600_000;
/** From here on an hour is measured: all that a start takes is over, and so is the minute after the last word. */
const FROM_MS = 120_000;
/** IPv4 and UDP headers. */
const HEADERS_BYTES = 28;

function home(x: number, nat: HomePlan["nat"]): HomePlan {
  return { position: { x, y: 0 }, nat, firewall: false, carrier: undefined, natTimeoutMs: 60_000 };
}

/** Bytes a second agent sends and gets in an hour in which the first pings it this often, if at all. */
function bytesPerHour(pingEveryMs: number | undefined): number {
  const plan: Plan = {
    seed: 1,
    homes: [home(0, PORT_RESTRICTED), home(20, FULL_CONE)],
    agents: [0, 1].map((index) => ({ home: index, startMs: 100 * index, skewMs: 0 })),
    relays: [-5, 10, 25].map((x) => ({ position: { x, y: 5 }, skewMs: 0 })),
    talks: pingEveryMs === undefined ? [] : [{ from: 0, to: 1, everyMs: pingEveryMs }],
    faults: [],
    loss: 0,
    duplication: 0,
    jitterMs: 0,
    talkFromMs: 6_000,
    talkUntilMs: FROM_MS + HOUR_MS,
    endMs: FROM_MS + HOUR_MS,
  };
  const world = new World(plan);
  const { host } = world.agent(1);
  let bytes = 0;
  const count = (at: unknown, datagram: Uint8Array) => {
    if (at === host && world.sinceStartMs >= FROM_MS) bytes += datagram.length + HEADERS_BYTES;
  };
  world.net.taps.push({ sent: count, arrived: count });
  world.run();
  return bytes;
}

const documentation = await Bun.file(new URL("../../docs/paths.md", import.meta.url)).text();

for (const [what, pingEveryMs] of [
  ["idle", undefined],
  ["one peer, a packet every 25 s", 25_000],
  ["one peer, a packet every second", 1_000],
] as const) {
  test(
    `an hour: ${what}`,
    () => {
      const kilobytes = Math.round(bytesPerHour(pingEveryMs) / 1_000);
      console.log(`${what}: ${kilobytes} kB an hour, both ways`);
      const told = new RegExp(`\\| ${what} +\\| (\\d+) kB`).exec(documentation)?.[1];
      expect(Number(told)).toBeGreaterThanOrEqual(kilobytes);
      expect(Number(told)).toBeLessThanOrEqual(1.1 * kilobytes);
    },
    PATIENCE_MS,
  );
}
