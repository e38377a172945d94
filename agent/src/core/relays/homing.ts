/**
 * Which relay is home and which one stands by. A first home is chosen at once; it then moves at once for a gain that
 * nobody doubts, for a draining relay or when it is silent; and for a smaller gain when staying has cost as much as a
 * move is worth. Measured beats mapped: to the round trip comes only what the coordinator adds for load and wishes.
 */
import type { RelayId } from "@burrow/protocol";

/** A home moves at once for at least this much and this part, over several samples (design §5.3). */
export const MOVE_GAIN_MS = 10;
export const MOVE_GAIN_FACTOR = 2 / 3;
const MOVE_SAMPLES_MIN = 3;
/**
 * Smaller gains add up: what a home costs above the best relay, by time. At so many ms × s it moves: 20 ms for two and
 * a half minutes, 2 ms for 25. Twice as much after each move within a day: that bounds how often an agent can move.
 */
const REGRET_MS_S = 3000;
/** Less than this, or than this part of the round trip, is noise. */
const NOISE_MS = 1;
const NOISE_SHARE = 0.02;
/** What one moment can add: no single estimate moves a home. */
const REGRET_RATE_MAX_MS = 50;
const REGRET_STEP_MAX_S = 15;
const DAY_MS = 24 * 60 * 60_000;
/** After so many moves within a day only regret moves a home. */
const QUICK_MOVES_MAX = 3;

/** What the decision knows of a relay. */
export interface HomeOption {
  readonly relay: RelayId;
  readonly region: string;
  readonly rttMs: number;
  readonly samples: number;
  /** What the coordinator adds for weight and wishes, and for load. */
  readonly penaltyMs: number;
  readonly crowdMs: number;
  /** Place in the coordinator's ranking, from 0: decides where the round trip cannot tell. */
  readonly rank: number;
  /** The coordinator's choice for a standby: with room even if the home's whole region dies. */
  readonly isReserve: boolean;
  /** To be left: it drains, or is down. */
  readonly draining: boolean;
  /** The coordinator calls it down, though it answers us. */
  readonly isDown: boolean;
}

export interface Homes {
  readonly home: RelayId | undefined;
  readonly standby: RelayId | undefined;
  readonly reason: string;
}

export class Homing {
  #homes: Homes = { home: undefined, standby: undefined, reason: "no relay yet" };
  /** What staying has cost against each other relay, in ms × s. */
  readonly #regret = new Map<RelayId, number>();
  /** When it moved for a gain, the last day's. */
  readonly #moves: number[] = [];
  #lastMs: number | undefined;

  get homes(): Homes {
    return this.#homes;
  }

  /** Moves for a gain within the last day; forced ones do not count. */
  get moves(): number {
    return this.#moves.length;
  }

