/** The simulator in small: fast enough for every run of the tests, and strict where the targets are. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulateAgent } from "./agent.ts";
import { killRegion, overbooked, regionOfShare } from "./death.ts";
import { fleetOf, simulateHomes } from "./homes.ts";
import { judgeLostProbe } from "./lost-probe.ts";
import { readMatrix } from "./matrix.ts";
import { judgePairs } from "./pairs.ts";
import { randomFrom } from "./random.ts";
import { makeCrowd, makeFleet, rebook, settle } from "./scale.ts";
import { makeResident, makeWorld, NOISY, QUIET } from "./world.ts";

// Seconds of computing, and more where the machine is shared.
setDefaultTimeout(120_000);

const DATA = join(import.meta.dir, "../../data/latency");
const matrices = ["gcp-2020", "aws-2020"].map((name) => readMatrix(join(DATA, name)));

describe.each(matrices)("homes on $name", (matrix) => {
  const plan = { seed: 5, relayCounts: [9], agentsPerSite: 1, relaysMeasure: true };

  test("as it is: the best relay, nearly always", () => {
    const { judged, populated } = simulateHomes(
      matrix,
      { ...plan, worlds: 4, minutes: 10, noise: QUIET },
      [8],
    );
    const [ours] = judged;
    expect(ours?.excessMs.mean).toBeLessThan(0.5);
    expect(ours?.movesPerAgentDay).toBe(0);
    const { burrow, random } = judgePairs(populated, [8], 20, 5).excessMs;
    expect(burrow?.mean).toBeLessThan(2);
    expect(random?.mean).toBeGreaterThan(50);
  });

  test("pairs do nearly as well where nobody has measured between the relays", () => {
    const guessed = { ...plan, relaysMeasure: false, worlds: 4, minutes: 10, noise: QUIET };
    const { populated } = simulateHomes(matrix, guessed, [8]);
    const { burrow } = judgePairs(populated, [8], 20, 5).excessMs;
    expect(burrow?.mean).toBeLessThan(2);
  });

  test("with noise: within the targets, and moves are bounded", () => {
    const { judged } = simulateHomes(matrix, { ...plan, worlds: 1, minutes: 360, noise: NOISY }, []);
    const [ours, mapNearest] = judged;
    expect(ours?.excessMs.mean).toBeLessThanOrEqual(1);
    expect(ours?.excessMs.p99).toBeLessThanOrEqual(10);
    expect(ours?.movesPerAgentDayMax).toBeLessThanOrEqual(6);
    expect(ours?.excessMs.mean).toBeLessThan(mapNearest?.excessMs.mean ?? 0);
  });

  test("one lost probe moves nobody", () => {
    expect(judgeLostProbe(matrix, 5).moved).toBe(0);
  });

  test("the same seed gives the same world", () => {
    const run = () => simulateHomes(matrix, { ...plan, worlds: 1, minutes: 30, noise: NOISY }, []).judged;
    expect(run()).toEqual(run());
  });
});

test("a region dies: all have a living standby, and no relay gets more than it has room for", () => {
  const plan = { seed: 5, agents: 10_000, relays: 200, headroom: 1.5 };
  const fleet = makeFleet(plan);
  const crowd = makeCrowd(plan.agents);
  settle(plan, fleet, crowd);
  for (let rounds = 0; rounds < 3; rounds++) rebook(fleet, crowd);
  expect(overbooked(fleet)).toBe(0);
  const death = killRegion(fleet, crowd, regionOfShare(fleet, crowd, 0.1), 5);
  expect(death.agents).toBeGreaterThan(500);
  expect(death).toMatchObject({ unserved: 0, relaysAboveRoom: 0, relaysAboveRoomAfterSecondDeath: 0 });
  expect(death.servedAfterMs.max).toBeLessThan(2_000);
  expect(death.stampede.fullest).toBeGreaterThan(1.5);
});

test("relays of one place share the agents there in proportion to their room", () => {
  const [matrix] = matrices;
  if (matrix === undefined) throw new Error("no matrix");
  const world = makeWorld(matrix, QUIET, [0, 0], 3, randomFrom(5));
  const { rtts, relays } = fleetOf(world, 5, true);
  const [capacity, loads] = [100, [75, 25]];
  const fleet = { rtts, relays: relays.map((relay, i) => ({ ...relay, capacity, load: loads[i] ?? 0 })) };
  let atSecond = 0;
  for (let n = 1; n <= 200; n++) {
    const id = (n * 0x9e3779b1).toString(16).padStart(16, "0");
    const { homeAt5s } = simulateAgent(makeResident(world, 1, [5, n]), fleet, id, new Set());
    if (homeAt5s === 1) atSecond++;
  }
  expect(atSecond).toBeGreaterThan(130);
  expect(atSecond).toBeLessThan(170);
});

test("a matrix that is not one says where", () => {
  const directory = mkdtempSync(join(tmpdir(), "burrow-matrix-"));
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  expect(() => readMatrix(directory)).toThrow("sites.csv cannot be read");
  write("sites.csv", "name,lat,lon\na,1,2\nb,91,0\n");
  expect(() => readMatrix(directory)).toThrow("sites.csv:3");
  write("sites.csv", "name,lat,lon\na,1,2\nb,3,4\n");
  expect(() => readMatrix(directory)).toThrow("fewer than 3 sites");
  write("sites.csv", "name,lat,lon\na,1,2\nb,3,4\nc,5,6\n");
  write("a.dat", "0.1/0.2/0.3/0.1:a\n1/2/3/1:b\n3/4/5/1:c\n");
  write("c.dat", "3/4/5/1:a\n1/3/3/1:b\n0.1/0.1/0.1/0.1:c\n");
  expect(() => readMatrix(directory)).toThrow("b.dat cannot be read");
  write("b.dat", "1/2/3/1:a\n");
  expect(() => readMatrix(directory)).toThrow("b.dat: no line for b");
  for (const ms of ["x", "NaN", "-1", "Infinity"]) {
    write("b.dat", `1/2/3/1:a\n0.1/${ms}/0.3/0.1:b\n`);
    expect(() => readMatrix(directory)).toThrow("b.dat:2");
  }
  write("b.dat", "1/2/3/1:a\n0.1/0.1/0.3/0.1:b\n2/3/4/1:c\n");
  expect(readMatrix(directory).rttMs).toEqual([
    [0.2, 2, 4],
    [2, 0.1, 3],
    [4, 3, 0.1],
  ]);
  rmSync(directory, { recursive: true });
});
