/**
 * A nearer relay opens while two agents talk by relay: both move their homes there by themselves, nothing of what they
 * say is lost, everybody is told, and how often they moved is shown.
 */
import { AgentDaemon, CoordinatorDaemon, RelayDaemon } from "../burrow.ts";
import type { Bench, LabCase } from "../case.ts";
import { PingStream } from "../ping-stream.ts";

const FAR_MS = 25;
const NEAR_MS = 2;
const STREAM_EVERY_MS = 20;
/** Told of the new relay at once, three Binds to measure it, and the choice. */
const MOVED_MAX_MS = 20_000;

interface AgentState {
  readonly name: string;
  readonly region: string | null;
  readonly homeMoves: number | null;
}

export const reHoming: LabCase = {
  name: "re-homing",
  summary: "a nearer relay opens under a relayed stream: homes move there, and not one packet is lost",
  async run(bench) {
    const { net } = bench;
    const coordinator = await CoordinatorDaemon.start(
      bench,
      await net.publicHost("coordinator", "203.0.113.10"),
    );
    for (const [region, address] of [
      ["far", "203.0.113.21"],
      ["further", "203.0.113.22"],
    ] as const) {
      const delayMs = region === "far" ? FAR_MS : 2 * FAR_MS;
      const host = await net.publicHost(`relay-${region}`, address, { delayMs });
      await RelayDaemon.start(bench, coordinator, host, region);
    }
    const a = await AgentDaemon.start(bench, coordinator, await net.site("a", "hard", "198.51.100.1"), "a");
    const b = await AgentDaemon.start(bench, coordinator, await net.site("b", "hard", "198.51.100.2"), "b");
    const stream = new PingStream(a.host, b.address, STREAM_EVERY_MS);
    await bench.until("they talk by the far relay", async () => {
      const path = await a.pathTo(b);
      return path?.kind === "relay" && path.region === "far" && stream.report().received > 50;
    });

    bench.step("a relay opens nearby");
    const mark = stream.mark();
    const nearHost = await net.publicHost("relay-near", "203.0.113.23", { delayMs: NEAR_MS });
    await RelayDaemon.start(bench, coordinator, nearHost, "near");
    const agents = async () => {
      const { stdout } = await coordinator.host.namespace.run([
        process.execPath,
        "cli/src/main.ts",
        "agents",
        "--state",
        coordinator.state,
        "--json",
      ]);
      return JSON.parse(stdout) as AgentState[];
    };
    const moved = await bench.until(
      "both are at home there, and the coordinator knows",
      async () => (await agents()).every(({ region }) => region === "near"),
      { timeoutMs: MOVED_MAX_MS },
    );
    bench.measure("moved after", moved.tookMs, "ms");
    await bench.until("they talk by it", async () => {
      const paths = await Promise.all([a.pathTo(b), b.pathTo(a)]);
      return paths.every((path) => path?.region === "near");
    });
    await Bun.sleep(1_000);
    const { lost, received } = stream.report(mark);
    bench.check(lost === 0, `no ping is lost over it (${lost} lost of ${lost + received})`);
    await stream.stop();
    await shown(bench, await agents(), [a, b]);
  },
};

async function shown(
  bench: Bench,
  known: readonly AgentState[],
  agents: readonly AgentDaemon[],
): Promise<void> {
  for (const agent of agents) {
    const { homeMoves } = await agent.status();
    const told = known.find(({ name }) => name === agent.name)?.homeMoves;
    bench.check(homeMoves === 1 && told === 1, `${agent.name} moved once, it says, and the coordinator too`);
  }
}
