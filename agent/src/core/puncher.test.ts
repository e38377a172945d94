/** Two simulated NATs and the puncher between them: what the birthday rule promises, and no packet more. */
import { describe, expect, test } from "bun:test";
import {
  agentIdOf,
  type Candidate,
  type Endpoint,
  keyToText,
  type PeerInfo,
  parseEndpoint,
  splitEndpoint,
} from "@burrow/protocol";
import { PeerPaths } from "./paths/peer-paths.ts";
import { Peer } from "./peers.ts";
import { ProbeBudget } from "./probe-budget.ts";
import { PUNCH_SOCKETS, punchRole } from "./punch-attempt.ts";
import { ATTEMPTS_MAX, Puncher } from "./puncher.ts";

const silent = {
  probe() {},
  introduce() {},
  pathChanged() {},
  pathDoubted() {},
  pathProven() {},
  mtuChanged() {},
};

/** mulberry32: the same bytes from the same seed. */
function randomFrom(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) & 0xff;
    });
}

function peerAt(now: number, number = 7): Peer {
  const key = new Uint8Array(32).fill(number);
  const id = agentIdOf(key);
  const info: PeerInfo = {
    id,
    key: keyToText(key),
    name: "b",
    ipv4: "100.64.0.2",
    ipv6: "fd00::2",
    online: true,
    relays: [],
  };
  const paths = new PeerPaths(id, silent, randomFrom(1));
  paths.route(now);
  return new Peer(info, key, paths, () => key);
}

