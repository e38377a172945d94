/** What decides inside an agent, behind one interface: the rule for homes and the estimate of a round trip. */
import { chooseHomes, type Homes } from "../../../agent/src/core/relays/homing.ts";
import { RttEstimator } from "../../../agent/src/core/rtt.ts";
import { type HomeOption, Homing } from "./homing-next.ts";

export interface HomeRule {
  readonly homes: Homes;
  /** Moves for a gain within a day. */
  readonly moves: number;
  decide(options: readonly HomeOption[], settling: boolean, now: number): Homes;
}

export interface Least {
  sample(rttMs: number, now: number): void;
  readonly leastMs: number | undefined;
}

export interface AgentRules {
  homing(): HomeRule;
  least(): Least;
}

export const RULES: AgentRules = { homing: () => new Homing(), least: () => new RttEstimator() };

/** By a fixed gain alone. */
export const FIXED_GAIN_RULES: AgentRules = {
  homing: () => new FixedGain(),
  least: () => new RttEstimator(),
};

class FixedGain implements HomeRule {
  homes: Homes = { home: undefined, standby: undefined, reason: "no relay yet" };
  moves = 0;

  decide(options: readonly HomeOption[], settling: boolean): Homes {
    const before = this.homes;
    this.homes = chooseHomes(options, before, settling);
    const moved = this.homes.home !== before.home && !settling;
    if (moved && options.some(({ relay }) => relay === before.home)) this.moves++;
    return this.homes;
  }
}
