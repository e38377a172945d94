/**
 * What the demo shows, step by step. Every figure is measured on the running mesh; every bound follows from the
 * emulated distances and the aims of the design. A step that fails does not keep the later ones from being tried.
 */
import type { AgentEvent, PathTarget, RunningAgent } from "@burrow/agent";
import { milliseconds } from "../print/units.ts";
import type { EmulatedInternet } from "./internet.ts";
import type { Mesh } from "./mesh.ts";
import { PingStream } from "./ping-stream.ts";
import { BERLIN, BOSTON, emulatedRttMs, FRANKFURT, type Site, VIRGINIA } from "./places.ts";
import type { StallWatch } from "./stall-watch.ts";
import type { Timeline } from "./timeline.ts";

export type StepName = "home-berlin" | "home-boston" | "first-byte" | "direct" | "cut" | "direct-again";

export interface Step {
  /** Stable, for scripts. */
  readonly step: StepName;
  readonly what: string;
  /** It came to pass, in whatever time. */
  readonly happened: boolean;
  readonly measured: string;
  readonly measuredMs: number | undefined;
  readonly expected: string;
  readonly boundMs: number;
  /** It happened, and within the bound. */
  readonly ok: boolean;
}

/** A path event of an agent, kept with its time. */
export interface PathChange {
  readonly site: Site;
  readonly atMs: number;
  readonly to: PathTarget | undefined;
}

export interface Observed {
  /** Relays' names by id. */
  readonly regions: Map<string, string>;
  readonly homes: Map<Site, Extract<AgentEvent, { type: "home" }>>;
  readonly pathChanges: PathChange[];
}

const rtt = (a: Site, b: Site) => emulatedRttMs(a.at, b.at);
const DIRECT_RTT_MS = rtt(BERLIN, BOSTON);
/** There and back by both homes and the trunk between them: the longest way that a relayed packet takes. */
const RELAYED_RTT_MS = rtt(BERLIN, FRANKFURT) + rtt(FRANKFURT, VIRGINIA) + rtt(VIRGINIA, BOSTON);

/** Agents settle on a home within 1.5 s of the first relay's answer. */
const HOME_WAIT_MS = 4_000;
/** So many round trips are measured before a relay's distance is judged; the first ones catch a cold machine. */
const HOME_SAMPLES = 3;
/** A measured round trip may exceed the emulated one by this: timers wake late on a busy machine. */
const RTT_SLACK_MS = 15;
/** Relays hear of an agent's home when its peers do, but not at the same moment. */
const ROUTES_PAUSE_MS = 300;
/**
 * Two round trips: WireGuard's handshake and the first data (design §9). Every hop of it is in this one process,
 * which does the work of seven hosts.
 */
const FIRST_BYTE_BOUND_MS = 2 * RELAYED_RTT_MS + 50;
/** Design §9: direct path between easy NATs within 100 ms and 5 RTT. */
const DIRECT_BOUND_MS = 100 + 5 * DIRECT_RTT_MS;
/** Design §9: longest gap of a 20 ms packet stream when its path is killed. */
const GAP_BOUND_MS = 500;
/** The cut lasts long enough that the direct path is given up, not only doubted. */
const CUT_MS = 1_800;
/** A lost path is tried again after at most as long as it was lost, and trusted after 3 acks. */
const AGAIN_BOUND_MS = CUT_MS + 3 * DIRECT_RTT_MS + 300;
/** How far beyond its bound a step is waited for, to tell late from never. */
const PATIENCE = 2;
const STREAM_BEFORE_CUT_MS = 400;
const STREAM_AFTER_MS = 400;

const clock = () => performance.timeOrigin + performance.now();

export function playScenario(
  mesh: Mesh,
  internet: EmulatedInternet,
  observed: Observed,
  timeline: Timeline,
  stalls: StallWatch,
): Promise<Step[]> {
  return new Scenario(mesh, internet, observed, timeline, stalls).play();
}

class Scenario {
  readonly #mesh: Mesh;
  readonly #internet: EmulatedInternet;
  readonly #observed: Observed;
  readonly #timeline: Timeline;
  readonly #stalls: StallWatch;