function endpointOf(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const reflexive = (text: string): Candidate => ({ kind: "reflexive", endpoint: endpointOf(text) });

/** Runs a machine to its end; returns what it sent, with the time. */
function run(puncher: Puncher, from: number, until: number): void {
  for (let now = from; now <= until; now = Math.max(now + 1, puncher.nextDeadline() ?? until + 1))
    puncher.tick(now);
}

test("who does what follows from both NATs", () => {
  const [hard, easy] = ["address-dependent", "endpoint-independent"] as const;
  expect(punchRole({ own: hard, theirs: easy })).toBe("many-sockets");
  expect(punchRole({ own: hard, theirs: "none" })).toBe("many-sockets");
  expect(punchRole({ own: easy, theirs: hard })).toBe("many-ports");
  expect(punchRole({ own: easy, theirs: easy })).toBe("not-needed");
  expect(punchRole({ own: "unknown", theirs: easy })).toBe("not-needed");
  const both = { own: hard, theirs: hard } as const;
  const inOrder = { order: "sequential", step: 1, last: 4_000 } as const;
  expect(punchRole(both)).toBe("both-hard");
  expect(punchRole({ ...both, isForwarded: true })).toBe("port-forwarded");
  expect(punchRole({ ...both, ownPorts: inOrder })).toBe("both-hard");
  expect(punchRole({ ...both, ownPorts: inOrder, theirPorts: inOrder })).toBe("sockets-in-order");
});

describe("the side before the easy NAT", () => {
  test("probes random ports of the hard side's address, 1,000 a second, 2,048 in all", () => {
    const sent: { to: Endpoint; at: number }[] = [];
    let now = 0;
    const puncher = new Puncher(
      {
        probe: (_peer, { to }) => sent.push({ to, at: now }),
        introduce() {},
        openSockets() {},
        closeSockets() {},
      },
      randomFrom(3),
      new ProbeBudget(),
    );
    puncher.introduced(
      peerAt(0),
      { own: "endpoint-independent", theirs: "address-dependent" },
      [reflexive("198.51.100.9:4000")],
      0,
    );
    for (now = 0; now <= 10_000; now++) puncher.tick(now);
    expect(sent.length).toBe(2_048);
    expect(new Set(sent.map(({ to }) => splitEndpoint(to).address))).toEqual(new Set(["198.51.100.9"]));
    for (const { to } of sent) expect(splitEndpoint(to).port).toBeGreaterThanOrEqual(1_024);
    for (let start = 0; start < 4_000; start += 100) {
      const inSecond = sent.filter(({ at }) => at >= start && at < start + 1_000).length;
      expect(inSecond).toBeLessThanOrEqual(1_000);
    }
    expect(puncher.nextDeadline()).toBeUndefined();
  });

  test("leaves the agent's other probes their part of the 1,000 a second", () => {
    const sent: number[] = [];
    let now = 0;
    const budget = new ProbeBudget();
    const probe = () => {
      budget.spend(now);
      sent.push(now);
    };
    const puncher = new Puncher(
      { probe, introduce() {}, openSockets() {}, closeSockets() {} },
      randomFrom(3),
      budget,
    );
    const nats = { own: "endpoint-independent", theirs: "address-dependent" } as const;
    puncher.introduced(peerAt(0), nats, [reflexive("198.51.100.9:4000")], 0);
    for (now = 0; now <= 10_000; now++) {
      puncher.tick(now);
      // Four paths in doubt, each asked every 60 ms, and now and then so many at once that nothing is left.
      const others = now % 500 === 0 ? 40 : now % 15 === 0 ? 1 : 0;
      for (let other = 0; other < others; other++) probe();
    }
    const most = Math.max(...sent.map((from) => sent.filter((at) => at >= from && at < from + 1_000).length));
    expect(most).toBeGreaterThan(950);
    expect(most).toBeLessThanOrEqual(1_050);
  });

  test("has a quarter of the rate beside paths that take all of it, and ends when the peer no longer listens", () => {
    for (const nats of [
      { own: "endpoint-independent", theirs: "address-dependent" },
      { own: "address-dependent", theirs: "endpoint-independent" },
    ] as const) {
      let [now, punched, socketsOpen] = [0, 0, 0];
      const budget = new ProbeBudget();
      const sink = {
        probe() {
          punched++;
          budget.spend(now);
        },
        introduce() {},
        openSockets(count: number) {
          socketsOpen += count;
          const ids = Array.from({ length: count }, (_, id) => id);
          puncher.socketsOpened(ids, now);
        },
        closeSockets(ids: readonly number[]) {
          socketsOpen -= ids.length;
        },
      };
      const puncher: Puncher = new Puncher(sink, randomFrom(3), budget);
      const peer = peerAt(0);
      puncher.introduced(peer, nats, [reflexive("198.51.100.9:4000")], 0);
      for (; now < 9_000; now++) {
        budget.spend(now);
        budget.spend(now);
        peer.paths.route(now);
        puncher.tick(now);
      }
      expect(punched).toBeGreaterThan(nats.own === "address-dependent" ? 767 : 1_500);
      expect(punched).toBeLessThan(1_600);
      expect(socketsOpen).toBe(0);
      expect(puncher.nextDeadline()).toBeUndefined();
    }
  });

  test("guesses the next ports of a NAT that gives them in order: some at once, the others before random ones", () => {
    const sent: { to: Endpoint; at: number }[] = [];
    let now = 0;
    const puncher = new Puncher(
      {
        probe: (_peer, { to }) => sent.push({ to, at: now }),
        introduce() {},
        openSockets() {},
        closeSockets() {},
      },
      randomFrom(3),
      new ProbeBudget(),
    );
    const theirPorts = { order: "sequential", step: 2, last: 40_000 } as const;
    const nats = { own: "endpoint-independent", theirs: "address-dependent", theirPorts } as const;
    const seen = [reflexive("198.51.100.8:39998"), reflexive("198.51.100.9:40000")];
    puncher.introduced(peerAt(0), nats, seen, 0);
    for (now = 0; now <= 10_000; now++) puncher.tick(now);
    const guessed = Array.from({ length: 320 }, (_, i) => `198.51.100.9:${40_002 + 2 * i}`);
    expect(sent.slice(0, 320).map(({ to }) => to as string)).toEqual(guessed);
    expect(sent.filter(({ at }) => at < 300).length).toBe(32);
    expect(sent[31]?.at).toBeLessThanOrEqual(30);
    expect(sent.length).toBe(2_048);
  });

  test("meets one of the other side's ports as often as the birthday rule says", () => {
    let met = 0;
    const RUNS = 100;
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomFrom(seed);
      const open = new Set(Array.from({ length: PUNCH_SOCKETS }, () => portFrom(random(2))));
      let isMet = false;
      const puncher = new Puncher(
        {
          probe: (_peer, { to }) => {
            isMet ||= open.has(splitEndpoint(to).port);
          },
          introduce() {},
          openSockets() {},
          closeSockets() {},
        },
        random,
        new ProbeBudget(),
      );
      puncher.introduced(
        peerAt(0),
        { own: "endpoint-independent", theirs: "address-dependent" },
        [reflexive("198.51.100.9:4000")],
        0,
      );
      run(puncher, 0, 10_000);
      if (isMet) met++;
    }
    // 99.97 % each; that two in a hundred fail has a chance of less than one in 200.
    expect(met).toBeGreaterThanOrEqual(RUNS - 2);
  });
});

