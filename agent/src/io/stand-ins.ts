/**
 * Device `wireguard:IFACE`: an existing WireGuard interface whose peers' endpoints are sockets of this agent on
 * loopback, one per peer. What the interface sends there goes out by the peer's path, and the other way round.
 * Telling the interface is left to whoever has borrowed it.
 */
import {
  type AddressHandle,
  AddressTable,
  type DatagramBatch,
  type DatagramSocket,
  type Primitives,
} from "@burrow/platform";
import { type AgentId, keyToText } from "@burrow/protocol";
import { bytesOf, OnePacket, type Packets } from "../core/packets.ts";
import { Passthrough } from "../core/passthrough.ts";
import type { TunnelPeer, TunnelSink } from "../core/tunnel.ts";
import { initiatorOf } from "../core/wireguard/index.ts";
import { type SocketMaker, withSocket } from "./sockets.ts";

export const STAND_IN_ADDRESS = "127.0.0.1";
/** WireGuard packets from the network that may wait until a peer's socket is open. */
const WAITING_MAX = 16;
/** What the interface's crypto may be ahead of us. */
const RECV_BUFFER_BYTES = 4 << 20;
const ADDRESSES_MAX = 256;

interface StandIn {
  /** As the interface knows the peer. */
  readonly key: string;
  allowedIps: readonly string[];
  socket: DatagramSocket | undefined;
  readonly waiting: Uint8Array[];
  isOpening: boolean;
  isClosed: boolean;
}

/** A peer's endpoint on loopback, as the interface is to know it. */
export interface StandInPlace {
  readonly key: string;
  readonly port: number;
  readonly allowedIps: readonly string[];
}

export interface StandInsOptions {
  readonly listenPort: number;
  readonly privateKey: Uint8Array;
  readonly primitives: Primitives;
  readonly sockets: SocketMaker;
  /** The interface is to send what is for this peer to this port. */
  stoodIn(place: StandInPlace): void;
  removed(key: string): void;
  failed(peer: AgentId, error: unknown): void;
  /** Packets from the interface; to be handed to `fromInterface`. */
  received(peer: AgentId, batch: DatagramBatch): void;
}

/** The stand-ins on loopback, and the passthrough tunnel that uses them. */
export class StandIns {
  readonly #options: StandInsOptions;
  readonly #standIns = new Map<AgentId, StandIn>();
  readonly #used = new Set<DatagramSocket>();
  /** Only the interface's own address matters; who else writes to the stand-ins is of this machine. */
  readonly #addresses = new AddressTable({ capacity: ADDRESSES_MAX });
  readonly #interface: AddressHandle;
  #passthrough: Passthrough | undefined;

  constructor(options: StandInsOptions) {
    this.#options = options;
    this.#interface = this.#addresses.intern(STAND_IN_ADDRESS, options.listenPort);
    this.#addresses.pin(this.#interface);
  }

  makeTunnel(sink: TunnelSink): Passthrough {
    const { primitives, privateKey } = this.#options;
    this.#passthrough = new Passthrough(
      {
        ...sink,
        toInterface: (peer, datagrams) => this.#toInterface(peer, datagrams),
        peerSet: (peer) => this.#stand(peer),
        peerRemoved: (peer) => this.#remove(peer),
      },
      (initiation) => initiatorOf(primitives, privateKey, initiation),
    );
    return this.#passthrough;
  }

  fromInterface(peer: AgentId, datagrams: Packets): void {
    this.#passthrough?.fromInterface(peer, datagrams);
  }

  /** Sends what is queued for the interface. */
  flush(): void {
    for (const socket of this.#used) socket.flush();
    this.#used.clear();
  }

  /** Closes all stand-ins; giving the interface back is up to whoever borrowed it. */
  close(): void {
    for (const standIn of this.#standIns.values()) this.#close(standIn);
    this.#standIns.clear();
  }

  #stand(peer: TunnelPeer): void {
    const key = keyToText(peer.key);
    const known = this.#standIns.get(peer.id);
    const standIn = known ?? {
      key,
      allowedIps: [],
      socket: undefined,
      waiting: [],
      isOpening: false,
      isClosed: false,
    };
    standIn.allowedIps = peer.allowedIps;
    this.#standIns.set(peer.id, standIn);
    const { stoodIn, failed, received, sockets } = this.#options;
    const tell = ({ port }: DatagramSocket) => stoodIn({ key, port, allowedIps: standIn.allowedIps });
    if (standIn.socket !== undefined) return tell(standIn.socket);
    if (standIn.isOpening) return;
    standIn.isOpening = true;
    withSocket(
      sockets,
      {
        address: STAND_IN_ADDRESS,
        port: 0,
        family: 4,
        addresses: this.#addresses,
        recvBufferBytes: RECV_BUFFER_BYTES,
        onBatch: (batch) => received(peer.id, batch),
      },
      (socket) => {
        standIn.isOpening = false;
        if (standIn.isClosed) return sockets.close(socket);
        this.#opened(peer.id, standIn, socket);
        tell(socket);
      },
      (error) => {
        standIn.isOpening = false;
        failed(peer.id, error);
      },
    );
  }

  #opened(id: AgentId, standIn: StandIn, socket: DatagramSocket): void {
    standIn.socket = socket;
    for (const datagram of standIn.waiting.splice(0)) this.#toInterface(id, new OnePacket(datagram));
    this.flush();
  }

  #toInterface(id: AgentId, datagrams: Packets): void {
    const standIn = this.#standIns.get(id);
    if (standIn === undefined) return;
    const { socket, waiting } = standIn;
    const { memory, ecn } = datagrams;
    for (let i = 0; i < datagrams.count; i++) {
      if (socket !== undefined) {
        socket.borrow(this.#interface, memory, datagrams.offset(i), datagrams.length(i), ecn);
      } else if (waiting.length < WAITING_MAX) waiting.push(bytesOf(datagrams, i).slice());
    }
    if (socket !== undefined) this.#used.add(socket);
  }

  #remove(id: AgentId): void {
    const standIn = this.#standIns.get(id);
    if (standIn === undefined) return;
    this.#close(standIn);
    this.#standIns.delete(id);
    this.#options.removed(standIn.key);
  }

  #close(standIn: StandIn): void {
    standIn.isClosed = true;
    if (standIn.socket === undefined) return;
    this.#used.delete(standIn.socket);
    this.#options.sockets.close(standIn.socket);
  }
}
