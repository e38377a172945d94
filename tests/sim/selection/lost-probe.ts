/** One lost probe: each agent, long settled, loses exactly one packet, and nobody may move for it. */
import type { AgentId } from "@burrow/protocol";
import { simulateAgent } from "./agent.ts";
import { fleetOf } from "./homes.ts";
import type { Matrix } from "./matrix.ts";
import { below, randomFrom, sample } from "./random.ts";
import { makeResident, makeWorld, QUIET } from "./world.ts";

const MINUTES = 12;
/** One that comes after the first minutes, and before the last ones, in which its loss is to show. */
const SETTLED_SHARE = 0.4;
const LOST_SHARE = 0.4;

export function judgeLostProbe(
  matrix: Matrix,
  seed: number,
): { readonly agents: number; readonly moved: number } {
  const random = randomFrom(seed, 21);
  const count = Math.max(2, Math.floor(matrix.sites.length / 2));
  const sites = sample(random, matrix.sites.length, count);
  const world = makeWorld(matrix, QUIET, sites, MINUTES, random);
  const fleet = fleetOf(world, seed, true);
  let [agents, moved] = [0, 0];
  for (let n = 0; n < 200; n++) {
    const site = below(random, matrix.sites.length);
    const resident = makeResident(world, site, [seed, n, 22]);
    const id = (n * 0x9e3779b1).toString(16).padStart(16, "0").slice(-16) as AgentId;
    // How many probes it sends follows from how many relays there are: in a small world, not many.
    const { probes } = simulateAgent(makeResident(world, site, [seed, n, 22]), fleet, id, new Set());
    const lost = Math.floor(probes * SETTLED_SHARE) + below(random, Math.floor(probes * LOST_SHARE));
    const outcome = simulateAgent(resident, fleet, id, new Set(), lost);
    agents++;
    if (outcome.probes <= lost) throw new Error("the probe to be lost was never sent");
    if (outcome.moves.length + outcome.forcedMoves > 0) moved++;
  }
  return { agents, moved };
}
