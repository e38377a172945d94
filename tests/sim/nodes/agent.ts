/** An agent in the simulated world: the real machine with the real WireGuard engine, on a simulated host. */
import {
  type AgentId,
  agentIdOf,
  type Endpoint,
  keyToText,
  parseMessage,
  TUNNEL_MTU_BYTES,
  toAgent,
} from "@burrow/protocol";
import { Agent } from "../../../agent/src/core/agent.ts";
import type { Netmap, SendOptions } from "../../../agent/src/core/contract.ts";
import { EngineTunnel } from "../../../agent/src/core/engine-tunnel.ts";
import type { AgentEvent } from "../../../agent/src/core/events.ts";
import { bytesOf } from "../../../agent/src/core/packets.ts";
import { isDoor } from "../../../agent/src/core/relays/doors.ts";
import type { AgentRecord } from "../../../coordinator/src/core/records.ts";
import type { Clock } from "../clock.ts";
import type { Host } from "../net/host.ts";
import type { Network } from "../net/network.ts";
import type { Random } from "../random.ts";
import type { Channel } from "./channel.ts";
import type { CoordinatorNode } from "./coordinator.ts";
import { agreement, type KeyPair, keyPair, primitivesWith, sealer } from "./crypto.ts";
import { Driver } from "./machine.ts";
import { Doors } from "./passages.ts";
import type { RelayNode } from "./relay.ts";

/** Pauses before another try at a coordinator that does not answer. */
const RECONNECT_MS = [300, 2_000] as const;

export interface AgentNodeOptions {
  readonly name: string;
  readonly index: number;
  readonly network: AgentRecord["network"];
  readonly skewMs: number;
  readonly random: Random;
  readonly punchesHardNats: boolean;
  /** The relay whose WebSocket door looks like this endpoint. */
  readonly relayWithDoor: (door: Endpoint) => RelayNode | undefined;
}

export class AgentNode {
  readonly id: AgentId;
  readonly name: string;
  readonly record: AgentRecord;
  host: Host;
  agent: Agent;
  /** All that the machine said of itself. */
  onEvent: (event: AgentEvent) => void = () => {};
  onIntroduce: (peer: AgentId) => void = () => {};

  readonly #clock: Clock;
  readonly #net: Network;
  readonly #coordinator: CoordinatorNode;
  readonly #options: AgentNodeOptions;
  readonly #keys: KeyPair;
  #driver: Driver;
  #channel: Channel | undefined;
  #saved: Netmap | undefined;
  readonly #doors: Doors;

  constructor(
    clock: Clock,
    net: Network,
    coordinator: CoordinatorNode,
    host: Host,
    options: AgentNodeOptions,
  ) {
    this.#clock = clock;
    this.#net = net;
    this.#coordinator = coordinator;
    this.#options = options;
    this.#keys = keyPair(options.random);
    this.id = agentIdOf(this.#keys.publicKey);
    this.name = options.name;
    this.host = host;
    this.record = {
      id: this.id,
      key: keyToText(this.#keys.publicKey),
      network: options.network,
      name: options.name,
      addressIndex: options.index,
      version: "sim",
      enrolledAtMs: 0,
    };
    this.#doors = new Doors(clock, net, (datagram, from) => this.#receive(datagram, from));
    ({ agent: this.agent, driver: this.#driver } = this.#make());
  }

  start(): void {
    this.#plugIn();
    this.#connect();
  }

  /** Sends one echo; the answer comes as an event. Nothing happens before the peer is known. */
  ping(peer: AgentId, identifier: number, sequence: number): void {
    this.#driver.run((now) => {
      const known = this.agent.peers.get(peer);
      if (known !== undefined) this.agent.ping(known, identifier, sequence, now);
    });
  }

  /** The process ends and starts anew with its saved map, as after an upgrade. */
  restart(): void {
    this.#driver.stop();
    this.#doors.closeAll();
    this.#channel?.close();
    this.#coordinator.agentGone(this.id);
    ({ agent: this.agent, driver: this.#driver } = this.#make());
    const saved = this.#saved;
    if (saved !== undefined) this.#driver.run((now) => this.agent.restore(saved, now));
    this.start();
  }

  /** The machine was carried into another network. Its channel breaks as well. */
  moveTo(host: Host): void {
    this.host.unplug();
    this.#doors.closeAll();
    this.host = host;
    this.#plugIn();
    this.channelLost();
    this.#coordinator.agentGone(this.id);
  }

  /** For a while there is no network at all. */
  unplug(): void {
    this.host.unplug();
    this.#doors.closeAll();
    this.#driver.run((now) => this.agent.setLocalEndpoints([], now));
  }

  channelLost(): void {
    this.#channel?.close();
    this.#channel = undefined;
    this.#retry();
  }

  #plugIn(): void {
    const { host } = this;
    host.receive = (datagram, from, socket) => this.#receive(datagram, from, socket);
    this.#driver.run((now) => this.agent.setLocalEndpoints(host.endpoints, now));
  }

  #receive(datagram: Uint8Array, from: Endpoint, socket?: number): void {
    this.#driver.run((now) => this.agent.receiveDatagram(datagram, from, now, socket));
  }

  #send(datagram: Uint8Array, to: Endpoint, how: SendOptions | undefined): void {
    if (!isDoor(to)) return this.#net.send(this.host, datagram, to, how);
    this.#doors.send(this.host, datagram, to, this.#options.relayWithDoor(to));
  }

  /** Sockets open at once, and are told of at the next moment, as by a real system. */
  #openSockets(count: number): void {
    const ids = this.host.openSockets(count);
    this.#clock.in(0, () => this.#driver.run((now) => this.agent.socketsOpened(ids, now)));
  }