describe("the side behind the hard NAT", () => {
  test("opens its sockets, probes the peer's outside from each, all the way only when the peer has sent its own, and closes them", () => {
    const sent: { to: Endpoint; socket: number | undefined; ttl: number | undefined; at: number }[] = [];
    const closed: number[] = [];
    let asked = 0;
    let now = 0;
    const puncher = new Puncher(
      {
        probe: (_peer, probe) => sent.push({ ...probe, at: now }),
        introduce() {},
        openSockets: (count) => {
          asked += count;
        },
        closeSockets: (ids) => closed.push(...ids),
      },
      randomFrom(5),
      new ProbeBudget(),
    );
    const lan: Candidate = { kind: "host", endpoint: endpointOf("192.168.1.5:4000") };
    const outside = endpointOf("203.0.113.5:4000");
    puncher.introduced(
      peerAt(0),
      { own: "address-dependent", theirs: "endpoint-independent" },
      [lan, reflexive(outside)],
      0,
    );
    for (; now < 400; now++) puncher.tick(now);
    expect(asked).toBe(PUNCH_SOCKETS);
    const ids = Array.from({ length: PUNCH_SOCKETS }, (_, i) => i + 1);
    puncher.socketsOpened(ids, now);
    for (; now < 20_000; now++) puncher.tick(now);
    const rounds = [2, 4, undefined].map((ttl) => sent.filter((probe) => probe.ttl === ttl));
    for (const round of rounds) expect(round.map(({ socket }) => socket)).toEqual(ids);
    expect(new Set(sent.map(({ to }) => to))).toEqual(new Set([outside]));
    const begins = rounds.map(([first]) => first?.at ?? 0);
    // The peer's 2,048 take 2,048 ms, from 300 ms on as well.
    expect(begins[0]).toBe(400);
    expect(begins[1]).toBeGreaterThanOrEqual(1_000);
    expect(begins[2]).toBeGreaterThanOrEqual(300 + 2_048);
    expect(sent).toHaveLength(3 * PUNCH_SOCKETS);
    expect(closed).toEqual(ids);
    expect(puncher.nextDeadline()).toBeUndefined();
  });

  test("finds a peer behind a firewall that translates nothing at the peer's own address", () => {
    const sent: Endpoint[] = [];
    const puncher = new Puncher(
      { probe: (_peer, { to }) => sent.push(to), introduce() {}, openSockets() {}, closeSockets() {} },
      randomFrom(5),
      new ProbeBudget(),
    );
    const own: Candidate = { kind: "host", endpoint: endpointOf("81.2.69.142:4000") };
    puncher.introduced(peerAt(0), { own: "address-dependent", theirs: "none" }, [own], 0);
    run(puncher, 0, 400);
    puncher.socketsOpened([1], 400);
    run(puncher, 400, 20_000);
    expect(new Set(sent)).toEqual(new Set([own.endpoint]));
  });

  test("keeps the socket that a path uses for as long as it does", () => {
    const closed: number[] = [];
    const puncher = new Puncher(
      { probe() {}, introduce() {}, openSockets() {}, closeSockets: (ids) => closed.push(...ids) },
      randomFrom(5),
      new ProbeBudget(),
    );
    const peer = peerAt(0);
    const nats = { own: "address-dependent", theirs: "endpoint-independent" } as const;
    puncher.introduced(peer, nats, [reflexive("203.0.113.5:4000")], 0);
    run(puncher, 0, 400);
    puncher.socketsOpened([1, 2, 3], 400);
    const met = { kind: "direct", endpoint: endpointOf("203.0.113.5:4000"), socket: 2 } as const;
    peer.paths.probedBy(met, "00112233445566aa" as never, 450);
    for (let now = 401; now <= 40_000; now += 100) {
      peer.paths.route(now);
      puncher.tick(now);
    }
    expect(closed).toEqual([1, 3]);
    peer.paths.networkChanged(40_000);
    for (let now = 40_000; now <= 60_000; now += 100) puncher.tick(now);
    expect(closed).toEqual([1, 3, 2]);
    expect(puncher.nextDeadline()).toBeUndefined();
  });

  test("closes sockets that come when nobody waits for them any more", () => {
    const closed: number[] = [];
    const puncher = new Puncher(
      { probe() {}, introduce() {}, openSockets() {}, closeSockets: (ids) => closed.push(...ids) },
      randomFrom(5),
      new ProbeBudget(),
    );
    puncher.socketsOpened([1, 2], 0);
    expect(closed).toEqual([1, 2]);
  });
});

