/** For tests: engines on a virtual clock, joined by a link whose every delay, loss and copy a test decides. */

import { noblePrimitives } from "@burrow/platform";
import { bytesOf, type Packets, RoomyCopy } from "../packets.ts";
import { parseAllowedIp } from "./allowed-ips.ts";
import { WireGuardEngine, type WireGuardEngineOptions } from "./engine.ts";
import type { AuthenticatedKind, DropReason, EstablishedSession, PeerHandle, WireGuardSink } from "./sink.ts";

/** 2025-01-01T00:00:00Z */
const EPOCH_UNIX_MS = 1_735_689_600_000;
const DEFAULT_DELAY_MS = 10;

export interface Sent {
  readonly atMs: number;
  readonly datagram: Uint8Array;
  readonly ecn: number;
  readonly replyTo: string | undefined;
}

type Overrides = Partial<Omit<WireGuardEngineOptions<string>, "sink">>;

/** One engine, and a record of all it said. Its name is also the path by which others hear it. */
export class Node implements WireGuardSink<string> {
  readonly name: string;
  readonly world: World;
  readonly engine: WireGuardEngine<string>;
  readonly sent: Sent[] = [];
  readonly delivered: Uint8Array[] = [];
  readonly authenticatedBy: { kind: AuthenticatedKind; from: string; atMs: number }[] = [];
  readonly sessions: (EstablishedSession & { atMs: number })[] = [];
  readonly drops: DropReason[] = [];

  constructor(world: World, name: string, overrides: Overrides) {
    this.world = world;
    this.name = name;
    this.engine = new WireGuardEngine({
      privateKey: world.bytes(32),
      primitives: noblePrimitives,
      random: (out) => out.set(world.bytes(out.length)),
      wallClock: () => EPOCH_UNIX_MS + world.now,
      mtuBytes: 1_420,
      cookieSource: (from) => new Uint8Array([...from].map((letter) => letter.charCodeAt(0))),
      sink: this,
      ...overrides,
    });
  }

  /** Hands the engine one IP packet. Why it went no further, if it did not. */
  send(packet: Uint8Array, now: number): DropReason | undefined {
    return this.#dropIn(() => this.engine.sendAll(new RoomyCopy(packet.length).of(packet), now));
  }

  /** Hands it one datagram, of which it gets a copy to open. */
  receive(datagram: Uint8Array, from: string, now: number): DropReason | undefined {
    return this.#dropIn(() => this.engine.receiveAll(new RoomyCopy(datagram.length).of(datagram), from, now));
  }

  #dropIn(act: () => void): DropReason | undefined {
    const before = this.drops.length;
    act();
    return this.drops[before];
  }

  transmit(_peer: PeerHandle | undefined, datagrams: Packets, replyTo: string | undefined): void {
    for (let i = 0; i < datagrams.count; i++) {
      const datagram = bytesOf(datagrams, i).slice();
      this.sent.push({ atMs: this.world.now, datagram, ecn: datagrams.ecn, replyTo });
      this.world.carry(this, datagram);
    }
  }

  deliver(_peer: PeerHandle, packets: Packets): void {
    for (let i = 0; i < packets.count; i++) this.delivered.push(bytesOf(packets, i).slice());
  }

  authenticated(_peer: PeerHandle, from: string, kind: AuthenticatedKind, now: number): void {
    this.authenticatedBy.push({ kind, from, atMs: now });
  }

  established(_peer: PeerHandle, session: EstablishedSession, now: number): void {
    this.sessions.push({ ...session, atMs: now });
  }

  dropped(reason: DropReason): void {
    this.drops.push(reason);
  }

  /** Datagrams sent of one message type, 1 to 4. */
  sentOf(type: number): readonly Sent[] {
    return this.sent.filter((sent) => sent.datagram[0] === type);
  }
}

/** The delays after which copies of a datagram arrive: [] loses it, two of them duplicate it. */
export type Link = (from: Node, datagram: Uint8Array) => readonly number[];

