/** The engine as the agent's tunnel: peers go by their ids, sessions become flows, and what went wrong is counted by name. */
import { expect, test } from "bun:test";
import { noblePrimitives } from "@burrow/platform";
import { type AgentId, agentIdOf, endpoint, type PublicKey } from "@burrow/protocol";
import { EngineTunnel } from "./engine-tunnel.ts";
import { bytesOf, OnePacket, RoomyCopy } from "./packets.ts";
import type { PathTarget } from "./paths/path.ts";
import { ipv4, World } from "./wireguard/testkit.ts";

const MTU = 1_360;
const PATH: PathTarget = { kind: "direct", endpoint: endpoint("192.0.2.1", 1) };

/** One end, with all that its tunnel said. */
class End {
  readonly tunnel: EngineTunnel;
  readonly privateKey: Uint8Array;
  readonly key: PublicKey;
  readonly id: AgentId;
  readonly sent: {
    readonly to: AgentId | undefined;
    readonly datagram: Uint8Array;
    readonly isReply: boolean;
  }[] = [];
  readonly delivered: { readonly from: AgentId; readonly packet: Uint8Array }[] = [];
  readonly flows: { readonly peer: AgentId; readonly index: number }[] = [];
  readonly heard: { readonly peer: AgentId; readonly carriesData: boolean }[] = [];

  /** `before`: this is that end after a restart. `skewMs`: how far its clock is ahead. */
  constructor(world: World, before?: End, skewMs = 0) {
    const privateKey = before?.privateKey ?? world.bytes(32);
    this.privateKey = privateKey;
    this.key = noblePrimitives.x25519Public(privateKey) as PublicKey;
    this.id = agentIdOf(this.key);
    this.tunnel = new EngineTunnel(
      {
        transmit: (to, datagrams, replyTo) => {
          for (let i = 0; i < datagrams.count; i++) {
            const datagram = bytesOf(datagrams, i).slice();
            this.sent.push({ to, datagram, isReply: replyTo !== undefined });
          }
        },
        deliver: (from, packets) => {
          for (let i = 0; i < packets.count; i++) {
            this.delivered.push({ from, packet: bytesOf(packets, i).slice() });
          }
        },
        authenticated: (peer, _, carriesData) => this.heard.push({ peer, carriesData }),
        flowEstablished: (peer, index) => this.flows.push({ peer, index }),
      },
      {
        privateKey,
        primitives: noblePrimitives,
        wallClock: () => world.now + skewMs,
        mtuBytes: MTU,
        random: (length) => world.bytes(length),
      },
    );
  }

  /** All that this end has sent since the last time, to the other. False when that knew no session for some of it. */
  deliverTo(other: End, now: number): boolean {
    return this.sent
      .splice(0)
      .map(({ datagram }) => other.tunnel.receive(new OnePacket(datagram), PATH, now))
      .every((isKnown) => isKnown);
  }
}

/** A transport packet with nothing inside. */
const KEEPALIVE_BYTES = 32;
const roomy = (packet: Uint8Array) => new RoomyCopy(MTU).of(packet);

function connected() {
  const world = new World();
  const [a, b] = [new End(world), new End(world)];
  a.tunnel.setPeer({ id: b.id, key: b.key, allowedIps: ["10.0.0.2/32"] }, world.now);
  b.tunnel.setPeer({ id: a.id, key: a.key, allowedIps: ["10.0.0.1/32"] }, world.now);
  a.tunnel.initiate(b.id, world.now);
  a.deliverTo(b, world.now);
  expect(b.sent.map(({ to, isReply }) => ({ to, isReply }))).toEqual([{ to: a.id, isReply: true }]);
  b.deliverTo(a, world.now);
  return { world, a, b };
}

test("what waited for the handshake arrives first, by the ids of both", () => {
  const world = new World();
  const [a, b] = [new End(world), new End(world)];
  a.tunnel.setPeer({ id: b.id, key: b.key, allowedIps: ["10.0.0.2/32"] }, world.now);
  b.tunnel.setPeer({ id: a.id, key: a.key, allowedIps: ["10.0.0.1/32"] }, world.now);
  const packets = [1, 2, 3].map((n) => ipv4(1, 2, new Uint8Array(20).fill(n)));
  for (const packet of packets) a.tunnel.send(roomy(packet), world.now);
  expect(a.sent.length).toBe(1);
  a.deliverTo(b, world.now);
  b.deliverTo(a, world.now);
  a.deliverTo(b, world.now);
  expect(b.delivered).toEqual(packets.map((packet) => ({ from: a.id, packet })));
  expect(b.heard.at(-1)).toEqual({ peer: a.id, carriesData: true });
});

