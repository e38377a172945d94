/** What the coordinator hears of an agent, and how often. */
import { expect, test } from "bun:test";
import { type FromAgent, PATHS_MAX } from "@burrow/protocol";
import type { Agent } from "./agent.ts";
import { Reporter } from "./reporter.ts";

const HOME = "0000000000000001";

class AgentStandIn {
  readonly whereabouts = { candidates: [{ kind: "host", endpoint: "10.0.0.1:1" }], nat: "unknown" };
  readonly peers = { all: [] as unknown[], get: () => undefined };
  readonly tunnel = { statistics: () => undefined };
  readonly relays = {
    homes: { home: HOME as string | undefined, standby: undefined, reason: "near" },
    links: [{ info: { id: HOME }, rtt: { leastMs: 12.5 } }],
  };
  readonly said: FromAgent[] = [];
  readonly reporter = new Reporter(this as unknown as Agent, (message) => {
    this.said.push(message);
    return true;
  });

  get types(): string[] {
    return this.said.map(({ type }) => type);
  }

  run(fromMs: number, forMs: number): void {
    for (;;) {
      const next = this.reporter.nextDeadline();
      if (next === undefined || next > fromMs + forMs) return;
      this.reporter.tick(next);
    }
  }
}

test("all is said when the channel comes up: candidates and home at once, paths a moment later", () => {
  const one = new AgentStandIn();
  one.reporter.channelUp(1_000);
  expect(one.types).toEqual(["candidates", "home"]);
  expect(one.said[1]).toMatchObject({ home: HOME, rtts: [{ relay: HOME, rttMs: 12.5 }], reason: "near" });
  one.run(1_000, 500);
  expect(one.types).toEqual(["candidates", "home", "paths"]);
  one.run(1_500, 1_000);
  expect(one.types).toEqual(["candidates", "home", "paths", "figures"]);
});

test("changes of paths are gathered", () => {
  const one = new AgentStandIn();
  for (let ms = 0; ms < 150; ms += 10) one.reporter.pathsChanged(ms);
  one.run(0, 900);
  expect(one.types).toEqual(["paths"]);
});

test("the more paths there are to tell, the rarer they are told: never more than 128 KB a second", () => {
  const one = new AgentStandIn();
  const paths = { isAwake: true, current: undefined, currentPath: undefined, currentSinceMs: 0 };
  const reason = "r".repeat(500);
  one.peers.all = Array.from({ length: 400 }, (_, n) => ({
    info: { id: n.toString(16).padStart(16, "0") },
    paths: { ...paths, reason },
  }));
  for (let ms = 0; ms < 60_000; ms += 50) {
    one.reporter.pathsChanged(ms);
    one.reporter.tick(ms);
  }
  const told = one.said.filter((message) => message.type === "paths");
  expect(told.length).toBeGreaterThan(20);
  expect(new Set(told.map((message) => message.paths.length))).toEqual(new Set([PATHS_MAX]));
  expect(JSON.stringify(told).length / 60).toBeLessThan(128 * 1024);
});

test("round trips are said again once a minute, changed or not", () => {
  const one = new AgentStandIn();
  one.reporter.homeChanged(0);
  one.run(0, 600_000);
  expect(one.types.length).toBe(11);
});

test("an agent that never had a home does not speak of one; candidates that are gone are taken back", () => {
  const one = new AgentStandIn();
  one.whereabouts.candidates.length = 0;
  one.relays.homes.home = undefined;
  one.reporter.channelUp(0);
  expect(one.said).toEqual([{ type: "candidates", candidates: [], nat: "unknown" }]);
  one.relays.homes.home = HOME;
  one.reporter.homeChanged(1);
  one.relays.homes.home = undefined;
  one.reporter.homeChanged(2);
  expect(one.said.at(-1)).toMatchObject({ type: "home", home: undefined });
});

test("figures are told once after a change, and not again while nothing is new", () => {
  const one = new AgentStandIn();
  one.reporter.channelUp(0);
  one.run(0, 600_000);
  expect(one.types.filter((type) => type === "figures")).toEqual(["figures"]);
  one.reporter.channelUp(600_000);
  one.run(600_000, 600_000);
  expect(one.types.filter((type) => type === "figures")).toHaveLength(2);
});
