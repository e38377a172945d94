/** The agent put together: identity, sockets, machine, side channel, device and local API. */
import { hostname } from "node:os";
import {
  checkProxies,
  ensurePrivateDirectory,
  lockDirectory,
  lockWireGuardInterface,
  nativePrimitives,
  openWireGuardInterface,
  type Primitives,
  sealerOf,
  type WireGuardInterface,
  watchPresence,
} from "@burrow/platform";
import { agentIdOf, fromBase64, UserError } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Netmap } from "./core/contract.ts";
import type { Answer } from "./core/questions.ts";
import { BorrowedInterface } from "./io/borrowed-interface.ts";
import { rehearseTunDevice } from "./io/devices.ts";
import { type Examination, examineBy, type Wanted } from "./io/examine.ts";
import type { AgentHost } from "./io/host.ts";
import { type Identity, loadIdentity } from "./io/identity.ts";
import { serveLocalApi } from "./io/local-api.ts";
import { loadFirstSequence, loadNetmap } from "./io/netmap-file.ts";
import { reportNetwork } from "./io/network.ts";
import { openHost } from "./io/open-host.ts";
import { checkClientAddresses, parseClients } from "./io/outside-clients.ts";
import type { AgentConfig, AgentStatus, RunningAgent } from "./io/running-agent.ts";
import { clock } from "./io/shell.ts";
import { type ChannelState, Refused, SideChannel } from "./io/side-channel.ts";
import { SilenceWatch } from "./io/silence-watch.ts";
import { warmUp } from "./io/warm-up.ts";
import { World } from "./io/world.ts";

export type { AgentEvent } from "./core/events.ts";
export { checkMachine, type MachineFinding } from "./core/machine.ts";
export type { PathTarget } from "./core/paths/path.ts";
export type { Finding, Surroundings, Verdict } from "./core/surroundings.ts";
export * from "./core/views.ts";
export type { DeviceChoice } from "./io/devices.ts";
export type { Examination } from "./io/examine.ts";
export { SOCKET_NAME } from "./io/local-api.ts";
export { gatherFacts } from "./io/machine-facts.ts";
export type { WireGuardClient } from "./io/outside-clients.ts";
export type { PingOptions, PingResult } from "./io/pinger.ts";
export type { AgentConfig, AgentStatus, RunningAgent } from "./io/running-agent.ts";

const log = getLogger(["burrow", "agent"]);

export const AGENT_VERSION = "0.1.0";

/** A first enrolment needs the coordinator; later starts wait this long for it and then go on without. */
const WELCOME_WAIT_MS = 10_000;
/** Whoever waits longer is told for what. */
const PATIENCE_MS = 1_000;
/** … but when every try of so long was turned away at the door, more of them will not help. */
const TRIES_MS = 3_000;
/** The coordinator's code for an agent that an operator has removed. */
const REMOVED = "revoked";

interface Lock {
  release(): Promise<void> | void;
}

/** Starts an agent; resolves when it is enrolled (or has been before) and its device is open. */
export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  checkProxies();
  await ensurePrivateDirectory(config.stateDir);
  const locks: Lock[] = [await lockDirectory(config.stateDir)];
  const release = async () => {
    for (const lock of locks) await lock.release();
  };
  try {
    const { device } = config;
    if (device.kind === "wireguard") locks.push(lockWireGuardInterface(device.name));
    return await start(config, release);
  } catch (error) {
    await release();
    throw error;
  }
}

/** Rejects with a UserError when no coordinator is known to ask. */
export function examine(wanted: Wanted): Promise<Examination> {
  return examineBy(startAgent, wanted);
}

