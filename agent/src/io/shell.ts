/**
 * The shell around the agent machine, on whichever thread it runs: turns batches of datagrams and packets into calls
 * of the machine, and its outputs into sends and reports. Decides nothing, and does not wait: its owner does, in `poll`
 * or in an event loop, and asks `nextDeadline`.
 */
import {
  type DatagramBatch,
  type DatagramSocket,
  nativePrimitives,
  type Primitives,
  ReceivedBatch,
  sealerOf,
} from "@burrow/platform";
import { type Endpoint, type FromAgent, type PublicKey, TUNNEL_MTU_BYTES } from "@burrow/protocol";
import { Agent } from "../core/agent.ts";
import { type AgentCommand, applyCommand } from "../core/commands.ts";
import type { Netmap, OutsideClient } from "../core/contract.ts";
import { EngineTunnel } from "../core/engine-tunnel.ts";
import type { AgentEvent } from "../core/events.ts";
import { bytesOf, PacketRun, type Packets } from "../core/packets.ts";
import type { HttpRequest } from "../core/port-mapping/igd.ts";
import { type Answer, type Asked, answer, type QuestionKind } from "../core/questions.ts";
import { isDoor } from "../core/relays/doors.ts";
import { FurtherSockets } from "./further-sockets.ts";
import type { SocketMaker } from "./sockets.ts";
import { type StandInPlace, StandIns } from "./stand-ins.ts";

/** Unix milliseconds that never go back while the process lives. */
export const clock = (): number => performance.timeOrigin + performance.now();

/**
 * Datagrams dealt with before what came of them goes out: a few of the largest pieces that the device takes. What came
 * first does not wait for all that came with it, and the system works on it meanwhile.
 */
const RUN_MAX = 128;
/** A large network's map is copied between threads and written to a file: not for every change of many at once. */
const NETMAP_PAUSE_MS = 250;
/** What was due when a tick ended in a mistake is due still: without a pause the thread would do nothing else. */
const MISTAKE_PAUSE_MS = 100;
/** Why packets for a relay's WebSocket are dropped: their queue is full, as a network's would be. */
const DOOR_BEHIND = "door-behind";

/** The agent's settings that its machine needs: plain data, for whichever thread it runs in. */
export interface ShellSettings {
  readonly privateKey: Uint8Array;
  readonly publicKey: PublicKey;
  /** No device answers pings: the agent does. */
  readonly answersEchoes: boolean;
  readonly loopbackCandidates: boolean;
  readonly punchesHardNats: boolean;
  readonly mapsPorts: boolean;
  readonly statedEndpoints: readonly Endpoint[];
  readonly outsideClients: readonly OutsideClient[];
  readonly firstSequence: number;
  /** Of an existing WireGuard interface that does the cryptography; undefined where our engine does. */
  readonly interfacePort: number | undefined;
}

/** What the machine has to say to the world beyond its sockets. */
export type ShellReport =
  | { readonly type: "say"; readonly message: FromAgent }
  | { readonly type: "event"; readonly event: AgentEvent; readonly atMs: number }
  | { readonly type: "netmap"; readonly netmap: Netmap }
  /** An HTTP exchange with the router before us; `http-answer` is told what came of it. */
  | { readonly type: "http"; readonly id: number; readonly request: HttpRequest }
  /** For a relay's WebSocket. */
  | { readonly type: "door-datagram"; readonly datagram: Uint8Array; readonly to: Endpoint }
  | { readonly type: "stand-in"; readonly place: StandInPlace }
  | { readonly type: "stand-in-removed"; readonly key: string }
  /** `mistake`: an exception in the machine, which is always ours. */
  | { readonly type: "trouble"; readonly kind: "mistake" | "stand-in" | "sockets"; readonly problem: string };

/** Where packets come out of the tunnel. Bytes are valid until `flush`. */
export interface PacketSink {
  deliver(packets: Packets): void;
  flush(): void;
}

export interface ShellParts {
  /** The main socket, whose batches go to `received`. */
  readonly socket: DatagramSocket;
  readonly sockets: SocketMaker;
  report(report: ShellReport): void;
  /** Reports wait to be heard, as many as ought to: no packets are to be added. */
  isBehind(): boolean;
  /** An input has been dealt with: the deadline may be another one. */
  settled(): void;
}

