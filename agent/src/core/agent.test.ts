/** The agent as a whole against whatever may come: any bytes, any order of messages, peers that vanish. */
import { describe, expect, test } from "bun:test";
import { noblePrimitives } from "@burrow/platform";
import {
  type AgentId,
  agentIdOf,
  type Endpoint,
  type FromAgent,
  keyToText,
  nobleAgreement,
  nobleSealer,
  type PeerInfo,
  type RelayId,
  type ToAgent,
} from "@burrow/protocol";
import fc from "fast-check";
import { Agent } from "./agent.ts";
import { EngineTunnel } from "./engine-tunnel.ts";
import type { AgentEvent } from "./events.ts";
import { bytesOf } from "./packets.ts";
import { FakeRelay } from "./relays/testkit.ts";
import type { TunnelSink } from "./tunnel.ts";

const NETWORK = "00000000000000cc" as never;
const LOCAL = "198.51.100.7:4000" as Endpoint;

function keys(n: number) {
  const privateKey = new Uint8Array(32).fill(n);
  const publicKey = noblePrimitives.x25519Public(privateKey);
  return { privateKey, publicKey, id: agentIdOf(publicKey) };
}

function peerInfo(n: number, more: Partial<PeerInfo> = {}): PeerInfo {
  const { publicKey, id } = keys(n);
  const key = keyToText(publicKey);
  const addresses = { ipv4: `100.64.0.${n}`, ipv6: `fd00::${n}` };
  return { id, key, name: `p${n}`, ...addresses, online: true, relays: [], ...more };
}

class AgentUnderTest {
  now = 1_000_000;
  readonly sent: { datagram: Uint8Array; to: Endpoint }[] = [];
  readonly said: FromAgent[] = [];
  readonly events: AgentEvent[] = [];
  readonly relay = new FakeRelay(1, 10);
  isConnected = true;
  tunnelSink: TunnelSink | undefined;
  readonly agent: Agent;

  constructor() {
    let drawn = 0;
    const random = (length: number) => {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = ++drawn * 31 + (drawn >> 8);
      return bytes;
    };
    const { privateKey, publicKey } = keys(200);
    this.agent = new Agent(
      {
        sendDatagram: (datagram, to) => this.sent.push({ datagram: datagram.slice(), to }),
        sendDatagrams: (datagrams, to) => {
          for (let i = 0; i < datagrams.count; i++) {
            this.sent.push({ datagram: bytesOf(datagrams, i).slice(), to });
          }
        },
        openSockets: () => {},
        requestHttp: () => {},
        closeSockets: () => {},
        deliver: () => {},
        sendMessage: (message) => {
          this.said.push(message);
          return this.isConnected;
        },
        event: (event) => this.events.push(event),
      },
      {
        privateKey,
        publicKey,
        sealer: nobleSealer,
        agreement: nobleAgreement,
        random,
        makeTunnel: (sink) => {
          this.tunnelSink = sink;
          return new EngineTunnel(sink, {
            privateKey,
            primitives: noblePrimitives,
            random,
            wallClock: () => this.now,
            mtuBytes: 1_360,
          });
        },
        answersEchoes: true,
        loopbackCandidates: false,
        punchesHardNats: true,
        mapsPorts: false,
        statedEndpoints: [],
        outsideClients: [],
        startedAt: this.now,
        firstSequence: this.now,
      },
    );
    this.agent.setLocalEndpoints([LOCAL], this.now);
  }

  get welcome(): Extract<ToAgent, { type: "welcome" }> {
    return {
      type: "welcome",
      agent: {
        id: this.agent.id,
        name: "me",
        network: NETWORK,
        networkName: "default",
        ipv4: "100.64.0.200",
        ipv6: "fd00::200",
      },
      observed: { address: "198.51.100.7" },
      relays: [this.relay.info],
      ranking: [{ relay: this.relay.info.id, reason: "near" }],
      tickets: [this.relay.ticket],
      peers: [peerInfo(1), peerInfo(2)],
    };
  }

  hear(message: ToAgent): void {
    this.agent.receiveMessage(message, this.now);
  }

  run(ms: number): void {
    const endMs = this.now + ms;
    for (let ticks = 0; ; ticks++) {
      const next = this.agent.nextDeadline();
      if (next === undefined || next > endMs) break;
      if (ticks > 100_000) throw new Error("it never rests");
      this.now = Math.max(this.now, next);
      this.agent.tick(this.now);
    }
    this.now = endMs;
  }

