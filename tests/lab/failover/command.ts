/**
 * `bun run lab --failover`: breaks paths in every way there is under a stream of packets through the tunnel, and tells
 * how long it was silent; all of it a second time with the coordinator gone.
 */
import type { AgentDaemon } from "../burrow.ts";
import { type Bench, CheckError } from "../case.ts";
import { PingStream } from "../ping-stream.ts";
import { inSession } from "../session.ts";
import { columns, formatSpread, type Spread, spreadOf } from "../statistics.ts";
import { FAILOVERS, type FailoverCase } from "./cases.ts";
import { FailoverWorld } from "./world.ts";

/** A cut is watched at least for so long, and then until the stream has flowed for a while, up to the limit. */
const WATCH_MIN_MS = 1_500;
const FLOWING_MS = 100;
const WATCH_MAX_MS = 15_000;
/** What packets still pass must be left within this: a bound agent hears from its relay every 15 s at the latest. */
const LEFT_WITHIN_MS = 20_000;
/** Before a cut the stream has to be calm for so long, so that nothing of what came before is measured. */
const CALM_MS = 300;

export interface FailoverOptions {
  /** Cases; all when empty. */
  readonly only: readonly string[];
  readonly cuts: number;
  readonly keep: boolean;
  readonly json: boolean;
  print(line: string): void;
}

interface Outcome {
  case: string;
  coordinator: "up" | "gone";
  gapsMs: number[];
  lost: number;
  spread: Spread | undefined;
  limitMs: number;
  passed: boolean;
  failures: string[];
}

export function failoverNames(): string[] {
  return FAILOVERS.map(({ name }) => name);
}

/** Returns how many passed and failed. */
export async function runFailover(options: FailoverOptions): Promise<{ passed: number; failed: number }> {
  const { only, print } = options;
  const chosen = FAILOVERS.filter(({ name }) => only.length === 0 || only.includes(name));
  const outcomes: Outcome[] = [];
  const bench = await inSession(options, async (session) => {
    const world = await FailoverWorld.create(session);
    for (const failover of chosen) outcomes.push(await run(world, failover, "up", options.cuts));
    session.step("the coordinator dies, and stays dead");
    await world.coordinator.kill();
    for (const failover of chosen) outcomes.push(await run(world, failover, "gone", options.cuts));
  });
  if (options.json) console.log(JSON.stringify({ outcomes }, undefined, 2));
  print(`\n${table(outcomes)}\n`);
  const passed = outcomes.filter((outcome) => outcome.passed).length;
  const lonely = bench.failures.filter(
    (failure) => !outcomes.some(({ failures }) => failures.includes(failure)),
  );
  for (const failure of lonely) print(`FAIL ${failure}`);
  return { passed, failed: outcomes.length - passed + lonely.length };
}

async function run(
  world: FailoverWorld,
  failover: FailoverCase,
  coordinator: Outcome["coordinator"],
  cutsAsked: number,
): Promise<Outcome> {
  const { bench } = world;
  const cuts = coordinator === "up" ? cutsAsked : Math.min(cutsAsked, failover.cutsGoneMax ?? cutsAsked);
  bench.step(`${failover.name}, coordinator ${coordinator}: ${failover.summary}`);
  const [from, to] = failover.ends(world);
  const stream = new PingStream(from.host, to.address);
  const gapsMs: number[] = [];
  const failures: string[] = [];
  let lost = 0;
  const undo = await failover.prepare?.(world);
  try {
    for (let turn = 0; turn < cuts; turn++) {
      await failover.ready(world);
      const cut = await measure(bench, failover, world, stream, turn);
      gapsMs.push(cut.gapMs);
      lost += cut.lost;
      if (cut.failure !== undefined) failures.push(cut.failure);
    }
  } catch (error) {
    if (!(error instanceof CheckError)) throw error;
    failures.push(error.message);
    bench.step(await evidence(world, failover));
  } finally {
    await undo?.();
    await stream.stop();
  }
  const spread = spreadOf(gapsMs);
  const inTime = spread !== undefined && spread.p95 <= failover.gapMs;
  if (spread !== undefined && !inTime)
    failures.push(`p95 ${spread.p95.toFixed(0)} ms > ${failover.gapMs} ms`);
  if (lost > (failover.lostMax ?? Number.POSITIVE_INFINITY)) failures.push(`${lost} packets lost`);
  const passed = failures.length === 0 && gapsMs.length === cuts;
  bench.step(`  ${passed ? "ok  " : "FAIL"} longest gap ${formatSpread(spread)}`);
  return {
    case: failover.name,
    coordinator,
    gapsMs,
    lost,
    spread,
    limitMs: failover.gapMs,
    passed,
    failures,
  };
}