/** Packets that come out of the tunnel end here; pings are answered by the agent itself. */
export const NOWHERE: PacketSink = { deliver() {}, flush() {} };

export class AgentShell {
  readonly agent: Agent;
  device: PacketSink = NOWHERE;
  /** Whether the coordinator can be told anything now. */
  isChannelUp = false;
  /** Exceptions in the machine: always zero, but for our mistakes. */
  mistakes = 0;
  readonly #parts: ShellParts;
  readonly #further: FurtherSockets;
  readonly #standIns: StandIns | undefined;
  readonly #run = new PacketRun();
  readonly #later: ((now: number) => void)[] = [];
  #isInside = false;
  #netmapDueMs = Number.POSITIVE_INFINITY;
  #netmapReportedMs = Number.NEGATIVE_INFINITY;
  /** The machine's deadlines are not heard before. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(settings: ShellSettings, parts: ShellParts) {
    this.#parts = parts;
    const primitives = nativePrimitives();
    const random = (length: number) => primitives.randomBytes(length);
    this.#further = new FurtherSockets(parts.socket, parts.sockets, {
      opened: (ids) => this.#soon((now) => this.agent.socketsOpened(ids, now)),
      received: (batch, id) => this.received(batch, id),
      failed: (error) => this.#trouble("sockets", error),
    });
    this.#standIns = this.#newStandIns(settings, primitives);
    this.agent = new Agent(
      {
        sendDatagram: (datagram, to, how) => {
          if (isDoor(to)) parts.report({ type: "door-datagram", datagram: datagram.slice(), to });
          else this.#further.send(datagram, to, how);
        },
        sendDatagrams: (datagrams, to, socket, ecn) => this.#sendAll(datagrams, to, socket, ecn),
        openSockets: (count) => this.#further.open(count),
        closeSockets: (ids) => this.#further.close(ids),
        requestHttp: (id, request) => parts.report({ type: "http", id, request }),
        deliver: (packets) => this.device.deliver(packets),
        sendMessage: (message) => {
          if (this.isChannelUp) parts.report({ type: "say", message });
          return this.isChannelUp;
        },
        event: (event) => this.#event(event),
      },
      {
        ...settings,
        sealer: sealerOf(primitives),
        agreement: primitives.x25519,
        random,
        makeTunnel: (sink) =>
          this.#standIns?.makeTunnel(sink) ??
          new EngineTunnel(sink, {
            privateKey: settings.privateKey,
            primitives,
            random,
            wallClock: () => Date.now(),
            mtuBytes: TUNNEL_MTU_BYTES,
          }),
        startedAt: clock(),
      },
    );
  }

  command(command: AgentCommand): void {
    this.#do((now) => applyCommand(this.agent, command, now));
    this.settle();
  }

  ask<K extends QuestionKind>(kind: K, about: Asked<K>): Answer<K> {
    return answer(this.agent, kind, about);
  }

  /** Datagrams of the main socket, or of the further one with this id, from the `first` on. */
  received(batch: DatagramBatch, id?: number, first = 0): void {
    const { addresses } = this.#parts.socket;
    for (let i = first; i < batch.count; ) {
      const from = addresses.endpoint(batch.source(i));
      const next = this.#gather(batch, i, true);
      this.#do((now) => this.agent.receiveDatagrams(this.#run, from, now, id));
      this.settle();
      i = next;
    }
  }

  /** Packets from the device, with room around them to be sealed where they lie. */
  sendPackets(packets: Packets): void {
    this.#do((now) => this.agent.sendPackets(packets, now));
    this.settle();
  }

  /** One packet from the device, without room around it; `settle` follows the last. */
  sendPacket(packet: Uint8Array): void {
    this.#do((now) => this.agent.sendPacket(packet, now));
  }

  tick(now: number): void {
    const { mistakes } = this;
    this.#do(() => this.agent.tick(now));
    if (this.mistakes > mistakes) this.#pausedUntilMs = now + MISTAKE_PAUSE_MS;
    this.settle();
  }