  ping(n: number): void {
    const peer = this.agent.peers.get(keys(n).id);
    if (peer !== undefined) this.agent.ping(peer, 1, 1, this.now);
  }

  get dropped(): number {
    return [...this.agent.drops.values(), ...this.agent.tunnel.drops.values()].reduce((a, b) => a + b, 0);
  }
}

const from = fc.constantFrom("203.0.113.1:21820", "192.0.2.5:9", "127.0.0.1:1", "[fe80::1]:5", LOCAL);

describe("any bytes from anyone", () => {
  const first = fc.constantFrom(1, 2, 3, 4, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0, 255);
  const datagram = fc
    .tuple(first, fc.boolean(), fc.uint8Array({ maxLength: 250 }))
    .map(([byte, zeros, rest]) => new Uint8Array([byte, ...(zeros ? [0, 0, 0] : [1, 0, 0]), ...rest]));

  test("never throw, are counted one by one, and draw no answer", () => {
    const world = new AgentUnderTest();
    world.hear(world.welcome);
    world.run(1_000);
    fc.assert(
      fc.property(fc.oneof(datagram, fc.uint8Array({ maxLength: 300 })), from, (bytes, source) => {
        const [before, sent] = [world.dropped, world.sent.length];
        world.agent.receiveDatagram(bytes, source as Endpoint, world.now);
        expect(world.dropped).toBe(before + 1);
        expect(world.sent.length).toBe(sent);
      }),
      { numRuns: 1_000 },
    );
  });

  test("our own packets, sent back to us or changed in any byte, never throw", () => {
    const world = new AgentUnderTest();
    world.hear(world.welcome);
    world.run(500);
    world.ping(1);
    world.run(1_000);
    const own = world.sent.map(({ datagram }) => datagram);
    expect(own.length).toBeGreaterThan(2);
    fc.assert(
      fc.property(fc.constantFrom(...own), from, fc.nat(), fc.nat(255), (packet, source, at, mask) => {
        const changed = packet.slice();
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ mask;
        world.agent.receiveDatagram(changed, source as Endpoint, world.now);
      }),
    );
  });
});

