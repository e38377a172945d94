/** Round trips between relays: as they measured one another, and by the map where they have not yet. */
import type { Place, RelayId } from "@burrow/protocol";
import { type Estimate, mappedBetweenRelays, measuredEstimate } from "./estimate.ts";

export interface PlacedRelay {
  readonly id: RelayId;
  readonly at?: Place | undefined;
}

export class RelayRtts {
  readonly #measured = new Map<RelayId, Map<RelayId, number>>();
  readonly #mapped = new Map<RelayId, Map<RelayId, Estimate>>();

  /** `from` says that it measured this; the newest word counts. */
  report(from: RelayId, rtts: readonly { readonly relay: RelayId; readonly rttMs: number }[]): void {
    const row = this.#measured.get(from) ?? new Map<RelayId, number>();
    this.#measured.set(from, row);
    for (const { relay, rttMs } of rtts) row.set(relay, rttMs);
  }

  forget(relay: RelayId): void {
    this.#measured.delete(relay);
    this.#mapped.delete(relay);
    for (const row of this.#measured.values()) row.delete(relay);
    for (const row of this.#mapped.values()) row.delete(relay);
  }

  /** The less of both directions: a round trip is one, and noise only adds. Undefined when nothing is known. */
  between(a: PlacedRelay, b: PlacedRelay): Estimate | undefined {
    if (a.id === b.id) return SAME;
    const one = this.#measured.get(a.id)?.get(b.id);
    const other = this.#measured.get(b.id)?.get(a.id);
    const ms = one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
    if (ms !== undefined) return measuredEstimate(ms);
    if (a.at === undefined || b.at === undefined) return undefined;
    const row = this.#mapped.get(a.id) ?? new Map<RelayId, Estimate>();
    this.#mapped.set(a.id, row);
    let mapped = row.get(b.id);
    if (mapped === undefined) {
      mapped = mappedBetweenRelays(a.at, b.at);
      row.set(b.id, mapped);
    }
    return mapped;
  }
}

const SAME: Estimate = { ms: 0, lowMs: 0, highMs: 0.5, source: "measured" };
