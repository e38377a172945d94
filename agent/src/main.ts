/** The agent put together: identity, socket, machine, side channel, device and local API. */
import { hostname } from "node:os";
import {
  type DirectoryLock,
  ensurePrivateDirectory,
  lockDirectory,
  nativePrimitives,
  openDualStack,
  openWireGuardInterface,
  type Primitives,
  sealerOf,
  setRouteMtu,
  type WireGuardInterface,
} from "@burrow/platform";
import { type AgentId, type Endpoint, fromBase64, TUNNEL_MTU_BYTES, UserError } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import type { Agent } from "./core/agent.ts";
import type { Netmap } from "./core/contract.ts";
import { EngineTunnel } from "./core/engine-tunnel.ts";
import type { AgentEvent } from "./core/events.ts";
import { OnePacket } from "./core/packets.ts";
import type { Peer } from "./core/peers.ts";
import { leaseText } from "./core/port-mapping/port-mapper.ts";
import type { TunnelSink } from "./core/tunnel.ts";
import { pathView } from "./core/views.ts";
import { BorrowedInterface } from "./io/borrowed-interface.ts";
import { type DeviceChoice, NO_DEVICE, openTunDevice, rehearseTunDevice } from "./io/devices.ts";
import { type Identity, loadIdentity } from "./io/identity.ts";
import { serveLocalApi } from "./io/local-api.ts";
import { loadNetmap, NetmapSaver } from "./io/netmap-file.ts";
import { AddressWatch, parseClients, type WireGuardClient } from "./io/outside-clients.ts";
import { PeerMtus } from "./io/peer-mtus.ts";
import { Pinger, type PingOptions, type PingResult } from "./io/pinger.ts";
import { clock, type OpenSocket, Runtime } from "./io/runtime.ts";
import { type ChannelState, SideChannel } from "./io/side-channel.ts";
import { SilenceWatch } from "./io/silence-watch.ts";
import { warmUp } from "./io/warm-up.ts";
import { StandIns } from "./io/wireguard-device.ts";

export type { AgentEvent } from "./core/events.ts";
export type { PathTarget } from "./core/paths/path.ts";
export * from "./core/views.ts";
export type { DeviceChoice } from "./io/devices.ts";
export { SOCKET_NAME } from "./io/local-api.ts";
export type { WireGuardClient } from "./io/outside-clients.ts";
export type { PingOptions, PingResult } from "./io/pinger.ts";

const log = getLogger(["burrow", "agent"]);

export const AGENT_VERSION = "0.1.0";

/** A first enrolment needs the coordinator; later starts wait this long for it and then go on without. */
const WELCOME_WAIT_MS = 10_000;
/** … but when every try of so long was turned away at the door, more of them will not help. */
const TRIES_MS = 3_000;

export interface AgentConfig {
  readonly coordinatorUrl: string;
  /** For the first start; later the key is known. */
  readonly token?: string | undefined;
  readonly name?: string | undefined;
  readonly device: DeviceChoice;
  /** UDP port; 0 for any. */
  readonly port: number;
  readonly stateDir: string;
  readonly clients?: readonly WireGuardClient[];
  /** Endpoints at which the user knows this agent to be reachable. */
  readonly statedEndpoints?: readonly Endpoint[];
  /** Sent with the side channel's request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Loopback addresses are candidates: for meshes on one machine. */
  readonly loopbackCandidates?: boolean;
  /** Many sockets and probes where a NAT gives each destination another port; on unless switched off. */
  readonly punchesHardNats?: boolean | undefined;
  /** Ask the router before us for a port; on unless switched off, or the mesh is on one machine. */
  readonly mapsPorts?: boolean | undefined;
  readonly openSocket?: OpenSocket;
  onEvent?(event: AgentEvent, atMs: number): void;
}

export interface RunningAgent {
  readonly id: AgentId;
  readonly agent: Agent;
  readonly socketEndpoints: readonly Endpoint[];
  status(): AgentStatus;
  ping(peer: Peer, options: PingOptions): AsyncGenerator<PingResult>;
  stop(): Promise<void>;
}

export type AgentStatus = ReturnType<typeof statusOf>;

