/** The agent's machine on the thread of everything else: the portable socket, or one that a test or the demo brings. */
import { type DatagramBatch, type DatagramSocket, openDualStack, openTun } from "@burrow/platform";
import type { Endpoint } from "@burrow/protocol";
import type { AgentCommand } from "../core/commands.ts";
import { bytesOf } from "../core/packets.ts";
import type { Answer, Asked, QuestionKind } from "../core/questions.ts";
import { type OverlayPlace, tunOptions } from "./devices.ts";
import type { AgentHost, HostOptions } from "./host.ts";
import { AgentShell, clock, NOWHERE } from "./shell.ts";
import { PORTABLE_SOCKETS } from "./sockets.ts";

const SOCKET_BUFFER_BYTES = 4 << 20;
const LEAVING_LOOK_MS = 5;
/** Timers may fire a little early; earlier than that is not worth another timer. */
const TIMER_SLACK_MS = 0.5;

export async function openMainThreadHost(options: HostOptions): Promise<AgentHost> {
  let host: MainThreadHost | undefined;
  const open = options.openSocket ?? openDualStack;
  const socket = await open({
    port: options.port,
    recvBufferBytes: SOCKET_BUFFER_BYTES,
    sendBufferBytes: SOCKET_BUFFER_BYTES,
    onBatch: (batch) => host?.received(batch),
  });
  host = new MainThreadHost(socket, options);
  return host;
}

class MainThreadHost implements AgentHost {
  readonly kind = "portable";
  readonly port: number;
  readonly local: readonly Endpoint[];
  readonly #socket: DatagramSocket;
  readonly #shell: AgentShell;
  #closeDevice = async () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isClosing = false;
  #isClosed = false;

  constructor(socket: DatagramSocket, { settings, report }: HostOptions) {
    this.#socket = socket;
    this.port = socket.port;
    this.local = socket.local;
    this.#shell = new AgentShell(settings, {
      socket,
      sockets: PORTABLE_SOCKETS,
      report,
      isBehind: () => false,
      settled: () => this.#setTimer(),
    });
  }

  hasFamily(family: 4 | 6): boolean {
    return this.#socket.hasFamily(family);
  }

  command(command: AgentCommand): void {
    if (!this.#isClosed) this.#shell.command(command);
  }

  setChannel(isUp: boolean): void {
    this.#shell.isChannelUp = isUp;
  }

  async ask<K extends QuestionKind>(kind: K, about: Asked<K>): Promise<Answer<K>> {
    return this.#shell.ask(kind, about);
  }

  async openTun(name: string, place: OverlayPlace, gone: () => void): Promise<void> {
    const tun = await openTun({
      ...tunOptions(name, place),
      onPackets: (batch) => {
        if (this.#isClosed) return;
        for (let i = 0; i < batch.count; i++) this.#shell.sendPacket(batch.bytes(i));
        this.#shell.settle();
      },
      onGone: () => {
        this.#shell.device = NOWHERE;
        gone();
      },
    });
    this.#closeDevice = () => tun.close();
    this.#shell.device = {
      deliver(packets) {
        for (let i = 0; i < packets.count; i++) tun.write(bytesOf(packets, i));
      },
      flush() {},
    };
  }

  received(batch: DatagramBatch): void {
    if (!this.#isClosed) this.#shell.received(batch);
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#shell.leave();
    while (this.#shell.isLeaving) await Bun.sleep(LEAVING_LOOK_MS);
    this.#shell.close();
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
    await this.#closeDevice();
  }

  #setTimer(): void {
    if (this.#isClosed) return;
    const deadline = this.#shell.nextDeadline();
    if (deadline >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = deadline;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Number.POSITIVE_INFINITY;
        this.#shell.tick(clock() + TIMER_SLACK_MS);
      },
      Math.max(0, deadline - clock()),
    );
  }
}
