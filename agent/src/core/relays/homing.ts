/**
 * Which relay is home and which one stands by. A first home is chosen at once; it then moves only for a real gain,
 * for a draining relay, or at once when it is silent (design §5). Measured beats mapped: the coordinator's ranking
 * decides only between relays that the round trip cannot tell apart.
 */
import type { RelayId } from "@burrow/protocol";

/** A home moves for at least this much and this part, over several samples (design §5.3). */
export const MOVE_GAIN_MS = 10;
export const MOVE_GAIN_FACTOR = 2 / 3;
const MOVE_SAMPLES_MIN = 3;

/** What the decision knows of a relay. */
export interface HomeOption {
  readonly relay: RelayId;
  readonly region: string;
  readonly rttMs: number;
  readonly samples: number;
  /** Place in the coordinator's ranking, from 0. */
  readonly rank: number;
  readonly draining: boolean;
}

export interface Homes {
  readonly home: RelayId | undefined;
  readonly standby: RelayId | undefined;
  readonly reason: string;
}

/**
 * @param options relays that are bound and answer
 * @param settling the first moments, in which the choice is still free: better answers may yet arrive
 */
export function chooseHomes(options: readonly HomeOption[], current: Homes, settling: boolean): Homes {
  const ranked = sortOptions(options);
  const best = ranked[0];
  if (best === undefined) return { home: undefined, standby: undefined, reason: "no relay answers" };
  const now = ranked.find((option) => option.relay === current.home);
  const [home, reason] = pickHome(best, now, current, settling);
  const others = ranked.filter((option) => option !== home);
  const kept = others.find((option) => option.relay === current.standby && !option.draining);
  const elsewhere = others.find((option) => option.region !== home.region && !option.draining);
  // A relay that drains wants to be rid of everybody: better no standby than one that is about to go.
  const candidate = elsewhere ?? others.find((option) => !option.draining);
  // The standby has to be there more than it has to be near: it stays unless another gains as a home would.
  const standby = kept !== undefined && candidate !== undefined && !gains(candidate, kept) ? kept : candidate;
  return { home: home.relay, standby: standby?.relay, reason };
}

function pickHome(
  best: HomeOption,
  now: HomeOption | undefined,
  current: Homes,
  settling: boolean,
): [HomeOption, string] {
  if (now === undefined) {
    const why = current.home === undefined ? "first to answer" : "the home fell silent";
    return [best, `${why}: ${describe(best)}`];
  }
  if (best === now) return [now, current.reason];
  if (now.draining && !best.draining) return [best, `the home is draining: ${describe(best)}`];
  if (settling) return [best, `nearest of those that answered: ${describe(best)}`];
  const moves = gains(best, now) && best.samples >= MOVE_SAMPLES_MIN;
  if (moves)
    return [best, `${(now.rttMs - best.rttMs).toFixed(0)} ms nearer than ${now.region}: ${describe(best)}`];
  return [now, current.reason];
}

function gains(challenger: HomeOption, holder: HomeOption): boolean {
  return (
    holder.rttMs - challenger.rttMs >= MOVE_GAIN_MS && challenger.rttMs <= MOVE_GAIN_FACTOR * holder.rttMs
  );
}

/**
 * Draining last; then those that the round trip cannot tell from the nearest one, in the coordinator's order; then
 * the others by round trip.
 */
function sortOptions(options: readonly HomeOption[]): HomeOption[] {
  const staying = options.filter((option) => !option.draining);
  const leastMs = Math.min(...(staying.length > 0 ? staying : options).map((option) => option.rttMs));
  const isNear = (option: HomeOption) => option.rttMs - leastMs < MOVE_GAIN_MS;
  return options.toSorted((a, b) => {
    if (a.draining !== b.draining) return a.draining ? 1 : -1;
    if (isNear(a) !== isNear(b)) return isNear(a) ? -1 : 1;
    return isNear(a) ? a.rank - b.rank || a.rttMs - b.rttMs : a.rttMs - b.rttMs;
  });
}

function describe(option: HomeOption): string {
  return `${option.region} at ${option.rttMs.toFixed(1)} ms, ${option.samples} samples`;
}
