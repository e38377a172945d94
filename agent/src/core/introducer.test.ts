/** What two agents tell each other of themselves without a coordinator, and what of it is not followed. */
import { expect, test } from "bun:test";
import {
  type AgentId,
  agentIdOf,
  type Endpoint,
  keyToText,
  nobleSealer,
  type PublicKey,
  type RelayId,
} from "@burrow/protocol";
import { Introducer, type IntroducerParts } from "./introducer.ts";
import { type PathTarget, pathIdOf } from "./paths/path.ts";
import { PeerPaths } from "./paths/peer-paths.ts";
import { Peer } from "./peers.ts";
import type { Nats } from "./punch-attempt.ts";
import { Whereabouts } from "./whereabouts.ts";

const SHARED = new Uint8Array(32).fill(9);
const [KEY_A, KEY_B] = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [PublicKey, PublicKey];
const RELAY = "00000000000000aa" as RelayId;
const BY_RELAY: PathTarget = { kind: "relay", relay: RELAY };
const HOME = "198.51.100.1:4000" as Endpoint;

const silent = {
  probe() {},
  introduce() {},
  pathChanged() {},
  pathDoubted() {},
  pathProven() {},
  mtuChanged() {},
};

function peerOf(key: PublicKey): Peer {
  const id = agentIdOf(key);
  const shown = { name: "p", ipv4: "100.64.0.2", ipv6: "fd00::2", online: true, relays: [] };
  const paths = new PeerPaths(id, silent, (length) => new Uint8Array(length));
  return new Peer({ id, key: keyToText(key), ...shown }, key, paths, () => SHARED);
}

/** The agent of `own`, which knows the one of `other`; what it sends is in `sent`. */
function introducerOf(own: PublicKey, other: PublicKey, firstSequence = 1) {
  const sent: { way: PathTarget; datagram: Uint8Array }[] = [];
  const drops: string[] = [];
  const nats: Nats[] = [];
  const peer = peerOf(other);
  const whereabouts = new Whereabouts({ loopbackCandidates: false, statedEndpoints: [] });
  whereabouts.refresh(
    {
      reflexive: [HOME],
      natMapping: () => "endpoint-independent",
      natPorts: () => ({ order: "preserving" }),
    },
    undefined,
  );
  let drawn = 0;
  const parts: IntroducerParts = {
    self: agentIdOf(own),
    sealer: nobleSealer,
    random: (length) => new Uint8Array(length).fill(++drawn),
    firstSequence,
    whereabouts,
    peerOf: (id: AgentId) => (id === peer.info.id ? peer : undefined),
    puncher: { introduced: (_, of) => nats.push(of) },
    mayProbe: (endpoint) => !endpoint.startsWith("127."),
    introduced() {},
    transmit: (way, datagram) => sent.push({ way, datagram }),
    drop: (reason) => drops.push(reason),
  };
  return { introducer: new Introducer(parts), peer, sent, drops, nats };
}

const DIRECT: PathTarget = { kind: "direct", endpoint: "192.0.2.66:53" as Endpoint };

function pair() {
  const a = introducerOf(KEY_A, KEY_B);
  const b = introducerOf(KEY_B, KEY_A);
  const say = (now: number, relays: readonly RelayId[] = [RELAY]) => {
    a.introducer.withoutCoordinator(a.peer, relays, now);
    return a.sent.at(-1)?.datagram ?? new Uint8Array(0);
  };
  return { a, b, say };
}

test("tells candidates and NAT, and gets the other's in return, once", () => {
  const { a, b, say } = pair();
  b.introducer.receive(say(5_000), BY_RELAY, 7);
  expect(b.peer.candidates).toEqual([{ kind: "reflexive", endpoint: HOME }]);
  const theirPorts = { order: "preserving" } as const;
  const natsOfB = { own: "endpoint-independent", theirs: "endpoint-independent" } as const;
  expect(b.nats).toEqual([{ ...natsOfB, ownPorts: theirPorts, theirPorts, isForwarded: false }]);
  expect(b.sent.map(({ way }) => way)).toEqual([BY_RELAY]);
  a.introducer.receive(b.sent[0]?.datagram ?? new Uint8Array(0), BY_RELAY, 5_040);
  expect(a.peer.candidates).toEqual([{ kind: "reflexive", endpoint: HOME }]);
  expect(a.sent.length).toBe(1);
  expect([...a.drops, ...b.drops]).toEqual([]);
});

