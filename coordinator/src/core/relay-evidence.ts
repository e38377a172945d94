/**
 * Round trips between relays as networks saw them: agents right beside a relay tell how far the others are. What comes
 * of it is shared by all networks, and any agent may lie; so each network has one voice per pair of relays, its latest,
 * and the median of the voices counts once enough networks have spoken.
 */
import type { NetworkId, RelayId } from "@burrow/protocol";

/** Of three voices one may lie without effect. */
const VOICES_LEAST = 3;
/** Kept per pair of relays, the latest: more would not move the median by much. */
const VOICES_MAX = 15;

export interface MeasuredRtt {
  readonly relay: RelayId;
  readonly rttMs: number;
}

export class RelayEvidence {
  /** From a relay, to another: by network, in the order in which they last spoke. */
  readonly #voices = new Map<RelayId, Map<RelayId, Map<NetworkId, number>>>();

  /** How many voices are kept. */
  get size(): number {
    let size = 0;
    for (const row of this.#voices.values()) for (const voices of row.values()) size += voices.size;
    return size;
  }

  /**
   * Takes what an agent of `network` measured beside `from`; the relays must be known ones. Returns what is to be
   * believed of these pairs now.
   * @param networks how many there are: with fewer than three all must have spoken
   */
  hear(from: RelayId, network: NetworkId, rtts: readonly MeasuredRtt[], networks: number): MeasuredRtt[] {
    const row = this.#voices.get(from) ?? new Map<RelayId, Map<NetworkId, number>>();
    this.#voices.set(from, row);
    const believed: MeasuredRtt[] = [];
    for (const { relay, rttMs } of rtts) {
      if (relay === from) continue;
      const voices = row.get(relay) ?? new Map<NetworkId, number>();
      row.set(relay, voices);
      voices.delete(network);
      voices.set(network, rttMs);
      if (voices.size > VOICES_MAX) voices.delete(voices.keys().next().value ?? network);
      if (voices.size >= Math.min(VOICES_LEAST, networks)) believed.push({ relay, rttMs: median(voices) });
    }
    return believed;
  }

  forget(relay: RelayId): void {
    this.#voices.delete(relay);
    for (const row of this.#voices.values()) row.delete(relay);
  }
}

/** Of an even number the higher one: a round trip told too short draws others, one told too long only repels. */
function median(voices: ReadonlyMap<NetworkId, number>): number {
  const sorted = [...voices.values()].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