  nextDeadline(): number {
    const deadline = Math.max(this.agent.nextDeadline() ?? Number.POSITIVE_INFINITY, this.#pausedUntilMs);
    return Math.min(deadline, this.#netmapDueMs);
  }

  /** What the inputs caused goes out. */
  settle(): void {
    for (let next = this.#later.shift(); next !== undefined; next = this.#later.shift()) this.#do(next);
    this.#parts.socket.flush();
    this.#further.flush();
    this.#standIns?.flush();
    this.device.flush();
    if (this.#netmapDueMs <= clock()) this.#reportNetmap();
    this.#parts.settled();
  }

  /** Says goodbye to the relays, and gives back what the router holds for us; until then `isLeaving`. */
  leave(): void {
    this.#do((now) => this.agent.leave(now));
    this.settle();
  }

  /** Bounded by the machine itself: a second at most, and not at all where no router holds anything. */
  get isLeaving(): boolean {
    return this.agent.mapper.isLeaving;
  }

  /** Closes what was opened here. */
  close(): void {
    this.#further.closeAll();
    this.#standIns?.close();
  }

  /** Runs one input of the machine. A mistake of ours in it must not take the tunnel of all others down. */
  #do(input: (now: number) => void): void {
    this.#isInside = true;
    try {
      input(clock());
    } catch (error) {
      this.#trouble("mistake", error);
    } finally {
      this.#isInside = false;
    }
  }

  /** An input that the machine's own outputs caused: its turn comes after the present one, if there is one. */
  #soon(input: (now: number) => void): void {
    if (this.#isInside) {
      this.#later.push(input);
      return;
    }
    this.#do(input);
    this.settle();
  }

  /** Datagrams from `first` on into the run: as many as lie in one memory with one ECN field, and, if asked, one source. */
  #gather(batch: DatagramBatch, first: number, isOneSource: boolean): number {
    const run = this.#run;
    if (!(batch instanceof ReceivedBatch)) {
      const bytes = batch.bytes(first);
      run.begin(bytes).push(0, bytes.length);
      return first + 1;
    }
    const source = batch.source(first);
    const ecn = batch.ecn(first);
    run.begin(batch.memory.bytes, ecn);
    let i = first;
    for (; i < batch.count && run.count < RUN_MAX && batch.ecn(i) === ecn; i++) {
      if (isOneSource && batch.source(i) !== source) break;
      run.push(batch.at(i), batch.length(i));
    }
    return i;
  }

  #sendAll(datagrams: Packets, to: Endpoint, socket: number | undefined, ecn: number): void {
    if (!isDoor(to)) return this.#further.sendAll(datagrams, to, socket, ecn);
    if (this.#parts.isBehind()) {
      const { drops } = this.agent;
      drops.set(DOOR_BEHIND, (drops.get(DOOR_BEHIND) ?? 0) + datagrams.count);
      return;
    }
    for (let i = 0; i < datagrams.count; i++) {
      this.#parts.report({ type: "door-datagram", datagram: bytesOf(datagrams, i).slice(), to });
    }
  }

  #event(event: AgentEvent): void {
    if (event.type !== "netmap") return this.#parts.report({ type: "event", event, atMs: clock() });
    if (this.#netmapDueMs === Number.POSITIVE_INFINITY)
      this.#netmapDueMs = this.#netmapReportedMs + NETMAP_PAUSE_MS;
  }

  #reportNetmap(): void {
    const { netmap } = this.agent;
    this.#netmapDueMs = Number.POSITIVE_INFINITY;
    this.#netmapReportedMs = clock();
    if (netmap !== undefined) this.#parts.report({ type: "netmap", netmap });
  }

  #newStandIns(settings: ShellSettings, primitives: Primitives): StandIns | undefined {
    const { privateKey, interfacePort } = settings;
    if (interfacePort === undefined) return undefined;
    const { report, sockets } = this.#parts;
    return new StandIns({
      listenPort: interfacePort,
      privateKey,
      primitives,
      sockets,
      stoodIn: (place) => report({ type: "stand-in", place }),
      removed: (key) => report({ type: "stand-in-removed", key }),
      failed: (_, error) => this.#trouble("stand-in", error),
      received: (peer, batch) => {
        for (let i = 0; i < batch.count; ) {
          i = this.#gather(batch, i, false);
          this.#do(() => this.#standIns?.fromInterface(peer, this.#run));
          this.settle();
        }
      },
    });
  }

  #trouble(kind: "mistake" | "stand-in" | "sockets", error: unknown): void {
    if (kind === "mistake") this.mistakes++;
    const problem =
      error instanceof Error ? (kind === "mistake" ? `${error.stack}` : error.message) : `${error}`;
    this.#parts.report({ type: "trouble", kind, problem });
  }
}
