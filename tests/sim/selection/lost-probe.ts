/** One lost probe: each agent, long settled, loses exactly one packet to its home, and nobody may move for it. */
import type { AgentId } from "@burrow/protocol";
import { simulateAgent } from "./agent.ts";
import { fleetOf } from "./homes.ts";
import type { Matrix } from "./matrix.ts";
import { below, randomFrom, sample } from "./random.ts";
import { makeResident, makeWorld, QUIET } from "./world.ts";

const MINUTES = 12;
/** Of about 15 first samples and 20 a minute later on, one that comes after the first minutes. */
const FIRST_LOST = 60;
const LOST_RANGE = 60;

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
    const lost = FIRST_LOST + below(random, LOST_RANGE);
    const id = (n * 0x9e3779b1).toString(16).padStart(16, "0").slice(-16) as AgentId;
    const outcome = simulateAgent(resident, fleet, id, new Set(), lost);
    agents++;
    if (outcome.probes <= lost) throw new Error("the probe to be lost was never sent");
    if (outcome.moves.length + outcome.forcedMoves > 0) moved++;
  }
  return { agents, moved };
}
