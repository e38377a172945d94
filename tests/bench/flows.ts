/**
 * Flows through a relay, set up as agents do it: each sender and each receiver has a ticket and binds (challenge and
 * all), and their WireGuard engines shake hands through the relay. What is left is the sender's address and the
 * receiver's index, for a generator that sends packets of that session.
 */

import { AddressTable, type DatagramSocket, nativePrimitives, openUdp } from "@burrow/platform";
import {
  agentIdOf,
  BindStatus,
  type Bytes,
  COOKIE_LENGTH,
  encodeBind,
  type Flow,
  type NetworkId,
  openBound,
  PacketType,
  type RelayId,
  type Sealer,
  sealTicket,
} from "@burrow/protocol";
import { bytesOf, RoomyCopy } from "../../agent/src/core/packets.ts";
import { WireGuardEngine } from "../../agent/src/core/wireguard/index.ts";

export interface RelayDoor {
  readonly id: RelayId;
  readonly ticketKey: Bytes;
  readonly address: string;
  readonly port: number;
}

export interface FlowPlan {
  readonly count: number;
  /** Senders are NET.1.x.y and receivers NET.2.x.y, each with its port; x.y counts from `first`. Default: 127. */
  readonly net?: number;
  readonly first: number;
  readonly sourcePort: number;
  readonly sinkPort: number;
  /** Index into the relay's rate classes; 0 has none that can be filled. */
  readonly rateClass?: number;
}

const NET = 127;
/** Set up at a time: as many sockets are open. */
const WAVE = 256;
const PATIENCE_MS = 20_000;
const RETRY_MS = 500;
/** Handshakes and keepalives are all that comes. */
const DATAGRAM_BYTES_MAX = 2_048;

const primitives = nativePrimitives();
const sealer: Sealer = {
  seal: (key, nonce, header, plaintext) => primitives.xaeadSeal(key, nonce, plaintext, header),
  open: (key, nonce, header, sealed) => primitives.xaeadOpen(key, nonce, sealed, header),
};
const addresses = new AddressTable({ capacity: 4096 });

/** The records that `traffic generate` reads. */
export async function setUpFlows(door: RelayDoor, plan: FlowPlan): Promise<Uint8Array> {
  const records = new Uint8Array(plan.count * 8);
  const view = new DataView(records.buffer);
  for (let from = 0; from < plan.count; from += WAVE) {
    const wave = Array.from({ length: Math.min(WAVE, plan.count - from) }, (_, i) => from + i);
    await Promise.all(
      wave.map(async (i) => {
        const n = plan.first + i;
        const pair = await Pair.open(door, plan, n);
        view.setUint32(i * 8, ((plan.net ?? NET) << 24) + (1 << 16) + n, false);
        view.setUint32(i * 8 + 4, await pair.connect(), true);
        pair.close();
      }),
    );
  }
  return records;
}

class Agent {
  readonly engine: WireGuardEngine<undefined>;
  readonly #received = new RoomyCopy(DATAGRAM_BYTES_MAX);
  readonly key: Bytes;
  bound = Promise.withResolvers<void>();
  readonly #door: RelayDoor;
  readonly #socket: DatagramSocket;
  readonly #sessionKey = primitives.randomBytes(32);
  readonly #ticket: Bytes;
  #cookie: Bytes = new Uint8Array(COOKIE_LENGTH);
  #sequence = 0;

  private constructor(
    door: RelayDoor,
    socket: DatagramSocket,
    plan: FlowPlan,
    network: NetworkId,
    established: (remoteIndex: number) => void,
  ) {
    this.#door = door;
    this.#socket = socket;
    const privateKey = primitives.randomBytes(32);
    this.key = primitives.x25519Public(privateKey);
    const ticket = {
      agentKey: this.key,
      network,
      sessionKey: this.#sessionKey,
      rateClass: plan.rateClass ?? 0,
      acceptsOutside: false,
      expiresAtMs: Date.now() + 3_600_000,
    };
    this.#ticket = sealTicket(ticket, door.id, door.ticketKey, primitives.randomBytes(24), sealer);
    this.engine = new WireGuardEngine<undefined>({
      privateKey,
      primitives,
      random: (out) => crypto.getRandomValues(out as Uint8Array<ArrayBuffer>),
      wallClock: Date.now,
      mtuBytes: 1420,
      cookieSource: () => new Uint8Array(6),
      sink: {
        transmit: (_, datagrams) => {
          for (let i = 0; i < datagrams.count; i++) this.send(bytesOf(datagrams, i));
        },
        deliver() {},
        authenticated() {},
        established: (_, session) => established(session.remoteIndex),
        dropped() {},
      },
    });
  }

