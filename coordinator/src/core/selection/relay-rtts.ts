/**
 * Round trips between relays: as they measured one another; where they have not yet, as agents beside one of them tell,
 * which is a prediction; and by the map where nobody has told anything.
 */
import type { Place, RelayId } from "@burrow/protocol";
import { besideEstimate, type Estimate, mappedBetweenRelays, measuredByBoth } from "./estimate.ts";

export interface PlacedRelay {
  readonly id: RelayId;
  readonly at?: Place | undefined;
}

/** Relays wait no longer for an answer: whoever tells of more has not measured it. */
const RTT_MAX_MS = 1_000;

export class RelayRtts {
  /** Each direction as it was measured, in ms. */
  readonly #measured = new Map<RelayId, Map<RelayId, number>>();
  /** What is made of both directions, or of the map: looked up far more often than reported. */
  readonly #estimates = new Map<RelayId, Map<RelayId, Estimate>>();

  /** `from` says that it measured this; the newest word counts. */
  report(from: RelayId, rtts: readonly { readonly relay: RelayId; readonly rttMs: number }[]): void {
    const row = rowOf(this.#measured, from);
    for (const { relay, rttMs: toldMs } of rtts) {
      if (relay === from) continue;
      const rttMs = Math.min(toldMs, RTT_MAX_MS);
      row.set(relay, rttMs);
      const estimate = measuredByBoth(rttMs, this.#measured.get(relay)?.get(from) ?? rttMs);
      rowOf(this.#estimates, from).set(relay, estimate);
      rowOf(this.#estimates, relay).set(from, estimate);
    }
  }

  /** Agents beside `from` measured this: good for as long as no relay has. */
  hearsay(from: RelayId, rtts: readonly { readonly relay: RelayId; readonly rttMs: number }[]): void {
    for (const { relay, rttMs } of rtts) {
      if (relay === from || rowOf(this.#estimates, from).get(relay)?.source === "measured") continue;
      const estimate = besideEstimate(rttMs);
      rowOf(this.#estimates, from).set(relay, estimate);
      rowOf(this.#estimates, relay).set(from, estimate);
    }
  }

  forget(relay: RelayId): void {
    for (const table of [this.#measured, this.#estimates]) {
      table.delete(relay);
      for (const row of table.values()) row.delete(relay);
    }
  }

  /** Undefined when nothing is known. */
  between(a: PlacedRelay, b: PlacedRelay): Estimate | undefined {
    return this.from(a)(b);
  }

  /** The same for many with one end in common. */
  from(a: PlacedRelay): (b: PlacedRelay) => Estimate | undefined {
    const row = rowOf(this.#estimates, a.id);
    return (b) => {
      const known = row.get(b.id);
      if (known !== undefined) return known;
      if (a.id === b.id) return SAME;
      if (a.at === undefined || b.at === undefined) return undefined;
      const mapped = mappedBetweenRelays(a.at, b.at);
      row.set(b.id, mapped);
      return mapped;
    };
  }
}

function rowOf<Value>(table: Map<RelayId, Map<RelayId, Value>>, relay: RelayId): Map<RelayId, Value> {
  let row = table.get(relay);
  if (row === undefined) {
    row = new Map();
    table.set(relay, row);
  }
  return row;
}

const SAME: Estimate = { ms: 0, lowMs: 0, highMs: 0.5, source: "measured" };
