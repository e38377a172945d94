/**
 * Device `wireguard:IFACE`: an existing WireGuard interface whose peers' endpoints are sockets of this agent on
 * loopback, one per peer. What the interface sends there goes out by the peer's path, and the other way round.
 */
import { type DatagramSocket, openUdp, type Primitives } from "@burrow/platform";
import { type AgentId, endpoint, keyToText } from "@burrow/protocol";
import { getLogger } from "@logtape/logtape";
import { bytesOf } from "../core/packets.ts";
import { Passthrough } from "../core/passthrough.ts";
import type { TunnelPeer, TunnelSink } from "../core/tunnel.ts";
import { initiatorOf } from "../core/wireguard/index.ts";
import type { BorrowedInterface } from "./borrowed-interface.ts";

const log = getLogger(["burrow", "agent", "wireguard"]);
const LOOPBACK = "127.0.0.1";
/** WireGuard packets from the interface that may wait until a peer's socket is open. */
const WAITING_MAX = 16;

interface StandIn {
  /** As the interface knows the peer. */
  readonly key: string;
  socket: DatagramSocket | undefined;
  readonly waiting: Uint8Array[];
  closed: boolean;
}

export interface StandInsOptions {
  readonly device: BorrowedInterface;
  readonly listenPort: number;
  readonly privateKey: Uint8Array;
  readonly primitives: Primitives;
  /** A packet from the interface for this peer; to be handed to `passthrough.fromInterface`. */
  onPacket(peer: AgentId, datagram: Uint8Array): void;
}

/** The stand-ins on loopback, and the passthrough tunnel that uses them. */
export class StandIns {
  readonly #options: StandInsOptions;
  readonly #standIns = new Map<AgentId, StandIn>();
  passthrough: Passthrough | undefined;

  constructor(options: StandInsOptions) {
    this.#options = options;
  }

  makeTunnel(sink: TunnelSink): Passthrough {
    const { primitives, privateKey } = this.#options;
    this.passthrough = new Passthrough(
      {
        ...sink,
        toInterface: (peer, datagrams) => {
          for (let i = 0; i < datagrams.count; i++) this.#toInterface(peer, bytesOf(datagrams, i));
        },
        peerSet: (peer) =>
          void this.#open(peer).catch((error: unknown) => this.#failed(peer.id, "set on", error)),
        peerRemoved: (peer) => this.#close(peer),
      },
      (initiation) => initiatorOf(primitives, privateKey, initiation),
    );
    return this.passthrough;
  }

  /** Closes all stand-ins; giving the interface back is up to whoever borrowed it. */
  close(): void {
    for (const standIn of this.#standIns.values()) closeSocket(standIn);
    this.#standIns.clear();
  }

  async #open(peer: TunnelPeer): Promise<void> {
    const { device } = this.#options;
    const known = this.#standIns.get(peer.id);
    const key = keyToText(peer.key);
    const standIn: StandIn = known ?? { key, socket: undefined, waiting: [], closed: false };
    this.#standIns.set(peer.id, standIn);
    standIn.socket ??= await openUdp({
      address: LOOPBACK,
      port: 0,
      family: 4,
      onBatch: (batch) => {
        for (let i = 0; i < batch.count; i++) this.#options.onPacket(peer.id, batch.bytes(i));
      },
    });
    if (standIn.closed) return standIn.socket.close();
    await device.setPeer(key, {
      endpoint: endpoint(LOOPBACK, standIn.socket.port),
      allowedIps: [...peer.allowedIps],
    });
    for (const datagram of standIn.waiting.splice(0)) this.#toInterface(peer.id, datagram);
  }

  #toInterface(id: AgentId, datagram: Uint8Array): void {
    const standIn = this.#standIns.get(id);
    if (standIn === undefined) return;
    if (standIn.socket === undefined) {
      if (standIn.waiting.length < WAITING_MAX) standIn.waiting.push(datagram.slice());
      return;
    }
    const { socket } = standIn;
    socket.send(socket.addresses.intern(LOOPBACK, this.#options.listenPort), datagram);
    socket.flush();
  }

  #close(id: AgentId): void {
    const standIn = this.#standIns.get(id);
    if (standIn === undefined) return;
    closeSocket(standIn);
    this.#standIns.delete(id);
    this.#options.device
      .dropPeer(standIn.key)
      .catch((error: unknown) => this.#failed(id, "removed from", error));
  }

  #failed(peer: AgentId, doing: string, error: unknown): void {
    log.error("peer {peer} could not be {doing} the WireGuard interface: {error}", {
      peer,
      doing,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

function closeSocket(standIn: StandIn): void {
  standIn.closed = true;
  standIn.socket?.close();
}