export class World {
  now = 0;
  link: Link = () => [DEFAULT_DELAY_MS];
  readonly nodes: Node[] = [];
  #flying: { atMs: number; order: number; from: Node; datagram: Uint8Array }[] = [];
  #order = 0;
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  node(name: string, overrides: Overrides = {}): Node {
    const node = new Node(this, name, overrides);
    this.nodes.push(node);
    return node;
  }

  /** mulberry32, from 0 to below 1. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.random() * 256));
  }

  carry(from: Node, datagram: Uint8Array): void {
    for (const delay of this.link(from, datagram)) {
      this.#flying.push({ atMs: this.now + delay, order: this.#order++, from, datagram });
    }
  }

  /** Lets everything happen, packets and timers in order of time, until `ms` have passed. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.#flying.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const arrival = this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const alarm = Math.min(...this.nodes.map((n) => n.engine.nextDeadline() ?? Number.POSITIVE_INFINITY));
      const next = Math.max(this.now, Math.min(arrival, alarm));
      if (next > end) break;
      this.now = next;
      const packet = arrival <= next ? this.#flying.shift() : undefined;
      if (packet === undefined) for (const node of this.nodes) node.engine.tick(next);
      else this.#arrive(packet.from, packet.datagram);
    }
    this.now = end;
  }

  #arrive(from: Node, datagram: Uint8Array): void {
    for (const node of this.nodes) {
      if (node !== from) node.receive(datagram, from.name, this.now);
    }
  }
}

export interface Pair {
  readonly world: World;
  readonly a: Node;
  readonly b: Node;
  /** b as a knows it, and the other way round. */
  readonly bAtA: PeerHandle;
  readonly aAtB: PeerHandle;
}

export interface PairOptions {
  readonly seed?: number;
  readonly presharedKeyA?: Uint8Array;
  readonly presharedKeyB?: Uint8Array;
  readonly persistentKeepaliveMs?: number;
  readonly a?: Overrides;
  readonly b?: Overrides;
}

/** Two peers, 10.0.0.1 (a) and 10.0.0.2 (b), with fd00::1 and fd00::2, that know each other. */
export function pair(options: PairOptions = {}): Pair {
  const world = new World(options.seed);
  const a = world.node("a", options.a);
  const b = world.node("b", options.b);
  const persistentKeepaliveMs = options.persistentKeepaliveMs ?? 0;
  const bAtA = a.engine.addPeer(
    {
      publicKey: b.engine.publicKey,
      allowedIps: blocks("10.0.0.2", "fd00::2"),
      presharedKey: options.presharedKeyA,
      persistentKeepaliveMs,
    },
    world.now,
  );
  const aAtB = b.engine.addPeer(
    {
      publicKey: a.engine.publicKey,
      allowedIps: blocks("10.0.0.1", "fd00::1"),
      presharedKey: options.presharedKeyB,
    },
    world.now,
  );
  return { world, a, b, bAtA, aAtB };
}

export function blocks(...texts: readonly string[]) {
  return texts.flatMap((text) => parseAllowedIp(text) ?? []);
}

/** An IPv4 packet between 10.0.0.x addresses. */
export function ipv4(source: number, destination: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(20 + payload.length);
  packet.set([0x45, 0, packet.length >>> 8, packet.length & 0xff], 0);
  packet.set([10, 0, 0, source, 10, 0, 0, destination], 12);
  packet.set(payload, 20);
  return packet;
}

/** An IPv6 packet between fd00::x addresses. */
export function ipv6(source: number, destination: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(40 + payload.length);
  packet.set([0x60, 0, 0, 0, payload.length >>> 8, payload.length & 0xff], 0);
  packet.set([0xfd], 8);
  packet.set([0xfd], 24);
  packet[23] = source;
  packet[39] = destination;
  packet.set(payload, 40);
  return packet;
}