async function measure(
  bench: Bench,
  failover: FailoverCase,
  world: FailoverWorld,
  stream: PingStream,
  turn: number,
): Promise<{ gapMs: number; lost: number; failure?: string }> {
  await Bun.sleep(CALM_MS);
  const mark = stream.mark();
  const cut = await failover.cut(world, turn);
  await Bun.sleep(WATCH_MIN_MS);
  while (stream.silentForMs > FLOWING_MS && stream.mark() - mark < WATCH_MAX_MS) await Bun.sleep(20);
  const leftMs = cut.left === undefined ? 0 : await msUntil(cut.left, LEFT_WITHIN_MS);
  const { longestGapMs, lost } = stream.report(mark);
  const slow = longestGapMs > failover.gapMs || leftMs === undefined;
  const left =
    cut.left === undefined
      ? ""
      : `, ${leftMs === undefined ? "never left" : `left within ${(leftMs + WATCH_MIN_MS).toFixed(0)} ms`}`;
  bench.step(`  cut ${turn + 1}: silent for ${longestGapMs.toFixed(0)} ms, ${lost} lost${left}`);
  if (slow) bench.step(await evidence(world, failover));
  await cut.mend();
  const failure = leftMs === undefined ? `still in use after ${LEFT_WITHIN_MS} ms` : undefined;
  return { gapMs: longestGapMs, lost, ...(failure === undefined ? {} : { failure }) };
}

/** Until `holds` does; undefined when it does not in time. */
async function msUntil(holds: () => Promise<boolean>, timeoutMs: number): Promise<number | undefined> {
  const startedMs = performance.now();
  for (;;) {
    const tookMs = performance.now() - startedMs;
    if (await holds().catch(() => false)) return tookMs;
    if (tookMs > timeoutMs) return undefined;
    await Bun.sleep(50);
  }
}

/** What both ends have to say on their paths and relays, and the last of how it came to that. */
async function evidence(world: FailoverWorld, failover: FailoverCase): Promise<string> {
  const [from, to] = failover.ends(world);
  const sides = [await sideOf(from, to), await sideOf(to, from)];
  return `evidence, at ${Date.now()}\n${sides.join("\n")}`;
}

async function sideOf(agent: AgentDaemon, peer: AgentDaemon): Promise<string> {
  const [{ reasons, attempts }, relays] = await Promise.all([agent.whyPath(peer), agent.relays()]);
  const ways = attempts.map(
    ({ kind, region, endpoint, state, acked, sent }) =>
      `${kind} ${region ?? endpoint} ${state} (${acked} of ${sent})`,
  );
  const doors = relays.map(({ region, state, home, bound, transport }) =>
    [region, state, home ? "home" : "", bound ? `bound by ${transport}` : "unbound"]
      .filter(Boolean)
      .join(" "),
  );
  const last = reasons.slice(-10).map(({ atMs, event, detail }) => `${atMs.toFixed(0)} ${event}: ${detail}`);
  return [
    `    ${agent.name} on ${peer.name}: ${ways.join(", ")}`,
    `      relays: ${doors.join(", ")}`,
    ...last.map((line) => `      ${line}`),
  ].join("\n");
}

function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ case: name, coordinator, spread, limitMs, lost, passed, failures }) => [
    name,
    coordinator,
    String(spread?.count ?? 0),
    ...[spread?.p50, spread?.p95, spread?.max].map((value) =>
      value === undefined ? "-" : `${value.toFixed(0)} ms`,
    ),
    `${limitMs} ms`,
    String(lost),
    passed ? "ok" : `FAIL ${failures.join(", ")}`.trim(),
  ]);
  return columns([["case", "coordinator", "cuts", "p50", "p95", "max", "limit (p95)", "lost", ""], ...rows]);
}