  constructor(
    mesh: Mesh,
    internet: EmulatedInternet,
    observed: Observed,
    timeline: Timeline,
    stalls: StallWatch,
  ) {
    this.#mesh = mesh;
    this.#internet = internet;
    this.#observed = observed;
    this.#timeline = timeline;
    this.#stalls = stalls;
  }

  async play(): Promise<Step[]> {
    const timeline = this.#timeline;
    const steps = [
      await this.#home("home-berlin", BERLIN, FRANKFURT),
      await this.#home("home-boston", BOSTON, VIRGINIA),
    ];
    await timeline.until(HOME_WAIT_MS, () => (this.#knowEachOther() ? true : undefined));
    await timeline.pause(ROUTES_PAUSE_MS);
    timeline.note("demo", "ping", "berlin pings boston every 20 ms from here on");
    const stream = new PingStream(this.#agent(BERLIN), BOSTON.name);
    try {
      steps.push(await this.#firstByte(stream));
      steps.push(await this.#direct(stream));
      await timeline.pause(STREAM_BEFORE_CUT_MS);
      steps.push(await this.#cut(stream));
      steps.push(await this.#again(stream));
    } finally {
      await stream.stop();
    }
    return steps;
  }

  async #home(step: StepName, site: Site, nearest: Site): Promise<Step> {
    const linkOf = async () => {
      const home = this.#observed.homes.get(site)?.home;
      const relays = await this.#agent(site).ask("relays", undefined);
      return relays.find(({ id }) => id === home);
    };
    const settled = await this.#timeline.until(HOME_WAIT_MS, async () => {
      const link = await linkOf();
      return link?.region === nearest.name && link.samples >= HOME_SAMPLES ? link : undefined;
    });
    const link = settled ?? (await linkOf());
    return this.#judge({
      step,
      what: `${site.name}'s home is nearest`,
      happened: settled !== undefined,
      measuredMs: link?.rttMs,
      note: link?.region,
      boundMs: rtt(site, nearest) + RTT_SLACK_MS,
      because: "",
      sinceMs: this.#stalls.startedMs,
    });
  }

  async #firstByte(stream: PingStream): Promise<Step> {
    const first = await this.#timeline.until(PATIENCE * FIRST_BYTE_BOUND_MS, () => stream.arrivals[0]);
    const measuredMs = first === undefined ? undefined : first.atMs - stream.startedMs;
    const by = first === undefined ? undefined : this.#name(first.via);
    if (first !== undefined) {
      const text = `first answer from boston after ${milliseconds(measuredMs)}, by ${by}`;
      this.#timeline.note(BERLIN.name, first.via.kind, text, first.atMs);
    }
    return this.#judge({
      step: "first-byte",
      what: "first answer, by a relay",
      happened: first?.via.kind === "relay",
      measuredMs,
      note: by,
      boundMs: FIRST_BYTE_BOUND_MS,
      because: "2 RTT + 50",
      sinceMs: stream.startedMs,
    });
  }

  async #direct(stream: PingStream): Promise<Step> {
    const { startedMs } = stream;
    const change = await this.#timeline.until(PATIENCE * DIRECT_BOUND_MS, () =>
      this.#changeTo("direct", startedMs),
    );
    const carried = await this.#timeline.until(PATIENCE * DIRECT_RTT_MS, () =>
      stream.arrivals.find(({ via }) => via.kind === "direct"),
    );
    return this.#judge({
      step: "direct",
      what: "direct path found",
      happened: change !== undefined && carried !== undefined,
      measuredMs: change === undefined ? undefined : change.atMs - startedMs,
      boundMs: DIRECT_BOUND_MS,
      because: "100 + 5 RTT",
      sinceMs: startedMs,
    });
  }

  async #cut(stream: PingStream): Promise<Step> {
    const cutAtMs = clock();
    this.#internet.cut(BERLIN, BOSTON);
    this.#timeline.note("demo", "cut", "the direct path between berlin and boston is cut");
    const back = await this.#timeline.until(CUT_MS, () =>
      stream.arrivals.find(({ atMs, via }) => atMs > cutAtMs && via.kind === "relay"),
    );
    const by = back === undefined ? undefined : this.#name(back.via);
    if (back !== undefined) {
      const { gapMs } = stream.longestGap(cutAtMs, back.atMs);
      const text = `answers again, by ${by}, after ${milliseconds(gapMs)} of silence`;
      this.#timeline.note(BERLIN.name, "relay", text, back.atMs);
    }
    await this.#timeline.pause(CUT_MS - (clock() - cutAtMs));
    return this.#judge({
      step: "cut",
      what: "direct cut: longest gap",
      happened: back !== undefined && this.#changeTo("relay", cutAtMs) !== undefined,
      measuredMs: stream.longestGap(cutAtMs, clock()).gapMs,
      note: by,
      boundMs: GAP_BOUND_MS,
      because: "",
      sinceMs: cutAtMs,
    });
  }

  async #again(stream: PingStream): Promise<Step> {
    const mendAtMs = clock();
    this.#internet.mend(BERLIN, BOSTON);
    const lost = this.#internet.cutDatagrams;
    this.#timeline.note("demo", "mend", `the cut is mended (${lost} datagrams were lost to it)`);
    const change = await this.#timeline.until(PATIENCE * AGAIN_BOUND_MS, () =>
      this.#changeTo("direct", mendAtMs),
    );
    // The peer decides for itself by which path its answers come.
    const carried = await this.#timeline.until(AGAIN_BOUND_MS, () =>
      stream.arrivals.find(({ atMs, via }) => atMs > mendAtMs && via.kind === "direct"),
    );
    await this.#timeline.pause(STREAM_AFTER_MS);
    const { gapMs } = stream.longestGap(mendAtMs, clock());
    return this.#judge({
      step: "direct-again",
      what: "cut mended: direct again",
      happened: change !== undefined && carried !== undefined,
      measuredMs: change === undefined ? undefined : change.atMs - mendAtMs,
      note: `gap ${milliseconds(gapMs)}`,
      boundMs: AGAIN_BOUND_MS,
      because: "",
      sinceMs: mendAtMs,
    });
  }

  /** `sinceMs`: when the step began, if the machine's own stalls since then count for it. */
  #judge(found: {
    readonly step: StepName;
    readonly what: string;
    readonly happened: boolean;
    readonly measuredMs: number | undefined;
    readonly note?: string | undefined;
    readonly boundMs: number;
    readonly because: string;
    readonly sinceMs?: number;
  }): Step {
    const { step, what, happened, measuredMs, note, because, sinceMs } = found;
    const stalledMs = sinceMs === undefined ? 0 : this.#stalls.stalledMs(sinceMs, clock());
    const boundMs = found.boundMs + stalledMs;
    const measured = measuredMs === undefined ? "never" : milliseconds(measuredMs);
    // One or the other: both do not fit the table.
    const why = because === "" ? "" : ` (${because})`;
    const added = stalledMs < 1 ? why : ` + ${milliseconds(stalledMs)} stalled`;
    return {
      step,
      what,
      happened,
      measured: note === undefined ? measured : `${measured}, ${note}`,
      measuredMs,
      expected: `≤ ${milliseconds(found.boundMs)}${added}`,
      boundMs,
      ok: happened && measuredMs !== undefined && measuredMs <= boundMs,
    };
  }

  /** Each has been told where the other is bound. */
  #knowEachOther(): boolean {
    const knows = (site: Site, other: Site) => (this.#agent(site).find(other.name)?.relays.length ?? 0) > 0;
    return knows(BERLIN, BOSTON) && knows(BOSTON, BERLIN);
  }

  /** Berlin's change to a path of this kind since then: the pinger's own way. */
  #changeTo(kind: PathTarget["kind"], sinceMs: number): PathChange | undefined {
    return this.#observed.pathChanges.find(
      ({ site, atMs, to }) => site === BERLIN && atMs >= sinceMs && to?.kind === kind,
    );
  }

  #name(via: PathTarget): string {
    return via.kind === "direct" ? "the direct path" : (this.#observed.regions.get(via.relay) ?? via.relay);
  }

  #agent(site: Site): RunningAgent {
    const agent = this.#mesh.agents.get(site);
    if (agent === undefined) throw new Error(`the demo has no agent in ${site.name}`);
    return agent;
  }
}
