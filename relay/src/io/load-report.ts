/**
 * What heartbeats tell of the data plane: its latest counters, asked for one beat ahead. A data plane that gives none for
 * a while is stuck, and then there is nothing to tell: the coordinator takes the silence for what it is and sends
 * agents elsewhere, while this process may be quite well.
 */
import type { RelayLoad, RelayReach } from "@burrow/protocol";
import { ReachNews } from "../core/reach-news.ts";
import type { Sounding } from "../core/soundings.ts";
import type { DataPlane } from "./data-plane.ts";
import { log } from "./log.ts";

/** With the silence that the coordinator allows, agents are sent elsewhere within 7 s. */
export const SILENT_MAX_MS = 3_000;

export class LoadReport {
  readonly #plane: Pick<DataPlane, "snapshot">;
  readonly #sessionsMax: number | undefined;
  #last: RelayLoad;
  #soundings: readonly Sounding[] = [];
  readonly #reach = new ReachNews();
  /** The first question that has had no answer yet. */
  #unansweredSince: number | undefined;
  #isAsking = false;
  #isSilent = false;

  /** @param sessionsMax how many agents the relay says it has room for */
  constructor(plane: Pick<DataPlane, "snapshot">, sessionsMax?: number) {
    this.#plane = plane;
    this.#sessionsMax = sessionsMax;
    this.#last = { sessions: 0, sessionsMax, flows: 0, packets: 0, bytes: 0, drops: {} };
  }

  /** The latest counters that have come; undefined when none do any more. */
  take(now: number): RelayLoad | undefined {
    const isSilent = this.#unansweredSince !== undefined && now - this.#unansweredSince >= SILENT_MAX_MS;
    if (isSilent && !this.#isSilent) log.error("the data plane does not answer: no heartbeats until it does");
    this.#isSilent = isSilent;
    this.#ask(now);
    return isSilent ? undefined : this.#last;
  }

  /** What is new of other relays. */
  takeReach(): RelayReach[] {
    return this.#reach.take(this.#soundings);
  }

  #ask(now: number): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#unansweredSince ??= now;
    this.#plane.snapshot().then(
      ({ forwarder: { sessions, flows, packets, bytes, drops, soundings } }) => {
        const met = Object.entries(drops).filter(([, count]) => count > 0);
        const sessionsMax = this.#sessionsMax;
        this.#last = { sessions, sessionsMax, flows, packets, bytes, drops: Object.fromEntries(met) };
        this.#soundings = soundings;
        this.#unansweredSince = undefined;
        this.#isAsking = false;
      },
      (error: unknown) => {
        log.warn("the data plane gives no counters: {error}", { error });
        this.#isAsking = false;
      },
    );
  }
}