describe("many peers at once", () => {
  const nats = { own: "endpoint-independent", theirs: "address-dependent" } as const;

  /** A busy agent: who was probed when, and who was to be introduced again. */
  function busy(peers: number) {
    const probes: { peer: Peer; at: number }[] = [];
    const again: Peer[] = [];
    let now = 0;
    const puncher = new Puncher(
      {
        probe: (peer) => probes.push({ peer, at: now }),
        introduce: (peer) => again.push(peer),
        openSockets() {},
        closeSockets() {},
      },
      randomFrom(4),
      new ProbeBudget(),
    );
    const all = Array.from({ length: peers }, (_, i) => peerAt(0, i + 1));
    const introduce = (peer: Peer, i: number) =>
      puncher.introduced(peer, nats, [reflexive(`198.51.100.${i + 1}:4000`)], now);
    all.forEach(introduce);
    const runTo = (untilMs: number) => {
      for (; now < untilMs; now++) {
        for (const peer of all) peer.paths.route(now);
        puncher.tick(now);
        for (const peer of again.splice(0)) introduce(peer, all.indexOf(peer));
      }
    };
    return { probes, all, runTo, puncher };
  }

  test("a few are tried together, and share the rate of one evenly", () => {
    const { probes, all, runTo } = busy(ATTEMPTS_MAX);
    runTo(1_300);
    expect(probes.length).toBeLessThanOrEqual(1_000);
    for (const peer of all) {
      const share = probes.filter((probe) => probe.peer === peer).length;
      expect(share).toBeGreaterThanOrEqual(Math.floor(1_000 / ATTEMPTS_MAX) - 10);
    }
  });

  test("those without room are introduced again when there is some: none is forgotten", () => {
    const { probes, all, runTo, puncher } = busy(3 * ATTEMPTS_MAX + 1);
    runTo(60_000);
    for (const peer of all) expect(probes.filter((probe) => probe.peer === peer).length).toBe(2_048);
    for (let start = 0; start < 60_000; start += 250) {
      const inSecond = probes.filter(({ at }) => at >= start && at < start + 1_000).length;
      expect(inSecond).toBeLessThanOrEqual(1_000);
    }
    expect(puncher.nextDeadline()).toBeUndefined();
  });
});

describe("restraint", () => {
  const count = (times: readonly number[]) => {
    let probes = 0;
    let last = 0;
    const puncher = new Puncher(
      { probe: () => probes++, introduce() {}, openSockets() {}, closeSockets() {} },
      randomFrom(9),
      new ProbeBudget(),
    );
    for (const at of times) {
      puncher.introduced(
        peerAt(at),
        { own: "endpoint-independent", theirs: "address-dependent" },
        [reflexive("198.51.100.9:4000")],
        at,
      );
      run(puncher, at, at + 10_000);
      last = probes;
    }
    return last;
  };

  test("introductions in quick succession make one attempt", () => {
    expect(count([0, 1])).toBe(2_048);
  });

  test("attempts come ever more rarely", () => {
    expect(count([0, 20_000, 60_000, 71_000])).toBe(3 * 2_048);
  });

  test("the journal names an address that two candidates have once", () => {
    const sink = { probe() {}, introduce() {}, openSockets() {}, closeSockets() {} };
    const puncher = new Puncher(sink, randomFrom(9), new ProbeBudget());
    const peer = peerAt(0);
    const nats = { own: "endpoint-independent", theirs: "address-dependent" } as const;
    puncher.introduced(peer, nats, [reflexive("198.51.100.9:4000"), reflexive("198.51.100.9:4001")], 0);
    run(puncher, 0, 10_000);
    const begun = peer.paths.journal.entries.find(({ event }) => event === "punching");
    expect(begun?.detail).toBe("up to 2048 random ports of 198.51.100.9 are probed");
  });

  test("two hard NATs are left alone, and the journal says so", () => {
    let probes = 0;
    const puncher = new Puncher(
      { probe: () => probes++, introduce() {}, openSockets() {}, closeSockets() {} },
      randomFrom(9),
      new ProbeBudget(),
    );
    const peer = peerAt(0);
    puncher.introduced(
      peer,
      { own: "address-dependent", theirs: "address-dependent" },
      [reflexive("198.51.100.9:4000")],
      0,
    );
    run(puncher, 0, 10_000);
    expect(probes).toBe(0);
    expect(peer.paths.journal.entries.at(-1)?.event).toBe("both-nats-hard");
  });

  test("two hard NATs of which one forwards a port need no punching, and nobody says that they are hard", () => {
    let probes = 0;
    const puncher = new Puncher(
      { probe: () => probes++, introduce() {}, openSockets() {}, closeSockets() {} },
      randomFrom(9),
      new ProbeBudget(),
    );
    const peer = peerAt(0);
    const nats = { own: "address-dependent", theirs: "address-dependent", isForwarded: true } as const;
    puncher.introduced(peer, nats, [reflexive("198.51.100.9:4000")], 0);
    run(puncher, 0, 10_000);
    expect(probes).toBe(0);
    expect(peer.paths.journal.entries.at(-1)?.event).toBe("port-forwarded");
  });
});

function portFrom([high = 0, low = 0]: Uint8Array): number {
  return 1_024 + ((high * 256 + low) % 64_512);
}