test("a session is a flow of each end: the index that packets to the peer bear", () => {
  const { world, a, b } = connected();
  expect([a.flows.length, b.flows.length]).toEqual([1, 1]);
  expect([a.flows[0]?.peer, b.flows[0]?.peer]).toEqual([b.id, a.id]);
  a.sent.length = 0;
  a.tunnel.send(roomy(ipv4(1, 2, new Uint8Array(20))), world.now);
  const datagram = a.sent[0]?.datagram ?? new Uint8Array(8);
  expect(new DataView(datagram.buffer).getUint32(4, true)).toBe(a.flows[0]?.index ?? -1);
});

test("a session of our own making is told of again, until the peer was heard by it", () => {
  const { world, a, b } = connected();
  const haveSession = () =>
    [a, b].map(({ tunnel }, i) => tunnel.hasSession([b, a][i]?.id ?? a.id, world.now));
  // The packet that was to confirm it is lost.
  a.sent.length = 0;
  expect(haveSession()).toEqual([false, false]);
  a.tunnel.initiate(b.id, world.now);
  expect(a.sent.map(({ datagram }) => datagram.length)).toEqual([KEEPALIVE_BYTES]);
  a.deliverTo(b, world.now);
  expect(haveSession()).toEqual([false, true]);
  b.tunnel.send(roomy(ipv4(2, 1, new Uint8Array(20))), world.now);
  b.deliverTo(a, world.now);
  expect(haveSession()).toEqual([true, true]);
  a.tunnel.initiate(b.id, world.now);
  expect(a.sent).toEqual([]);
});

test("addresses that change are the peer's at once, and a peer that is told again costs nothing", () => {
  const { world, a, b } = connected();
  a.sent.length = 0;
  a.tunnel.setPeer({ id: b.id, key: b.key, allowedIps: ["10.0.0.2/32"] }, world.now);
  expect(a.sent).toEqual([]);
  a.tunnel.setPeer({ id: b.id, key: b.key, allowedIps: ["10.0.0.9/32", "no address"] }, world.now);
  a.sent.length = 0;
  a.tunnel.send(roomy(ipv4(1, 2, new Uint8Array(20))), world.now);
  expect(a.tunnel.drops.get("no-route")).toBe(1);
  a.tunnel.send(roomy(ipv4(1, 9, new Uint8Array(20))), world.now);
  expect(a.sent.map(({ to }) => to)).toEqual([b.id]);
});

test("a peer that was removed is nobody's: nothing goes to it, and what it sends is of no session", () => {
  const { world, a, b } = connected();
  a.tunnel.send(roomy(ipv4(1, 2, new Uint8Array(20))), world.now);
  a.deliverTo(b, world.now);
  b.tunnel.send(roomy(ipv4(2, 1, new Uint8Array(20))), world.now);
  a.tunnel.removePeer(b.id);
  a.tunnel.removePeer(b.id);
  expect(b.deliverTo(a, world.now)).toBe(false);
  expect(a.delivered).toEqual([]);
  expect(a.tunnel.statistics(b.id)).toBeUndefined();
  expect(a.tunnel.hasSession(b.id, world.now)).toBe(false);
  a.tunnel.initiate(b.id, world.now);
  a.tunnel.kick(b.id, world.now);
  a.tunnel.send(roomy(ipv4(1, 2, new Uint8Array(20))), world.now);
  expect(a.sent).toEqual([]);
  expect(a.tunnel.drops.get("no-route")).toBe(1);
});

test("a peer whose clock went back completes no handshake, and it is known since when", () => {
  const { world, a, b } = connected();
  const restarted = new End(world, a, -3_600_000);
  restarted.tunnel.setPeer({ id: b.id, key: b.key, allowedIps: ["10.0.0.2/32"] }, world.now);
  const unanswered = () => restarted.tunnel.statistics(b.id)?.unansweredSinceMs;
  expect(unanswered()).toBeUndefined();
  const begunMs = world.now;
  restarted.tunnel.initiate(b.id, world.now);
  for (let i = 0; i < 30; i++) {
    restarted.deliverTo(b, world.now);
    b.deliverTo(restarted, world.now);
    world.now += 500;
    restarted.tunnel.tick(world.now);
  }
  expect(unanswered()).toBe(begunMs);
  // The clock is put right.
  const right = new End(world, a, 0);
  right.tunnel.setPeer({ id: b.id, key: b.key, allowedIps: ["10.0.0.2/32"] }, world.now);
  right.tunnel.initiate(b.id, world.now);
  expect(right.tunnel.statistics(b.id)?.unansweredSinceMs).toBe(world.now);
  right.deliverTo(b, world.now);
  b.deliverTo(right, world.now);
  expect(right.tunnel.statistics(b.id)).toMatchObject({ unansweredSinceMs: undefined });
});