async function start(config: AgentConfig, unlock: () => Promise<void>): Promise<RunningAgent> {
  const primitives = loadPrimitives();
  const iface =
    config.device.kind === "wireguard" ? await openWireGuardInterface(config.device.name) : undefined;
  const given = iface === undefined ? undefined : await interfaceKey(iface);
  const identity = await loadIdentity(config.stateDir, primitives, given?.privateKey);
  const borrowed = iface === undefined ? undefined : await BorrowedInterface.open(iface, config.stateDir);
  const saved = await loadNetmap(config.stateDir);
  if (config.device.kind === "tun") await rehearseTunDevice(config.device.name);
  const clients = parseClients(config.clients ?? []);
  const firstSequence = await loadFirstSequence(config.stateDir, clock());
  const world = new World(config, borrowed, firstSequence);
  const host = await openHost({
    settings: {
      ...identity,
      answersEchoes: config.device.kind === "none",
      loopbackCandidates: config.loopbackCandidates ?? false,
      punchesHardNats: config.punchesHardNats ?? true,
      mapsPorts: config.mapsPorts ?? config.loopbackCandidates !== true,
      statedEndpoints: config.statedEndpoints ?? [],
      outsideClients: clients,
      firstSequence,
      interfacePort: given?.listenPort,
    },
    port: config.port,
    device: config.device.kind,
    openSocket: config.openSocket,
    report: (report) => world.heard(report),
  });
  world.host = host;
  const network = reportNetwork(host, config.device.kind === "none" ? undefined : config.device.name);
  const silenceWatch = new SilenceWatch(async () => {
    const isRefused = world.channel?.state.refusal !== undefined;
    return { ...(await host.ask("links", undefined)), isRefused };
  });
  const refused = Promise.withResolvers<UserError>();
  const lost = (name: string) => {
    borrowed?.lost();
    refused.resolve(deviceLost(name));
  };
  const presence = iface === undefined ? undefined : watchPresence(iface.name, () => lost(iface.name));
  const closeAll = async () => {
    presence?.close();
    silenceWatch.close();
    network.close();
    world.channel?.close();
    await host.close();
    await world.close();
    await borrowed?.giveBack();
  };
  try {
    if (saved !== undefined) {
      world.netmap = saved;
      host.command({ type: "restore", netmap: saved });
    }
    let isKnown = false;
    const firstTry = Promise.withResolvers<void>();
    const channel = new SideChannel({
      url: config.coordinatorUrl,
      identity,
      primitives,
      headers: config.headers ?? {},
      hello: {
        token: config.token,
        name: config.name,
        nameHint: nameOfHost(),
        version: AGENT_VERSION,
        acceptsOutside: clients.length > 0,
      },
      onMessage: (message) => host.command({ type: "message", message }),
      onState: (state) => {
        host.setChannel(state.state === "up");
        logChannel(state, config.coordinatorUrl);
        isKnown ||= state.state === "up";
        if (!isKnown && state.refusal?.code === REMOVED) refused.resolve(new Refused(state.refusal));
        if (state.state !== "connecting") firstTry.resolve();
      },
    });
    world.channel = channel;
    // While the coordinator is awaited, anyway; a thread of its own does it itself.
    if (host.kind === "portable") warmUp(primitives, sealerOf(primitives));
    const netmap = await firstNetmap(world, channel, saved, config);
    checkClientAddresses(config.clients ?? [], netmap.agent.network);
    if (borrowed !== undefined) await borrowed.address(netmap.agent);
    if (config.device.kind === "tun") {
      const { name } = config.device;
      await host.openTun(name, netmap.agent, () => lost(name));
    }
    // Packets flow; but an agent that the coordinator has removed is not up.
    await Promise.race([firstTry.promise, Bun.sleep(PATIENCE_MS)]);
    const { refusal } = channel.state;
    if (refusal?.code === REMOVED) throw new Refused(refusal);
    const running: RunningAgent = {
      id: agentIdOf(identity.publicKey),
      socketEndpoints: host.local,
      get netmap() {
        return world.netmap;
      },
      find: (text) => world.find(text),
      ask: (kind, about) => host.ask(kind, about),
      status: async () =>
        statusOf(await host.ask("status", undefined), host, identity, config, channel.state),
      ping: (peer, options) => world.pinger.run(peer, options),
      refused: refused.promise,
      stop: async () => {
        await api.stop();
        await closeAll();
        await unlock();
      },
    };
    const api = await serveLocalApi(running, config.stateDir);
    return running;
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The network map to begin with: the coordinator's word if it comes in time, else the saved one. */
async function firstNetmap(
  world: World,
  channel: SideChannel,
  saved: Netmap | undefined,
  { coordinatorUrl: url, stopped }: AgentConfig,
): Promise<Netmap> {
  // With a saved map packets flow at once; the coordinator may yet refuse us, which the log will say.
  world.firstWord.catch(() => {});
  if (saved !== undefined) return saved;
  const late = Promise.withResolvers<undefined>();
  const endWait = () => late.resolve(undefined);
  if (stopped?.aborted === true) endWait();
  stopped?.addEventListener("abort", endWait);
  const timers = [
    setTimeout(() => log.info("connecting to the coordinator at {url} …", { url }), PATIENCE_MS),
    setTimeout(() => channel.state.state === "down" && endWait(), TRIES_MS),
    setTimeout(endWait, WELCOME_WAIT_MS),
  ];
  const netmap = await Promise.race([world.firstWord, late.promise]).finally(() => {
    timers.forEach(clearTimeout);
    stopped?.removeEventListener("abort", endWait);
  });
  if (netmap !== undefined) return netmap;
  const { obstacle } = channel;
  throw new UserError(
    `the coordinator at ${url} does not answer${obstacle === undefined ? "" : `: ${obstacle}`}`,
    "check the URL and that `burrow coordinator` runs there; a first start cannot do without it",
  );
}

/** Without it no packet goes in or out, and whoever starts the agent anew starts it with a device. */
function deviceLost(name: string): UserError {
  return new UserError(
    `the interface ${name} is gone: somebody removed it while the agent ran`,
    "start the agent again (systemd's unit does so itself); `ip monitor link` shows who removes interfaces",
  );
}

function loadPrimitives(): Primitives {
  const primitives = nativePrimitives();
  if (primitives.kind === "portable") {
    log.warn("no native cryptography here: packets are sealed in TypeScript, at some 15 MB/s");
  }
  return primitives;
}

async function interfaceKey(
  iface: WireGuardInterface,
): Promise<{ privateKey: Uint8Array; listenPort: number }> {
  const { privateKey, listenPort } = await iface.read();
  const key = privateKey === undefined ? undefined : fromBase64(privateKey);
  if (key === undefined || listenPort === 0) {
    throw new UserError(
      `the interface ${iface.name} has no private key or no listen port yet`,
      `\`wg genkey | wg set ${iface.name} private-key /dev/stdin listen-port 51820\``,
    );
  }
  return { privateKey: key, listenPort };
}

/** This machine's name as a label; undefined (the coordinator finds one) when nothing of it can be used. */
function nameOfHost(): string | undefined {
  const [first = ""] = hostname().toLowerCase().split(".");
  const name = first
    .replace(/[^a-z0-9-]/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
  return name === "" ? undefined : name;
}

function statusOf(
  view: Answer<"status">,
  host: AgentHost,
  identity: Identity,
  config: AgentConfig,
  channel: ChannelState,
): AgentStatus {
  return {
    id: agentIdOf(identity.publicKey),
    version: AGENT_VERSION,
    ...view,
    publicKey: Buffer.from(identity.publicKey).toString("base64"),
    coordinator: { url: config.coordinatorUrl, ...channel },
    device: config.device,
    packets: host.kind,
    nowMs: clock(),
  };
}

function logChannel({ state, problem, refusal, rival }: ChannelState, url: string): void {
  if (state === "up") log.info("connected to the coordinator at {url}", { url });
  else if (refusal !== undefined) {
    const { message, remedy } = refusal;
    log.error("the coordinator at {url} refuses this agent: {message} {remedy}", { url, message, remedy });
  } else if (state === "down" && rival !== undefined) {
    log.warn("{problem} Two machines have the same identity: delete identity.json on one and enrol it anew", {
      problem,
    });
  } else if (state === "down")
    log.warn("the coordinator at {url} is out of reach: {problem}", { url, problem });
}