describe("the coordinator's messages", () => {
  const world = () => new AgentUnderTest();
  const candidate = fc.record({
    kind: fc.constantFrom("host" as const, "reflexive" as const),
    endpoint: fc.constantFrom(
      "10.0.0.1:5",
      "224.0.0.1:5",
      "127.0.0.1:5",
      "100.64.0.1:5",
      LOCAL,
    ) as fc.Arbitrary<Endpoint>,
  });
  const peers = fc.array(
    fc.integer({ min: 1, max: 4 }).map((n) => peerInfo(n)),
    { maxLength: 4 },
  );

  test("in any order, any number of times, with talk in between: nothing throws, all comes to rest", () => {
    const base = world();
    const message: fc.Arbitrary<ToAgent | "talk" | "wait" | "move"> = fc.oneof(
      fc.constantFrom("talk" as const, "wait" as const, "move" as const),
      peers.map((all): ToAgent => ({ ...base.welcome, peers: all })),
      fc.constantFrom<ToAgent>(
        { type: "relays", relays: [], ranking: [] },
        { type: "relays", relays: [base.relay.info], ranking: [] },
        { type: "relays", relays: [{ ...base.relay.info, state: "down" }], ranking: [] },
        { type: "tickets", tickets: [base.relay.ticket] },
        { type: "tickets", tickets: [{ ...base.relay.ticket, relay: "00000000000000ff" as RelayId }] },
        { type: "pong" },
        { type: "error", code: "x", message: "x", remedy: "x" },
      ),
      fc
        .tuple(peers, fc.integer({ min: 1, max: 5 }))
        .map(([upsert, gone]): ToAgent => ({ type: "peers", upsert, remove: [keys(gone).id] })),
      fc.tuple(fc.integer({ min: 1, max: 5 }), fc.array(candidate, { maxLength: 5 })).map(
        ([n, candidates]): ToAgent => ({
          type: "probe-now",
          peer: keys(n).id,
          candidates,
          nat: "unknown",
        }),
      ),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), (script) => {
        const one = world();
        let moves = 0;
        for (const step of script) {
          if (step === "talk") one.ping(1);
          else if (step === "wait") one.run(700);
          else if (step === "move") {
            const local = ++moves % 2 === 0 ? LOCAL : ("198.51.100.8:4000" as Endpoint);
            one.agent.setLocalEndpoints(moves % 3 === 0 ? [] : [local], one.now);
          } else one.hear(step);
        }
        one.run(2_000);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  test("a second welcome takes back peers that it does not list, and keeps the others' paths", () => {
    const one = world();
    one.hear(one.welcome);
    const kept = one.agent.peers.get(keys(1).id);
    one.hear({ ...one.welcome, peers: [peerInfo(1)] });
    expect(one.agent.peers.get(keys(1).id)).toBe(kept);
    expect(one.agent.peers.get(keys(2).id)).toBeUndefined();
  });

  test("a peer that is removed while we talk to it is forgotten, and may come again", () => {
    const one = world();
    one.hear(one.welcome);
    one.run(100);
    one.ping(1);
    one.hear({ type: "peers", upsert: [], remove: [keys(1).id] });
    one.sent.length = 0;
    one.run(5_000);
    expect(one.sent.filter(({ datagram }) => datagram[0] !== 0xb1)).toEqual([]);
    one.hear({ type: "peers", upsert: [peerInfo(1)], remove: [] });
    one.ping(1);
    expect(one.agent.peers.get(keys(1).id)).toBeDefined();
  });

  test("a handshake that an interface is sent again and again leaves the session in use with its relays", () => {
    const one = world();
    one.hear(one.welcome);
    for (const index of [7, 8, 8, 8, 8]) one.tunnelSink?.flowEstablished(keys(1).id, index);
    expect(one.agent.peers.get(keys(1).id)?.flows).toEqual([7, 8]);
    for (const index of [9, 10]) one.tunnelSink?.flowEstablished(keys(1).id, index);
    expect(one.agent.peers.get(keys(1).id)?.flows).toEqual([8, 9, 10]);
  });

  test("a peer whose id is not that of its key, or whose key is ours, is not taken", () => {
    const one = world();
    const stranger = { ...peerInfo(1), id: "00000000000000dd" as AgentId };
    one.hear({ ...one.welcome, peers: [stranger, peerInfo(200)] });
    expect([...one.agent.peers.all]).toEqual([]);
    expect(one.agent.drops.get("peer-unusable")).toBe(2);
  });

  test("candidates at multicast, at ourselves, in the overlay or at a relay are never probed", () => {
    const one = world();
    one.hear(one.welcome);
    const bad = [
      "224.0.0.1:5",
      "127.0.0.1:5",
      "169.254.169.254:80",
      "100.64.0.1:5",
      LOCAL,
      "203.0.113.1:21820",
    ];
    const candidates = [...bad, "203.0.113.77:5"].map((endpoint) => ({
      kind: "host" as const,
      endpoint: endpoint as Endpoint,
    }));
    one.hear({ type: "probe-now", peer: keys(1).id, candidates, nat: "unknown" });
    one.run(3_000);
    const probed = new Set(one.sent.filter(({ datagram }) => datagram[0] === 0xb3).map(({ to }) => to));
    expect([...probed]).toEqual(["203.0.113.77:5" as Endpoint]);
  });

  test("candidates and paths are said again after every welcome", () => {
    const one = world();
    one.hear(one.welcome);
    one.run(500);
    one.said.length = 0;
    one.hear(one.welcome);
    one.run(500);
    expect(one.said.map(({ type }) => type)).toContain("candidates");
    expect(one.said.map(({ type }) => type)).toContain("paths");
  });
});

test("a network that goes and comes back binds to the relays anew, both times", () => {
  const one = new AgentUnderTest();
  one.hear(one.welcome);
  one.run(100);
  const binds = () => one.sent.filter(({ datagram }) => datagram[0] === 0xb1).length;
  one.run(30_000);
  const before = binds();
  one.agent.setLocalEndpoints([], one.now);
  const away = binds();
  one.agent.setLocalEndpoints([LOCAL], one.now);
  expect(away).toBeGreaterThan(before);
  expect(binds()).toBeGreaterThan(away);
});

test("without a word from anybody an agent wants nothing", () => {
  const one = new AgentUnderTest();
  one.run(3_600_000);
  expect(one.sent).toEqual([]);
});
