/** What an agent keeps for its next start: the map, and where its Binds have to begin to count. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "@burrow/platform";
import type { Netmap } from "../core/contract.ts";
import { loadCoordinatorUrl, loadFirstSequence, loadNetmap, NetmapSaver } from "./netmap-file.ts";

const URL_KEPT = "https://burrow.example.net";
const NOW = 1_790_000_000_000;
const NETMAP = {
  agent: {
    id: "00000000000000aa",
    name: "me",
    network: "00000000000000bb",
    networkName: "default",
    ipv4: "100.64.0.1",
    ipv6: "fd00::1",
  },
  observed: { address: "198.51.100.7" },
  ...{ relays: [], ranking: [], tickets: [], peers: [] },
} as unknown as Netmap;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "burrow-netmap-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function run(clock: number): Promise<number> {
  const firstSequence = await loadFirstSequence(directory, clock);
  const saver = new NetmapSaver(directory, { coordinatorUrl: URL_KEPT, firstSequence });
  saver.save(NETMAP);
  await saver.close();
  return firstSequence;
}

test("each run's Binds count from above the last run's, wherever the clock stands", async () => {
  const clocks = [NOW, NOW + 5_000, NOW - 60_000, 0, 0, NOW + 1e9];
  const firsts: number[] = [];
  for (const clock of clocks) firsts.push(await run(clock));
  expect(firsts[0]).toBe(NOW);
  // A Bind a second for a month.
  for (const [i, first] of firsts.slice(1).entries())
    expect(first - (firsts[i] ?? 0)).toBeGreaterThan(2_592_000);
  expect(firsts.at(-1)).toBe(NOW + 1e9);
});

test("the map and whose it is are there as well", async () => {
  expect(await loadNetmap(directory)).toMatchObject({ agent: { name: "me" } });
  expect(await loadCoordinatorUrl(directory)).toBe(URL_KEPT);
});

test("a file that cannot be read, or tells of no sequence, leaves the clock", async () => {
  for (const text of ["", "{", "null", '{"firstSequence":-1}', '{"firstSequence":"7"}', "{}"]) {
    await writeFileAtomic(join(directory, "netmap.json"), text, 0o600);
    expect(await loadFirstSequence(directory, NOW + 0.7)).toBe(NOW);
  }
});
