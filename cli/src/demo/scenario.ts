/**
 * What the demo shows, step by step. Every figure is measured on the running mesh; every bound follows from the
 * emulated distances and the aims of the design. A step that fails does not keep the later ones from being tried.
 */
import type { AgentEvent, PathTarget } from "@burrow/agent";
import type { RelayId } from "@burrow/protocol";
import { milliseconds } from "../print/units.ts";
import type { EmulatedInternet } from "./internet.ts";
import type { Mesh } from "./mesh.ts";
import { PingStream } from "./ping-stream.ts";
import { BERLIN, BOSTON, emulatedRttMs, FRANKFURT, type Site, VIRGINIA } from "./places.ts";
import type { Timeline } from "./timeline.ts";

export interface Step {
  /** Stable name, for scripts. */
  readonly step: "home-berlin" | "home-boston" | "first-byte" | "direct" | "cut" | "direct-again";
  readonly what: string;
  readonly measured: string;
  readonly measuredMs: number | undefined;
  readonly expected: string;
  readonly boundMs: number | undefined;
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

export async function playScenario(
  mesh: Mesh,
  internet: EmulatedInternet,
  observed: Observed,
  timeline: Timeline,
): Promise<Step[]> {
  const steps: Step[] = [];
  for (const [site, nearest, step] of [
    [BERLIN, FRANKFURT, "home-berlin"],
    [BOSTON, VIRGINIA, "home-boston"],
  ] as const) {
    steps.push(await homeStep(mesh, observed, timeline, site, nearest, step));
  }
  const berlin = mesh.agents.get(BERLIN);
  if (berlin === undefined) throw new Error("the demo has no agent in berlin");
  const ready = await timeline.until(HOME_WAIT_MS, () => (isReachable(mesh) ? true : undefined));
  if (ready === undefined) timeline.note("demo", "late", "berlin does not know boston's relay yet");
  await timeline.pause(ROUTES_PAUSE_MS);

  timeline.note("demo", "ping", "berlin pings boston every 20 ms from here on");
  const stream = new PingStream(berlin, BOSTON.name);
  try {
    steps.push(await firstByteStep(stream, observed, timeline));
    steps.push(await directStep(stream, observed, timeline));
    await timeline.pause(STREAM_BEFORE_CUT_MS);
    steps.push(await cutStep(stream, internet, observed, timeline));
    steps.push(await againStep(stream, internet, observed, timeline));
  } finally {
    internet.mend(BERLIN, BOSTON);
    await stream.stop();
  }
  return steps;
}

async function homeStep(
  mesh: Mesh,
  observed: Observed,
  timeline: Timeline,
  site: Site,
  nearest: Site,
  step: "home-berlin" | "home-boston",
): Promise<Step> {
  const linkOf = (relay: RelayId) => mesh.agents.get(site)?.agent.relays.get(relay);
  const found = await timeline.until(HOME_WAIT_MS, () => {
    const home = observed.homes.get(site);
    const samples = home?.home === undefined ? 0 : (linkOf(home.home)?.rtt.samples ?? 0);
    return home?.region === nearest.name && samples >= HOME_SAMPLES ? home : undefined;
  });
  const home = found ?? observed.homes.get(site);
  const measuredMs = home?.home === undefined ? undefined : linkOf(home.home)?.rtt.leastMs;
  const boundMs = rtt(site, nearest) + RTT_SLACK_MS;
  return {
    step,
    what: `${site.name}'s home is the nearest relay`,
    measured: home?.region === undefined ? "no home" : `${home.region}, ${milliseconds(measuredMs)}`,
    measuredMs,
    expected: `${nearest.name}, ≤ ${milliseconds(boundMs)}`,
    boundMs,
    ok: found !== undefined && measuredMs !== undefined && measuredMs <= boundMs,
  };
}

/** Both agents have a home, and berlin has been told boston's. */
function isReachable(mesh: Mesh): boolean {
  const peer = mesh.agents.get(BERLIN)?.agent.peers.find(BOSTON.name);
  const back = mesh.agents.get(BOSTON)?.agent.peers.find(BERLIN.name);
  return (peer?.info.relays.length ?? 0) > 0 && (back?.info.relays.length ?? 0) > 0;
}

async function firstByteStep(stream: PingStream, observed: Observed, timeline: Timeline): Promise<Step> {
  const first = await timeline.until(PATIENCE * FIRST_BYTE_BOUND_MS, () => stream.arrivals[0]);
  const measuredMs = first === undefined ? undefined : first.atMs - stream.startedMs;
  const region = first === undefined ? undefined : regionOf(first.via, observed);
  if (first !== undefined) {
    const text = `first answer from boston after ${milliseconds(measuredMs)}, by ${region ?? "the direct path"}`;
    timeline.note(BERLIN.name, region === undefined ? "direct" : "relay", text, first.atMs);
  }
  return {
    step: "first-byte",
    what: "first answer comes by a relay",
    measured: first === undefined ? "none" : `${milliseconds(measuredMs)}, ${region ?? "direct"}`,
    measuredMs,
    expected: `≤ ${milliseconds(FIRST_BYTE_BOUND_MS)} (2 RTT + 50)`,
    boundMs: FIRST_BYTE_BOUND_MS,
    ok: isWithin(measuredMs, FIRST_BYTE_BOUND_MS) && region !== undefined,
  };
}

async function directStep(stream: PingStream, observed: Observed, timeline: Timeline): Promise<Step> {
  const change = await timeline.until(PATIENCE * DIRECT_BOUND_MS, () =>
    changeTo("direct", stream.startedMs, observed),
  );
  const carried = await timeline.until(PATIENCE * DIRECT_RTT_MS, () =>
    stream.arrivals.find(({ via }) => via.kind === "direct"),
  );
  const measuredMs = change === undefined ? undefined : change.atMs - stream.startedMs;
  return {
    step: "direct",
    what: "a direct path is found",
    measured: measuredMs === undefined ? "none" : milliseconds(measuredMs),
    measuredMs,
    expected: `≤ ${milliseconds(DIRECT_BOUND_MS)} (100 + 5 RTT)`,
    boundMs: DIRECT_BOUND_MS,
    ok: isWithin(measuredMs, DIRECT_BOUND_MS) && carried !== undefined,
  };
}

async function cutStep(
  stream: PingStream,
  internet: EmulatedInternet,
  observed: Observed,
  timeline: Timeline,
): Promise<Step> {
  const cutAtMs = clock();
  internet.cut(BERLIN, BOSTON);
  timeline.note("demo", "cut", "the direct path between berlin and boston is cut");
  const back = await timeline.until(CUT_MS, () =>
    stream.arrivals.find(({ atMs, via }) => atMs > cutAtMs && via.kind === "relay"),
  );
  const region = back === undefined ? undefined : regionOf(back.via, observed);
  if (back !== undefined) {
    const silentMs = stream.longestGap(cutAtMs, back.atMs).gapMs;
    timeline.note(
      BERLIN.name,
      "relay",
      `answers again, by ${region}, after ${milliseconds(silentMs)} of silence`,
      back.atMs,
    );
  }
  await timeline.pause(CUT_MS - (clock() - cutAtMs));
  const change = changeTo("relay", cutAtMs, observed);
  const { gapMs } = stream.longestGap(cutAtMs, clock());
  return {
    step: "cut",
    what: "direct cut: back on the relay",
    measured: back === undefined ? "no answer" : `gap ${milliseconds(gapMs)}, ${region}`,
    measuredMs: gapMs,
    expected: `gap ≤ ${milliseconds(GAP_BOUND_MS)}`,
    boundMs: GAP_BOUND_MS,
    ok: gapMs <= GAP_BOUND_MS && change !== undefined && back !== undefined,
  };
}

async function againStep(
  stream: PingStream,
  internet: EmulatedInternet,
  observed: Observed,
  timeline: Timeline,
): Promise<Step> {
  const mendAtMs = clock();
  internet.mend(BERLIN, BOSTON);
  timeline.note("demo", "mend", `the cut is mended (${internet.cutDatagrams} datagrams were lost to it)`);
  const change = await timeline.until(PATIENCE * AGAIN_BOUND_MS, () =>
    changeTo("direct", mendAtMs, observed),
  );
  await timeline.pause(STREAM_AFTER_MS);
  const carried = stream.arrivals.some(({ atMs, via }) => atMs > mendAtMs && via.kind === "direct");
  const measuredMs = change === undefined ? undefined : change.atMs - mendAtMs;
  const { gapMs } = stream.longestGap(mendAtMs, clock());
  return {
    step: "direct-again",
    what: "cut mended: direct again",
    measured: measuredMs === undefined ? "none" : `${milliseconds(measuredMs)}, gap ${milliseconds(gapMs)}`,
    measuredMs,
    expected: `≤ ${milliseconds(AGAIN_BOUND_MS)}`,
    boundMs: AGAIN_BOUND_MS,
    ok: isWithin(measuredMs, AGAIN_BOUND_MS) && carried,
  };
}

/** Berlin's change to a path of this kind since then: the pinger's own way. */
function changeTo(kind: PathTarget["kind"], sinceMs: number, observed: Observed): PathChange | undefined {
  return observed.pathChanges.find(
    ({ site, atMs, to }) => site === BERLIN && atMs >= sinceMs && to?.kind === kind,
  );
}

function regionOf(via: PathTarget, observed: Observed): string | undefined {
  if (via.kind === "direct") return undefined;
  return observed.regions.get(via.relay) ?? via.relay;
}

function isWithin(measuredMs: number | undefined, boundMs: number): boolean {
  return measuredMs !== undefined && measuredMs <= boundMs;
}