test("goes by each relay, and the first to arrive counts", () => {
  const { a, b, say } = pair();
  say(1, [RELAY, "00000000000000bb" as RelayId]);
  expect(a.sent.map(({ way }) => pathIdOf(way) as string)).toEqual([
    "relay 00000000000000aa",
    "relay 00000000000000bb",
  ]);
  for (const { way, datagram } of a.sent) b.introducer.receive(datagram, way, 2);
  expect(b.sent.length).toBe(1);
  expect(b.drops).toEqual(["introduction-old"]);
});

test("what was seen once, and what is older, starts nothing", () => {
  const { b, say } = pair();
  const [first, second] = [say(1_000), say(2_000)];
  for (const [datagram, at] of [
    [second, 0],
    [second, 10_000],
    [first, 20_000],
  ] as const) {
    b.introducer.receive(datagram, BY_RELAY, at);
  }
  expect(b.drops).toEqual(["introduction-old", "introduction-old"]);
  // A clock that was set back does not make it speak of the past.
  b.introducer.receive(say(0), BY_RELAY, 30_000);
  expect(b.nats.length).toBe(2);
});

test("one that started again on an earlier clock, above its last run's sequences, is followed", () => {
  const { b, say } = pair();
  b.introducer.receive(say(1_800_000_000_000), BY_RELAY, 0);
  const again = introducerOf(KEY_A, KEY_B, 1_000);
  again.introducer.withoutCoordinator(again.peer, [RELAY], 1_700_000_000_000);
  b.introducer.receive(again.sent.at(-1)?.datagram ?? new Uint8Array(0), BY_RELAY, 10_000);
  expect(b.nats.length).toBe(2);
  expect(b.drops).toEqual([]);
});

test("a peer that sends many is followed twice a second", () => {
  const { b, say } = pair();
  for (let at = 0; at < 2_000; at += 20) b.introducer.receive(say(at), BY_RELAY, at);
  expect(b.nats.length).toBe(4);
  expect(b.drops.length).toBe(96);
  expect(new Set(b.drops)).toEqual(new Set(["introduction-too-soon"]));
});

test("one that was not followed cannot be kept for later", () => {
  const { b, say } = pair();
  const [first, second] = [say(1), say(2)];
  b.introducer.receive(first, BY_RELAY, 0);
  b.introducer.receive(second, BY_RELAY, 10);
  b.introducer.receive(second, BY_RELAY, 10_000);
  expect(b.drops).toEqual(["introduction-too-soon", "introduction-old"]);
  expect(b.nats.length).toBe(1);
});

test("from a direct address, which anybody can forge, none is followed or answered", () => {
  const { b, say } = pair();
  b.introducer.receive(say(1), DIRECT, 0);
  expect(b.drops).toEqual(["introduction-not-by-relay"]);
  expect(b.sent).toEqual([]);
  expect(b.nats).toEqual([]);
});

test("candidates that may not be probed are left out", () => {
  const { b } = pair();
  const loopback = { kind: "host", endpoint: "127.0.0.1:22" as Endpoint } as const;
  const good = { kind: "host", endpoint: "10.0.0.7:4000" as Endpoint } as const;
  const message = {
    type: "probe-now",
    peer: b.peer.info.id,
    candidates: [loopback, good],
    nat: "none",
  } as const;
  b.introducer.probeNow({ ...message, candidates: [...message.candidates] }, 0);
  expect(b.peer.candidates).toEqual([good]);
});

test("strangers', others' and forged ones are refused by name", () => {
  const { a, b, say } = pair();
  const stranger = introducerOf(KEY_B, KEY_B);
  const good = say(1);
  a.introducer.receive(good, BY_RELAY, 0);
  a.introducer.probeNow(
    { type: "probe-now", peer: a.peer.info.id.replace(/./g, "0") as AgentId, candidates: [], nat: "none" },
    0,
  );
  stranger.introducer.receive(good, BY_RELAY, 0);
  b.introducer.receive(good.with(60, (good[60] ?? 0) ^ 1), BY_RELAY, 0);
  b.introducer.receive(new Uint8Array(700), BY_RELAY, 0);
  expect(a.drops).toEqual(["introduction-not-for-us", "probe-now-unknown-peer"]);
  expect(stranger.drops).toEqual(["introduction-unknown-peer"]);
  expect(b.drops).toEqual(["introduction-forged", "introduction-not-for-us"]);
  b.introducer.receive(good, BY_RELAY, 0);
  expect(b.nats.length).toBe(1);
});
