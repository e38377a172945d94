/**
 * The shell around the agent machine: one UDP socket, one clock, one timer. Turns datagrams and packets into calls
 * of the machine and its outputs into sends; decides nothing.
 */
import {
  type DatagramBatch,
  type DatagramSocket,
  isTunnelInterface,
  type LocalNetwork,
  localNetwork,
  type openDualStack,
  type PacketBatch,
  watchNetwork,
} from "@burrow/platform";
import { type Endpoint, endpoint, type FromAgent } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { Agent } from "../core/agent.ts";
import type { AgentOptions } from "../core/contract.ts";
import type { AgentEvent } from "../core/events.ts";
import { bytesOf, OnePacket } from "../core/packets.ts";
import { isDoor } from "../core/relays/doors.ts";
import { NO_DEVICE, type PacketDevice } from "./devices.ts";
import { FurtherSockets } from "./further-sockets.ts";
import { exchangeHttp } from "./gateway-http.ts";
import { WebsocketDoors } from "./websocket-doors.ts";

const log = getLogger(["burrow", "agent"]);

export type OpenSocket = typeof openDualStack;

/** Unix milliseconds that never go back while the process lives. */
export const clock = (): number => performance.timeOrigin + performance.now();

/** 100.64.0.0/10. */
const OVERLAY_V4 = /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;
/** A router answers within milliseconds, old ones take a second to think. */
const HTTP_TIMEOUT_MS = 3_000;
const LEAVING_LOOK_MS = 5;
/** Timers may fire a little early; earlier than that is not worth another timer. */
const TIMER_SLACK_MS = 0.5;

export interface RuntimeOptions extends Omit<AgentOptions, "startedAt"> {
  readonly port: number;
  readonly openSocket: OpenSocket;
  /** Interfaces whose addresses are the overlay's own and so no candidates. */
  readonly overlayInterface: string | undefined;
  sendMessage(message: FromAgent): boolean;
  onEvent(event: AgentEvent, atMs: number): void;
}

export class Runtime {
  readonly agent: Agent;
  readonly socket: DatagramSocket;
  device: PacketDevice = NO_DEVICE;
  /** Exceptions in the machine: always zero, but for our mistakes. */
  mistakes = 0;
  readonly #options: RuntimeOptions;
  readonly #watcher: { close(): void };
  readonly #doors = new WebsocketDoors((datagram, from) => {
    this.do((agent, now) => agent.receiveDatagram(datagram, from, now));
  });
  readonly #further: FurtherSockets;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  static async open(options: RuntimeOptions): Promise<Runtime> {
    const opened: { runtime?: Runtime } = {};
    const socket = await options.openSocket({
      port: options.port,
      recvBufferBytes: 4 << 20,
      sendBufferBytes: 4 << 20,
      onBatch: (batch) => {
        const { runtime } = opened;
        if (runtime !== undefined) runtime.#received(batch);
      },
    });
    opened.runtime = new Runtime(socket, options);
    return opened.runtime;
  }

  private constructor(socket: DatagramSocket, options: RuntimeOptions) {
    this.socket = socket;
    this.#options = options;
    this.#further = new FurtherSockets(socket, {
      opened: (ids) => this.do((agent, now) => agent.socketsOpened(ids, now)),
      received: (batch, id) => this.#received(batch, id),
    });
    this.agent = new Agent(
      {
        sendDatagram: (datagram, to, how) => {
          if (isDoor(to)) this.#doors.send(datagram, to);
          else this.#further.send(datagram, to, how);
        },
        sendDatagrams: (datagrams, to, socket) => {
          const isToDoor = isDoor(to);
          for (let i = 0; i < datagrams.count; i++) {
            if (isToDoor) this.#doors.send(bytesOf(datagrams, i), to);
            else this.#further.send(bytesOf(datagrams, i), to, { socket });
          }
        },
        openSockets: (count) => this.#further.open(count),
        closeSockets: (ids) => this.#further.close(ids),
        requestHttp: (id, request) => {
          exchangeHttp(request, HTTP_TIMEOUT_MS).then((answer) =>
            this.do((agent, now) => agent.mapper.answered(id, answer, now)),
          );
        },
        deliver: (packets) => {
          for (let i = 0; i < packets.count; i++) this.device.write(bytesOf(packets, i));
        },
        sendMessage: options.sendMessage,
        event: (event) => {
          if (event.type === "netmap") this.#doors.learn(this.agent.netmap?.relays ?? []);
          options.onEvent(event, clock());
        },
      },
      { ...options, startedAt: clock() },
    );
    this.#setNetwork(localNetwork());
    this.#watcher = watchNetwork((network) => this.#setNetwork(network));
  }

  /** Runs one input of the machine, then sends what it queued and sets the timer. */
  do(input: (agent: Agent, now: number) => void): void {
    if (this.#stopped) return;
    try {
      input(this.agent, clock());
    } catch (error) {
      // A mistake of ours in one packet's handling must not take the tunnel of all others down.
      this.mistakes++;
      log.error("a mistake in the agent, please report it: {error}", { error });
    }
    this.#after();
  }

  /** Packets from the device. */
  readonly sendPackets = (batch: PacketBatch): void => {
    this.do((agent, now) => {
      for (let i = 0; i < batch.count; i++) agent.sendPacket(batch.bytes(i), now);
    });
  };

  async stop(): Promise<void> {
    this.do((agent, now) => agent.leave(now));
    // Bounded by the machine itself: a second at most, and nothing where no router holds anything.
    while (this.agent.mapper.isLeaving && !this.#stopped) await Bun.sleep(LEAVING_LOOK_MS);
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#watcher.close();
    this.socket.close();
    this.#further.closeAll();
    this.#doors.close();
    await this.device.close();
  }

  #received(batch: DatagramBatch, socket?: number): void {
    this.do((agent, now) => {
      for (let i = 0; i < batch.count; i++) {
        const from = this.socket.addresses.endpoint(batch.source(i));
        agent.receiveDatagrams(new OnePacket(batch.bytes(i)), from, now, socket);
      }
    });
  }

  #after(): void {
    this.socket.flush();
    this.#further.flush();
    const deadline = this.agent.nextDeadline();
    if (deadline === undefined || deadline >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = deadline;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, deadline - clock()));
  }

  #tick(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    this.do((agent, now) => agent.tick(now + TIMER_SLACK_MS));
  }

  #setNetwork({ addresses, gateway }: LocalNetwork): void {
    const usable = addresses.filter(({ name, address }) => {
      // Other overlays number their tunnels like ours: a path through one of them would not carry whole packets.
      const isOverlays = OVERLAY_V4.test(address) && isTunnelInterface(name);
      return name !== this.#options.overlayInterface && !isOverlays;
    });
    const local: Endpoint[] = usable
      .filter(({ family }) => this.socket.hasFamily(family))
      .map(({ address }) => endpoint(address, this.socket.port));
    this.do((agent, now) => agent.setLocalEndpoints(local, now, gateway));
  }
}
