/**
 * What `burrow netcheck` and `burrow doctor` want to know of the network: probes of the coordinator, and what relays
 * answer, as the running agent sees it. Where none runs, one is started for a moment with the key that is there.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Endpoint } from "@burrow/protocol";
import { splitEndpoint, UserError } from "@burrow/protocol";
import { judge, type Surroundings } from "../core/surroundings.ts";
import type { NetcheckView, RelayView } from "../core/views.ts";
import { loadCoordinatorUrl } from "./netmap-file.ts";
import type { AgentConfig, RunningAgent } from "./running-agent.ts";
import { type ChannelState, Refused } from "./side-channel.ts";
import { observe } from "./surroundings.ts";

/** Long enough for WebSocket to be tried after UDP, over a long way. */
const TRIAL_MS = 5_000;
/** After the first answer: those of the other relays tell what kind of NAT this is. */
const SETTLE_MS = 800;
const LOOK_EVERY_MS = 50;

export interface Wanted {
  readonly coordinatorUrl: string | undefined;
  readonly stateDir: string;
  /** What the agent that runs says, if one does. */
  readonly running: (Tried & { readonly coordinatorUrl: string }) | undefined;
}

/** What an agent knows of its relays, and what its coordinator makes of it. */
interface Tried {
  readonly view: NetcheckView | undefined;
  readonly channel: Pick<ChannelState, "refusal" | "rival"> | undefined;
}

export interface Examination extends Surroundings {
  readonly coordinator: string;
  readonly proxy: string | undefined;
  /** Whose relays these are: of the agent that runs, of one that was started for this, or of nobody. */
  readonly agent: "running" | "tried" | "none";
  readonly view: NetcheckView | undefined;
}

type StartAgent = (config: AgentConfig) => Promise<RunningAgent>;

/** Rejects with a UserError when no coordinator is known to ask. `start`: for one that is tried, where none runs. */
export async function examineBy(
  start: StartAgent,
  { coordinatorUrl, stateDir, running }: Wanted,
): Promise<Examination> {
  const url = coordinatorUrl ?? running?.coordinatorUrl ?? (await loadCoordinatorUrl(stateDir));
  if (url === undefined) {
    throw new UserError(
      `no agent is running, and none has left its coordinator's address in ${stateDir}`,
      "say which coordinator to ask with --coordinator URL, or another agent's directory with --state DIR",
    );
  }
  const trial = running === undefined ? tryRelays(start, url, stateDir) : Promise.resolve(running);
  const [seen, { view, channel }] = await Promise.all([observe(url), trial]);
  const known = view?.relays.filter(({ bound, state }) => bound || state === "silent");
  const { refusal, rival } = channel ?? {};
  const doors = known?.map(({ door }) => door);
  const judged = judge({ ...seen, doors, ports: portsOf(known ?? []), refusal, rival });
  const agent = running !== undefined ? "running" : view === undefined ? "none" : "tried";
  return { ...judged, coordinator: url, proxy: seen.proxy, agent, view };
}

function portsOf(relays: readonly RelayView[]): readonly number[] {
  const bound = relays.filter(({ door }) => door === "own-port" || door === "further-port");
  return [...new Set(bound.map(({ endpoint }) => splitEndpoint(endpoint as Endpoint).port))];
}

/** Binds as the agent would, without a device. Undefined for one that never joined: relays know nobody without a ticket. */
async function tryRelays(start: StartAgent, coordinatorUrl: string, stateDir: string): Promise<Tried> {
  const nothing = { view: undefined, channel: undefined };
  const hasJoined = await Promise.all(
    ["identity.json", "netmap.json"].map((name) => exists(join(stateDir, name))),
  );
  if (!hasJoined.every(Boolean)) return nothing;
  try {
    return await tried(await start({ coordinatorUrl, stateDir, device: { kind: "none" }, port: 0 }));
  } catch (error) {
    if (error instanceof Refused) return { ...nothing, channel: { refusal: error.refusal } };
    throw error;
  }
}

async function tried(agent: RunningAgent): Promise<Tried> {
  try {
    const untilMs = performance.now() + TRIAL_MS;
    while (performance.now() < untilMs) {
      const relays = await agent.ask("relays", undefined);
      if (relays.some(({ bound }) => bound)) break;
      await Bun.sleep(LOOK_EVERY_MS);
    }
    await Bun.sleep(SETTLE_MS);
    return { view: await agent.ask("netcheck", undefined), channel: (await agent.status()).coordinator };
  } finally {
    await agent.stop();
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
