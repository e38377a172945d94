/** Says in the log when no relay answers, where they were tried and what to do; once, until one has answered again. */
import { getLogger } from "@logtape/logtape";

const log = getLogger(["burrow", "agent"]);

/** Bind and Bound take two round trips, and lost ones are sent again: by then something is in the way. */
export const SILENCE_MS = 5_000;
const LOOK_MS = 1_000;

/** What the watch looks at, of an agent. */
export interface Watched {
  readonly hasNetmap: boolean;
  /** By the coordinator: relays then know this agent no more, which is told already. */
  readonly isRefused: boolean;
  readonly links: readonly {
    readonly isBound: boolean;
    readonly info: {
      readonly region: string;
      readonly endpoints: readonly string[];
      readonly websocket?: { readonly url: string } | undefined;
    };
  }[];
}

export class SilenceWatch {
  readonly #timer: ReturnType<typeof setInterval>;
  #silentSinceMs: number | undefined;
  #isTold = false;

  constructor(ask: () => Promise<Watched>) {
    this.#timer = setInterval(() => {
      // An agent that does not answer is being stopped, or has worse to say itself.
      ask().then(
        (watched) => this.look(watched, performance.now()),
        () => {},
      );
    }, LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** `now`: milliseconds of any clock that only goes forward. */
  look({ hasNetmap, isRefused, links }: Watched, now: number): void {
    if (!hasNetmap || isRefused || links.some(({ isBound }) => isBound)) {
      this.#silentSinceMs = undefined;
      this.#isTold = false;
      return;
    }
    this.#silentSinceMs ??= now;
    if (this.#isTold || now - this.#silentSinceMs < SILENCE_MS) return;
    this.#isTold = true;
    if (links.length === 0) {
      log.warn("there is no relay yet; an operator starts one with `burrow relay`");
      return;
    }
    log.warn(
      "no relay has answered for {seconds} s; tried {endpoints}. Is UDP to them open, and do they --advertise addresses that can be reached from here? `burrow relays` shows each",
      {
        seconds: SILENCE_MS / 1_000,
        endpoints: links.map(({ info }) => `${info.region} at ${doorsOf(info)}`).join(", "),
      },
    );
  }
}

function doorsOf(info: Watched["links"][number]["info"]): string {
  const { endpoints, websocket } = info;
  return [...endpoints, ...(websocket === undefined ? [] : [websocket.url])].join(" and ");
}