  static async open(
    door: RelayDoor,
    plan: FlowPlan,
    at: { readonly address: string; readonly port: number },
    network: NetworkId,
    established: (remoteIndex: number) => void,
  ): Promise<Agent> {
    let agent: Agent | undefined;
    const socket = await openUdp({
      ...at,
      family: 4,
      addresses,
      onBatch(batch) {
        for (let i = 0; i < batch.count; i++) agent?.receive(batch.bytes(i));
      },
    });
    agent = new Agent(door, socket, plan, network, established);
    return agent;
  }

  receive(bytes: Uint8Array): void {
    if (bytes[0] !== PacketType.bound) {
      this.engine.receiveAll(this.#received.of(bytes), undefined, performance.now());
      return;
    }
    const bound = openBound(bytes, this.#sessionKey, sealer);
    if (typeof bound === "string") return;
    if (bound.status === BindStatus.challenge) {
      this.#cookie = bound.cookie;
      this.bind();
    } else if (bound.status === BindStatus.bound) this.bound.resolve();
    else this.bound.reject(new Error(`the relay answered a Bind with status ${bound.status}`));
  }

  bind(flows: readonly Flow[] = []): void {
    const bind = { sequence: ++this.#sequence, cookie: this.#cookie, leaving: false, flows };
    this.send(encodeBind(bind, this.#ticket, this.#sessionKey, primitives.randomBytes(24), sealer));
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(addresses.intern(this.#door.address, this.#door.port), bytes);
    this.#socket.flush();
  }

  close(): void {
    this.#socket.close();
  }
}

class Pair {
  readonly #left: Agent;
  readonly #right: Agent;
  readonly #index: Promise<number>;
  readonly #confirmed: Promise<unknown>;

  private constructor(left: Agent, right: Agent, index: Promise<number>, confirmed: Promise<unknown>) {
    this.#left = left;
    this.#right = right;
    this.#index = index;
    this.#confirmed = confirmed;
  }

  static async open(door: RelayDoor, plan: FlowPlan, n: number): Promise<Pair> {
    const network = n.toString(16).padStart(16, "0") as NetworkId;
    const rest = `${n >> 8}.${n & 255}`;
    const ofLeft = Promise.withResolvers<number>();
    const ofRight = Promise.withResolvers<number>();
    const net = plan.net ?? NET;
    const source = { address: `${net}.1.${rest}`, port: plan.sourcePort };
    const sink = { address: `${net}.2.${rest}`, port: plan.sinkPort };
    const left = await Agent.open(door, plan, source, network, ofLeft.resolve);
    const right = await Agent.open(door, plan, sink, network, ofRight.resolve);
    return new Pair(left, right, ofLeft.promise, ofRight.promise);
  }

  /** The index in the left one's packets to the right one. */
  async connect(): Promise<number> {
    await insist(() => this.#left.bind(), this.#left.bound.promise, "a Bind");
    await insist(() => this.#right.bind(), this.#right.bound.promise, "a Bind");
    const now = performance.now();
    this.#right.engine.addPeer({ publicKey: this.#left.key }, now);
    const peer = this.#left.engine.addPeer({ publicKey: this.#right.key }, now);
    const shake = () => this.#left.engine.initiate(peer, performance.now(), { force: true });
    await insist(shake, this.#index, "a handshake");
    // Its keepalive confirms the session to the other side: the first packet of the flow.
    await this.#confirmed;
    // Whose index is whose, by the agents' own word as well.
    const index = await this.#index;
    this.#left.bind([{ receiverIndex: index, agent: agentIdOf(this.#right.key) }]);
    return index;
  }

  close(): void {
    this.#left.close();
    this.#right.close();
  }
}

/** Tries again until it is done: the relay's budgets for strangers may refuse some of thousands at once. */
async function insist(attempt: () => void, done: Promise<unknown>, what: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  const isDone = done.then(() => true);
  while (performance.now() < until) {
    attempt();
    if (await Promise.race([isDone, Bun.sleep(RETRY_MS).then(() => false)])) return;
  }
  throw new Error(`the relay did not answer ${what} within ${PATIENCE_MS} ms`);
}
