/**
 * Agents, relays and the coordinator are killed (SIGKILL) at random moments under traffic, several at once, and started
 * again with the state they left: everything comes back without anybody's help.
 */
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import { PingStream } from "../ping-stream.ts";

const ROUNDS = 8;
const STREAM_EVERY_MS = 20;
const PAUSE_MAX_MS = 1_500;
/** Nobody answers while an end of the stream is down; counted from the last start. A NAT's or relay's view may take
 * a keepalive of the agent's (15 s) to be told anew when everything died at once. */
const BACK_MAX_MS = 20_000;
const DIRECT_MAX_MS = 45_000;

type Victim = CoordinatorDaemon | RelayDaemon | AgentDaemon;

export const suddenDeath: LabCase = {
  name: "sudden-death",
  summary: "kill -9 of anybody at any moment, and everything comes back by itself",
  async run(bench) {
    const seed = Math.floor(Math.random() * 2 ** 32);
    bench.step(`a mesh of five; the dice begin at ${seed}`);
    const random = dice(seed);
    const { coordinator, relays, agents } = await build(bench);
    const [a, b] = agents;
    const everybody: readonly Victim[] = [coordinator, ...relays, ...agents];
    const stream = new PingStream(a.host, b.address, STREAM_EVERY_MS);
    await directAgain(bench, a, b, "direct at first");

    const silences: number[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      await Bun.sleep(random() * PAUSE_MAX_MS);
      const shuffled = everybody
        .map((one) => ({ one, order: random() }))
        .toSorted((left, right) => left.order - right.order);
      const victims = shuffled.slice(0, 1 + Math.floor(random() * everybody.length)).map(({ one }) => one);
      bench.step(
        `round ${round}: ${victims.map(({ process }) => process.label.replace(/^.*\//, "")).join(", ")}`,
      );
      await Promise.all(victims.map((victim) => victim.kill()));
      await Bun.sleep(random() * PAUSE_MAX_MS);
      for (const victim of victims) {
        victim.restart();
        await Bun.sleep(random() * 300);
      }
      const startedMs = stream.mark();
      const { tookMs } = await bench.until(
        "the stream is back",
        async () => stream.report(startedMs).received >= 10,
        { timeoutMs: BACK_MAX_MS, everyMs: 20 },
      );
      silences.push(tookMs);
      bench.must(
        everybody.every((one) => one.running),
        "everybody runs",
      );
    }
    bench.measure("back after the last start, longest", Math.max(...silences), "ms");

    bench.step("all is as it was");
    await directAgain(bench, a, b, "direct again");
    await bench.until("the coordinator knows both relays as healthy, and both agents", async () => {
      const seen = JSON.parse(await coordinator.get("/v1/relays")) as { state: string; sessions: number }[];
      return seen.length === 2 && seen.every(({ state }) => state === "healthy");
    });
    const peers = await a.look<{ name: string; online: boolean }[]>("/v1/peers");
    bench.check(peers.length === 1 && peers[0]?.online === true, "the agents see each other, once");
    await Bun.sleep(1_000);
    const mark = stream.mark();
    await Bun.sleep(2_000);
    const { lost } = stream.report(mark);
    bench.check(lost === 0, `no ping is lost any more (${lost} lost)`);
    await stream.stop();
  },
};

async function build(bench: Bench) {
  const { net } = bench;
  const coordinator = await CoordinatorDaemon.start(
    bench,
    await net.publicHost("coordinator", "203.0.113.10"),
  );
  const relays = [
    await RelayDaemon.start(bench, coordinator, await net.publicHost("relay-one", "203.0.113.21"), "one"),
    await RelayDaemon.start(bench, coordinator, await net.publicHost("relay-two", "203.0.113.22"), "two"),
  ];
  const siteA = await net.site("a", "port-restricted", "198.51.100.1");
  const siteB = await net.site("b", "port-restricted", "198.51.100.2");
  const agents = [
    await AgentDaemon.start(bench, coordinator, siteA, "a"),
    await AgentDaemon.start(bench, coordinator, siteB, "b"),
  ] as const;
  return { coordinator, relays, agents };
}

async function directAgain(bench: Bench, a: AgentDaemon, b: AgentDaemon, what: string): Promise<void> {
  const isDirect = async () => {
    const paths = await Promise.all([a.pathTo(b), b.pathTo(a)]);
    return paths.every((path) => path?.kind === "direct");
  };
  await bench.until(what, isDirect, { timeoutMs: DIRECT_MAX_MS, everyMs: 500 });
}

/** Numbers from 0 to 1, the same from the same seed: mulberry32. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