/** Starts an agent; resolves when it is enrolled (or has been before) and its device is open. */
export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  await ensurePrivateDirectory(config.stateDir);
  const lock = await lockDirectory(config.stateDir);
  try {
    return await start(config, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function start(config: AgentConfig, lock: DirectoryLock): Promise<RunningAgent> {
  const primitives = loadPrimitives();
  const iface =
    config.device.kind === "wireguard" ? await openWireGuardInterface(config.device.name) : undefined;
  const given = iface === undefined ? undefined : await interfaceKey(iface);
  const identity = await loadIdentity(config.stateDir, primitives, given?.privateKey);
  const borrowed = iface === undefined ? undefined : await BorrowedInterface.open(iface, config.stateDir);
  const saved = await loadNetmap(config.stateDir);
  if (config.device.kind === "tun") await rehearseTunDevice(config.device.name);
  const saver = new NetmapSaver(config.stateDir);
  const clients = parseClients(config.clients ?? []);
  const addressWatch = new AddressWatch(config.clients ?? []);
  const welcome = Promise.withResolvers<"welcome">();

  let channel: SideChannel | undefined;
  const pinger: Pinger = new Pinger(
    () => runtime,
    primitives.randomBytes(2).reduce((sum, byte) => sum * 256 + byte, 0),
  );
  const standIns =
    borrowed === undefined || given === undefined
      ? undefined
      : new StandIns({
          device: borrowed,
          listenPort: given.listenPort,
          privateKey: identity.privateKey,
          primitives,
          onPacket: (peer, datagram) =>
            runtime.do(() => standIns?.passthrough?.fromInterface(peer, new OnePacket(datagram))),
        });
  const peerMtus = peerMtusOf(config.device, borrowed, () => runtime.agent.netmap?.agent);
  const random = (length: number) => primitives.randomBytes(length);
  const runtime: Runtime = await Runtime.open({
    ...identity,
    sealer: sealerOf(primitives),
    agreement: primitives.x25519,
    random,
    makeTunnel: (sink: TunnelSink) =>
      standIns?.makeTunnel(sink) ??
      new EngineTunnel(sink, {
        ...identity,
        primitives,
        random,
        wallClock: () => Date.now(),
        mtuBytes: TUNNEL_MTU_BYTES,
      }),
    answersEchoes: config.device.kind === "none",
    loopbackCandidates: config.loopbackCandidates ?? false,
    punchesHardNats: config.punchesHardNats ?? true,
    mapsPorts: config.mapsPorts ?? config.loopbackCandidates !== true,
    statedEndpoints: config.statedEndpoints ?? [],
    outsideClients: clients,
    port: config.port,
    openSocket: config.openSocket ?? openDualStack,
    overlayInterface: config.device.kind === "none" ? undefined : config.device.name,
    sendMessage: (message) => channel?.send(message) ?? false,
    onEvent: (event, atMs) => {
      if (event.type === "echo") pinger.answered(event.reply);
      else if (event.type === "netmap") {
        const { netmap, peers } = runtime.agent;
        if (netmap !== undefined) saver.save(netmap);
        if (netmap !== undefined)
          addressWatch.look([netmap.agent, ...[...peers.all].map(({ info }) => info)]);
      } else if (event.type === "mtu") peerMtus?.set(event.peer, event.mtuBytes);
      else if (event.type === "refused") {
        welcome.reject(new UserError(event.message, event.remedy));
      } else logEvent(event);
      config.onEvent?.(event, atMs);
    },
  });
  const silenceWatch = new SilenceWatch(() => runtime.agent);
  const closeAll = async () => {
    silenceWatch.close();
    channel?.close();
    await runtime.stop();
    standIns?.close();
    await borrowed?.giveBack();
    await saver.close();
  };
  try {
    if (saved !== undefined) runtime.do((agent, now) => agent.restore(saved, now));
    let lastProblem: string | undefined;
    channel = new SideChannel({
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
      onMessage: (message) => {
        runtime.do((agent, now) => agent.receiveMessage(message, now));
        if (message.type === "welcome") welcome.resolve("welcome");
      },
      onState: (state) => {
        lastProblem = state.problem;
        logChannel(state, config.coordinatorUrl);
      },
    });
    // While the coordinator is awaited, anyway.
    warmUp(primitives, sealerOf(primitives));
    const netmap = await firstNetmap(runtime, channel, welcome.promise, saved, () =>
      Promise.reject(
        new UserError(
          `the coordinator at ${config.coordinatorUrl} does not answer${lastProblem === undefined ? "" : `: ${lastProblem}`}`,
          "check the URL and that `burrow coordinator` runs there; a first start cannot do without it",
        ),
      ),
    );
    if (borrowed !== undefined) await borrowed.address(netmap.agent);
    await openDevice(config.device, runtime, netmap);
    const running: RunningAgent = {
      id: runtime.agent.id,
      agent: runtime.agent,
      socketEndpoints: runtime.socket.local,
      status: () => statusOf(runtime.agent, identity, config, channel?.state),
      ping: (peer, options) => pinger.run(peer, options),
      stop: async () => {
        await api.stop();
        await closeAll();
        await lock.release();
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
  runtime: Runtime,
  channel: SideChannel,
  welcome: Promise<"welcome">,
  saved: Netmap | undefined,
  otherwise: () => Promise<never>,
): Promise<Netmap> {
  // With a saved map packets flow at once; the coordinator may yet refuse us, which the log will say.
  welcome.catch(() => {});
  if (saved !== undefined) return saved;
  const late = Promise.withResolvers<"late">();
  const timers = [
    setTimeout(() => channel.state.state === "down" && late.resolve("late"), TRIES_MS),
    setTimeout(() => late.resolve("late"), WELCOME_WAIT_MS),
  ];
  const came = await Promise.race([welcome, late.promise]).finally(() => timers.forEach(clearTimeout));
  const { netmap } = runtime.agent;
  return came === "late" || netmap === undefined ? otherwise() : netmap;
}

async function openDevice(choice: DeviceChoice, runtime: Runtime, netmap: Netmap): Promise<void> {
  if (choice.kind !== "tun") {
    runtime.device = NO_DEVICE;
    return;
  }
  const gone = () => {
    log.error("the device {name} was removed by somebody; restart the agent to have it back", {
      name: choice.name,
    });
    runtime.device = NO_DEVICE;
  };
  runtime.device = await openTunDevice(choice.name, netmap, runtime.sendPackets, gone);
}

/** Where a device has routes, those to peers behind narrow paths get an MTU of their own. */
function peerMtusOf(
  { kind, name }: { readonly kind: DeviceChoice["kind"]; readonly name?: string },
  borrowed: BorrowedInterface | undefined,
  own: () => Netmap["agent"] | undefined,
): PeerMtus | undefined {
  if (kind === "none" || name === undefined) return undefined;
  return new PeerMtus(own, (address, source, mtuBytes) =>
    borrowed === undefined
      ? setRouteMtu(name, address, source, mtuBytes)
      : borrowed.setRouteMtu(address, source, mtuBytes),
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

function statusOf(agent: Agent, identity: Identity, config: AgentConfig, channel: ChannelState | undefined) {
  const { home, standby, reason } = agent.relays.homes;
  const homeLink = home === undefined ? undefined : agent.relays.get(home);
  const standbyLink = standby === undefined ? undefined : agent.relays.get(standby);
  const peers = [...agent.peers.all];
  const byKind = (kind: string) =>
    peers.filter((peer) => pathView(agent, peer.paths.current).kind === kind).length;
  return {
    id: agent.id,
    version: AGENT_VERSION,
    ...(agent.netmap === undefined
      ? undefined
      : {
          name: agent.netmap.agent.name,
          network: agent.netmap.agent.networkName,
          ipv4: agent.netmap.agent.ipv4,
          ipv6: agent.netmap.agent.ipv6,
          place: agent.netmap.observed.place,
        }),
    publicKey: Buffer.from(identity.publicKey).toString("base64"),
    coordinator: { url: config.coordinatorUrl, ...channel },
    home:
      homeLink === undefined
        ? undefined
        : { relay: home, region: homeLink.info.region, rttMs: homeLink.rtt.leastMs, reason },
    standby: standbyLink === undefined ? undefined : { relay: standby, region: standbyLink.info.region },
    device: config.device,
    natMapping: agent.whereabouts.nat,
    peers: {
      total: peers.length,
      online: peers.filter((peer) => peer.info.online).length,
      direct: peers.filter((peer) => peer.paths.isAwake && peer.paths.current?.kind === "direct").length,
      relayed: peers.filter((peer) => peer.paths.isAwake && peer.paths.current?.kind === "relay").length,
      idle: peers.filter((peer) => peer.info.online && !peer.paths.isAwake).length,
    },
    drops: Object.fromEntries([...agent.drops, ...agent.tunnel.drops]),
    nowMs: clock(),
    paths: { direct: byKind("direct"), relay: byKind("relay"), none: byKind("none") },
  };
}

function logChannel({ state, problem }: ChannelState, url: string): void {
  if (state === "up") log.info("connected to the coordinator at {url}", { url });
  else if (state === "down")
    log.warn("the coordinator at {url} is out of reach: {problem}", { url, problem });
}

function logEvent(event: AgentEvent): void {
  switch (event.type) {
    case "home":
      return log.info("home relay: {region} ({reason})", {
        region: event.region ?? "none",
        reason: event.reason,
      });
    case "relay":
      return log.debug("relay {region}: {event}, {detail}", {
        region: event.region,
        event: event.event,
        detail: event.detail,
      });
    case "path":
      return log.info("{name}: {path} ({reason})", {
        name: event.name,
        path: describe(event.to),
        reason: event.reason,
      });
    case "port-mapping":
      return log.info("{what}", { what: leaseText(event.lease) });
    case "first-data":
      return log.info("{name}: first data, by {path}", { name: event.name, path: describe(event.via) });
    default:
      return;
  }
}

function describe(target: { kind: string; endpoint?: string; relay?: string } | undefined): string {
  if (target === undefined) return "no path";
  return target.kind === "direct" ? `direct ${target.endpoint}` : `relay ${target.relay}`;
}