  #connect(): void {
    if (this.#channel?.isOpen === true) return;
    const channel = this.#coordinator.agentCame(this);
    this.#channel = channel;
    if (channel === undefined) this.#retry();
  }

  #retry(): void {
    this.#clock.in(this.#options.random.between(...RECONNECT_MS), () => this.#connect());
  }

  /** What the coordinator sends; the channel's delay is behind it. */
  take(message: Parameters<Agent["receiveMessage"]>[0]): void {
    this.#driver.run((now) => this.agent.receiveMessage(message, now));
  }

  readonly parse = (text: string) => parseMessage(toAgent, text);

  #make(): { agent: Agent; driver: Driver } {
    const { random, skewMs, name, punchesHardNats } = this.#options;
    const primitives = primitivesWith(random);
    const clock = this.#clock;
    const agent = new Agent(
      {
        sendDatagram: (datagram, to, how) => this.#send(datagram, to, how),
        sendDatagrams: (datagrams, to, socket) => {
          for (let i = 0; i < datagrams.count; i++) this.#send(bytesOf(datagrams, i), to, { socket });
        },
        deliver: () => {},
        openSockets: (sockets) => this.#openSockets(sockets),
        closeSockets: (ids) => {
          for (const id of ids) this.host.closeSocket(id);
        },
        requestHttp: () => {},
        sendMessage: (message) => {
          if (message.type === "introduce") this.onIntroduce(message.peer);
          return this.#channel !== undefined && this.#coordinator.agentSays(this.id, this.#channel, message);
        },
        event: (event) => {
          if (event.type === "netmap") this.#saved = agent.netmap;
          this.onEvent(event);
        },
      },
      {
        ...this.#keys,
        sealer,
        agreement,
        random: random.bytes,
        makeTunnel: (sink) =>
          new EngineTunnel(sink, {
            ...this.#keys,
            primitives,
            random: random.bytes,
            wallClock: () => clock.nowMs + skewMs,
            mtuBytes: TUNNEL_MTU_BYTES,
          }),
        answersEchoes: true,
        loopbackCandidates: false,
        punchesHardNats,
        mapsPorts: false,
        statedEndpoints: [],
        outsideClients: [],
        startedAt: clock.nowMs + skewMs,
        firstSequence: Math.floor(clock.nowMs + skewMs),
      },
    );
    const driver = new Driver(clock, name, skewMs, {
      nextDeadline: () => agent.nextDeadline(),
      tick: (now) => agent.tick(now),
    });
    return { agent, driver };
  }
}
