/**
 * The shortest way for a pair goes by a relay that is neither's home: both homes stand behind slow lines of their own, a
 * third relay in the middle is further from each agent than its home, and yet the best for the two of them.
 */
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import { PingStream } from "../ping-stream.ts";

/** From the middle to either continent, each way. */
const OCEAN_HALF_MS = 20;
/** The homes' own lines, each way: near to their agents, far from everything else. */
const HOME_LINE_MS = 12;
const LAST_MILE_MS = 2;
/** A to its home, the homes to each other, B's home to B; and by the middle. */
const TRUNK_MS = 2 * (LAST_MILE_MS + HOME_LINE_MS) * 2 + 2 * (2 * HOME_LINE_MS + 2 * OCEAN_HALF_MS);
const MIDDLE_MS = 2 * (2 * LAST_MILE_MS + 2 * OCEAN_HALF_MS);
const STREAM_EVERY_MS = 20;
const FOUND_MAX_MS = 15_000;

export const middleRelay: LabCase = {
  name: "middle-relay",
  summary: "two agents that cannot reach each other directly meet at the relay that is best for the pair",
  async run(bench) {
    const { net } = bench;
    const east = await net.exchange("east", { delayMs: OCEAN_HALF_MS });
    const west = await net.exchange("west", { delayMs: OCEAN_HALF_MS });
    const coordinator = await CoordinatorDaemon.start(
      bench,
      await net.publicHost("coordinator", "203.0.113.10"),
    );
    const line = { delayMs: HOME_LINE_MS };
    await RelayDaemon.start(
      bench,
      coordinator,
      await net.publicHost("relay-east", "203.0.113.21", { at: east, ...line }),
      "east",
    );
    await RelayDaemon.start(
      bench,
      coordinator,
      await net.publicHost("relay-west", "203.0.113.22", { at: west, ...line }),
      "west",
    );
    await RelayDaemon.start(
      bench,
      coordinator,
      await net.publicHost("relay-middle", "203.0.113.23"),
      "middle",
    );
    const a = await AgentDaemon.start(
      bench,
      coordinator,
      await net.site("a", "hard", "198.51.100.1", { at: east, delayMs: LAST_MILE_MS }),
      "a",
    );
    const b = await AgentDaemon.start(
      bench,
      coordinator,
      await net.site("b", "hard", "198.51.100.2", { at: west, delayMs: LAST_MILE_MS }),
      "b",
    );
    await bench.until("each is at home on its own continent's relay", async () => {
      return (await a.homeRegion()) === "east" && (await b.homeRegion()) === "west";
    });
    await meet(bench, a, b);
  },
};

async function meet(bench: Bench, a: AgentDaemon, b: AgentDaemon): Promise<void> {
  bench.step(`they talk: ${TRUNK_MS} ms by their homes, ${MIDDLE_MS} ms by the middle`);
  const stream = new PingStream(a.host, b.address, STREAM_EVERY_MS);
  const found = await bench.until(
    "both send by the relay in the middle",
    async () => {
      const paths = await Promise.all([a.pathTo(b), b.pathTo(a)]);
      return paths.every((path) => path?.kind === "relay" && path.region === "middle") ? paths : undefined;
    },
    { timeoutMs: FOUND_MAX_MS },
  );
  bench.measure("after", found.tookMs, "ms");
  const mark = stream.mark();
  await Bun.sleep(2_000);
  const { lost, received } = stream.report(mark);
  bench.check(lost === 0 && received > 0, `no ping is lost by it (${lost} lost of ${received + lost})`);
  await stream.stop();
  const rttMs = (await a.pathTo(b))?.rttMs ?? Number.POSITIVE_INFINITY;
  bench.measure(`round trip (${TRUNK_MS} ms by the homes)`, rttMs, "ms");
  bench.check(rttMs < (TRUNK_MS + MIDDLE_MS) / 2, "it is the short way");
  const why = await a.why(b);
  const line = why.split("\n").find((text) => text.includes("relays:  by middle: "));
  bench.check(line !== undefined, `burrow why says why this relay: ${line?.trim()}`);
}