  /**
   * @param options relays that are bound and answer
   * @param settling the first moments, in which the choice is still free: better answers may yet arrive
   */
  decide(options: readonly HomeOption[], settling: boolean, now: number): Homes {
    while (this.#moves[0] !== undefined && now - this.#moves[0] > DAY_MS) this.#moves.shift();
    const seconds = Math.min(REGRET_STEP_MAX_S, Math.max(0, now - (this.#lastMs ?? now)) / 1000);
    this.#lastMs = now;
    const staying = options.filter(({ draining }) => !draining);
    const best = leastOf(staying) ?? leastOf(options);
    if (best === undefined) return this.#set(undefined, undefined, "no relay answers");
    const [home, reason] = this.#pickHome(best, options, settling, seconds, now);
    if (home.relay !== this.#homes.home) this.#regret.clear();
    return this.#set(home.relay, this.#pickStandby(home, options)?.relay, reason);
  }

  #set(home: RelayId | undefined, standby: RelayId | undefined, reason: string): Homes {
    const { home: oldHome, standby: oldStandby, reason: oldReason } = this.#homes;
    if (home !== oldHome || standby !== oldStandby || reason !== oldReason) {
      this.#homes = { home, standby, reason };
    }
    return this.#homes;
  }

  #pickHome(
    best: HomeOption,
    options: readonly HomeOption[],
    settling: boolean,
    seconds: number,
    now: number,
  ): readonly [HomeOption, string] {
    const { home, standby, reason } = this.#homes;
    if (home === undefined) return [best, `first to answer: ${describe(best)}`];
    const current = options.find(({ relay }) => relay === home);
    if (current === undefined) {
      // Warm, and room is kept there for us: all of a region may be running at this moment.
      const warm = options.find(({ relay, draining }) => relay === standby && !draining);
      const next = warm ?? best;
      return [next, `the home fell silent: ${describe(next)}`];
    }
    if (best === current) {
      this.#addRegret(current, options, seconds);
      return [current, reason];
    }
    if (current.draining && !best.draining) {
      return [best, `the home is ${current.isDown ? "down" : "draining"}: ${describe(best)}`];
    }
    if (settling) return [best, `nearest of those that answered: ${describe(best)}`];
    const regretted = this.#addRegret(current, options, seconds);
    const isQuick = gains(best, current) && best.samples >= MOVE_SAMPLES_MIN;
    if (isQuick && this.#moves.length < QUICK_MOVES_MAX) {
      this.#moves.push(now);
      return [best, gainOf(best, current)];
    }
    if (regretted !== undefined && regretted.samples >= MOVE_SAMPLES_MIN) {
      this.#moves.push(now);
      return [regretted, `long enough ${gainOf(regretted, current)}`];
    }
    return [current, reason];
  }

  /** The relay, if any, against which staying has cost as much as a move is worth. */
  #addRegret(current: HomeOption, options: readonly HomeOption[], seconds: number): HomeOption | undefined {
    const noiseMs = Math.max(NOISE_MS, NOISE_SHARE * current.rttMs);
    const limit = REGRET_MS_S * 2 ** this.#moves.length;
    let most = limit;
    let found: HomeOption | undefined;
    for (const option of options) {
      if (option === current || option.draining) continue;
      const rateMs = Math.min(REGRET_RATE_MAX_MS, scoreOf(current) - scoreOf(option) - noiseMs);
      const regret = Math.max(0, (this.#regret.get(option.relay) ?? 0) + rateMs * seconds);
      this.#regret.set(option.relay, regret);
      if (regret >= most && rateMs > 0) [most, found] = [regret, option];
    }
    return found;
  }

  /** Of another region if there is one, with room if the coordinator says where; it stays unless another gains. */
  #pickStandby(home: HomeOption, options: readonly HomeOption[]): HomeOption | undefined {
    // A relay that drains wants to be rid of everybody: better no standby than one that is about to go.
    const others = options.filter((option) => option !== home && !option.draining);
    const elsewhere = others.filter(({ region }) => region !== home.region);
    const able = elsewhere.length > 0 ? elsewhere : others;
    const reserve = able.find(({ isReserve }) => isReserve);
    if (reserve !== undefined) return reserve;
    const best = leastOf(able);
    const kept = able.find(({ relay }) => relay === this.#homes.standby);
    return kept !== undefined && best !== undefined && !gains(best, kept) ? kept : best;
  }
}

function addedOf({ penaltyMs, crowdMs }: HomeOption): number {
  return penaltyMs + crowdMs;
}

function scoreOf(option: HomeOption): number {
  return option.rttMs + addedOf(option);
}

/**
 * The best by score. Of those that noise cannot tell from it, the one that the crowd speaks for, which spreads agents in
 * proportion to the relays' room; else the first in the ranking.
 */
function leastOf(options: readonly HomeOption[]): HomeOption | undefined {
  const leastMs = Math.min(...options.map(scoreOf));
  let best: HomeOption | undefined;
  for (const option of options) {
    if (scoreOf(option) - leastMs > NOISE_MS) continue;
    const order = best === undefined ? -1 : option.crowdMs - best.crowdMs || option.rank - best.rank;
    if (order < 0) best = option;
  }
  return best;
}

function gains(challenger: HomeOption, holder: HomeOption): boolean {
  // What is added to both says nothing about the part that is gained.
  const common = Math.min(addedOf(challenger), addedOf(holder));
  const [new_, old] = [scoreOf(challenger) - common, scoreOf(holder) - common];
  return old - new_ >= MOVE_GAIN_MS && new_ <= MOVE_GAIN_FACTOR * old;
}

function gainOf(better: HomeOption, than: HomeOption): string {
  const gainMs = scoreOf(than) - scoreOf(better);
  return `${gainMs.toFixed(1)} ms better than ${than.region}: ${describe(better)}`;
}

function describe(option: HomeOption): string {
  return `${option.region} at ${option.rttMs.toFixed(1)} ms, ${option.samples} samples`;
}
