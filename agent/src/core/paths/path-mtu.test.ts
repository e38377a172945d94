/** How large a datagram a path carries: found, confirmed, lost and found again. */
import { describe, expect, test } from "bun:test";
import type { Transaction } from "@burrow/protocol";
import fc from "fast-check";
import { PathMtu, WHOLE_BYTES } from "./path-mtu.ts";
import { longestGapMs, Pair, R1, R2 } from "./testkit.ts";

const RTT_MS = 20;

/** A path that carries datagrams up to `carriesBytes`, and small ones always. */
class Way {
  readonly mtu = new PathMtu();
  carriesBytes: number;
  now = 0;
  probes = 0;
  bytesSent = 0;
  /** Whether small probes are acked too. */
  isAlive = true;
  /** Of small ones, as the path has measured it. */
  lossShare = 0;
  /** Which padded probes are lost by chance. */
  loses: (n: number) => boolean = () => false;
  #aliveMs = Number.NEGATIVE_INFINITY;

  constructor(carriesBytes: number) {
    this.carriesBytes = carriesBytes;
  }

  /** Lets the search run for so long. */
  run(forMs: number): void {
    const endMs = this.now + forMs;
    for (let turns = 0; turns < 1_000; turns++) {
      const at = this.mtu.deadlineMs;
      if (at === undefined || at > endMs) break;
      this.now = Math.max(this.now, at);
      const lengthBytes = this.mtu.due(this.#aliveMs, this.lossShare, this.now);
      if (lengthBytes === "small" && this.isAlive) this.#aliveMs = this.now;
      if (typeof lengthBytes !== "number") continue;
      this.probes++;
      this.bytesSent += lengthBytes;
      const transaction = `${this.probes}` as Transaction;
      this.mtu.probed(transaction, RTT_MS, this.now);
      if (!this.isAlive || lengthBytes > this.carriesBytes || this.loses(this.probes)) continue;
      this.now += RTT_MS;
      expect(this.mtu.acked(transaction, this.now)).toBe(true);
    }
    this.now = endMs;
  }
}

function searched(carriesBytes: number): Way {
  const way = new Way(carriesBytes);
  way.mtu.begin(0);
  way.run(10_000);
  return way;
}

test("a path that carries whole packets costs one probe", () => {
  const way = searched(1_472);
  expect(way.mtu.verdict).toBe("whole");
  expect(way.mtu.bytes).toBe(WHOLE_BYTES);
  expect(way.mtu.limitBytes).toBeUndefined();
  expect(way.probes).toBe(1);
  expect(way.mtu.deadlineMs).toBeUndefined();
});

test("any other size is found to within one step of WireGuard's padding, in few probes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_200, max: WHOLE_BYTES - 1 }), (carriesBytes) => {
      const { mtu, probes } = searched(carriesBytes);
      expect(mtu.bytes).toBeLessThanOrEqual(carriesBytes);
      expect(mtu.bytes).toBeGreaterThan(carriesBytes - 16);
      expect(mtu.verdict).toBe(carriesBytes >= 1_312 ? "narrow" : "cramped");
      expect((mtu.limitBytes ?? 0) % 16).toBe(0);
      expect(probes).toBeLessThanOrEqual(20);
    }),
  );
});

test("less than the base is no longer looked at", () => {
  const { mtu } = searched(1_000);
  expect(mtu.verdict).toBe("cramped");
  expect(mtu.innerBytes).toBe(0);
  expect(mtu.limitBytes).toBe(1_168);
});

test("a path that is silent altogether says nothing of sizes", () => {
  const way = new Way(1_000);
  way.isAlive = false;
  way.mtu.begin(0);
  way.run(2_000);
  expect(way.mtu.verdict).toBe("unknown");
  way.mtu.pause();
  expect(way.mtu.deadlineMs).toBeUndefined();
});

test("two lost probes are chance", () => {
  const way = new Way(1_472);
  way.loses = (n) => n <= 2;
  way.mtu.begin(0);
  way.run(5_000);
  expect(way.mtu.verdict).toBe("whole");
  expect(way.probes).toBe(3);
});

test("where small probes are lost too, it takes more than three", () => {
  const way = new Way(1_472);
  way.lossShare = 0.5;
  way.loses = (n) => n <= 9;
  way.mtu.begin(0);
  way.run(5_000);
  expect(way.mtu.verdict).toBe("whole");
  expect(way.probes).toBe(10);
  const narrow = new Way(1_340);
  narrow.lossShare = 0.5;
  narrow.mtu.begin(0);
  narrow.run(20_000);
  expect(narrow.mtu.bytes).toBe(1_328);
});

test("a path that nobody uses, since it seems too narrow, is asked again all the same", () => {
  const way = searched(1_250);
  expect(way.mtu.verdict).toBe("cramped");
  way.carriesBytes = 1_472;
  way.run(35_000);
  expect(way.mtu.verdict).toBe("whole");
  expect(way.mtu.deadlineMs).toBeUndefined();
});

test("a late ack takes the verdict back", () => {
  const mtu = new PathMtu();
  mtu.begin(0);
  for (const [i, at] of [0, 200, 400].entries()) {
    expect(mtu.due(at - 200, 0, at)).toBe(WHOLE_BYTES);
    mtu.probed(`${i}` as Transaction, RTT_MS, at);
  }
  expect(mtu.due(400, 0, 600)).toBe(1_312);
  expect(mtu.acked("1" as Transaction, 601)).toBe(true);
  expect(mtu.verdict).toBe("whole");
  expect(mtu.deadlineMs).toBeUndefined();
});

describe("a path in use", () => {
  test("is confirmed under large packets alone, by one probe for ten of them and in a second at most", () => {
    const way = searched(1_472);
    for (let i = 0; i < 1_000; i++) {
      way.mtu.used(1, 200, way.now);
      way.run(20);
    }
    expect(way.probes).toBe(1);
    for (let i = 0; i < 1_000; i++) {
      way.mtu.used(1, WHOLE_BYTES, way.now);
      way.run(20);
    }
    expect(way.probes).toBeWithin(18, 22);
    const before = way.probes;
    for (let i = 0; i < 100; i++) {
      way.mtu.used(1, WHOLE_BYTES, way.now);
      way.run(500);
    }
    expect(way.probes - before).toBeWithin(9, 12);
  });

  test("that begins to swallow large packets is narrow 1.2 seconds after the tenth", () => {
    const way = searched(1_472);
    way.carriesBytes = 1_340;
    way.mtu.used(10, WHOLE_BYTES, way.now);
    way.run(1_200);
    expect(way.mtu.verdict).toBe("narrow");
    way.run(3_000);
    expect(way.mtu.bytes).toBe(1_328);
  });

  test("that was narrow and becomes narrower is noticed as soon", () => {
    const way = searched(1_340);
    way.run(5_000);
    way.carriesBytes = 1_250;
    way.mtu.used(10, 1_320, way.now);
    way.run(2_500);
    expect(way.mtu.verdict).toBe("cramped");
    way.run(3_000);
    expect(way.mtu.bytes).toBe(1_248);
  });

  test("that was narrow is asked now and then, ever more rarely, and may be whole again", () => {
    const way = searched(1_340);
    const found = way.probes;
    const use = (forMs: number) => {
      for (let ms = 0; ms < forMs; ms += 1_000) {
        way.mtu.used(1, 800, way.now);
        way.run(1_000);
      }
    };
    use(3_600_000);
    expect(way.mtu.bytes).toBe(1_328);
    expect(way.probes - found).toBeLessThan(200);
    way.carriesBytes = 1_472;
    use(620_000);
    expect(way.mtu.verdict).toBe("whole");
  });
});

describe("two agents", () => {
  const talking = (lengthBytes: number, narrow: (pair: Pair) => void = () => {}) => {
    const pair = new Pair();
    narrow(pair);
    pair.bindRelays(R1, R2);
    pair.stream(4_000, 20, lengthBytes);
    return pair;
  };

  test("on wide paths send one padded probe for each, and tell no limit", () => {
    const { a } = talking(96);
    expect(a.probes.filter(({ lengthBytes }) => lengthBytes > 88).length).toBe(3);
    expect(a.mtus).toEqual([]);
    expect(a.paths.currentPath?.mtu.verdict).toBe("whole");
  });

  test("stay on a direct path that carries 1280 bytes inside, and tell the senders", () => {
    const { a } = talking(96, (pair) => {
      pair.direct.carriesBytes = 1_380;
    });
    expect(a.paths.current?.kind).toBe("direct");
    expect(a.paths.mtuBytes).toBe(1_344);
    expect(a.mtus.at(-1)?.bytes).toBe(1_344);
    expect(a.paths.journal.entries.some(({ event }) => event === "mtu")).toBe(true);
  });

  test("go by a relay when the direct path does not even carry that, and say why", () => {
    const { a } = talking(96, (pair) => {
      pair.direct.carriesBytes = 1_250;
    });
    expect(a.paths.current?.kind).toBe("relay");
    expect(a.paths.reason).toBe("direct-too-narrow");
    expect(a.paths.mtuBytes).toBeUndefined();
  });

  test("stay direct when the relays are as narrow", () => {
    const { a } = talking(96, (pair) => {
      for (const way of [pair.direct, pair.relay(R1), pair.relay(R2)]) way.carriesBytes = 1_250;
    });
    expect(a.paths.current?.kind).toBe("direct");
    expect(a.paths.mtuBytes).toBe(1_216);
  });

  test("prefer the relay that carries whole packets to a slightly nearer one that does not", () => {
    const pair = talking(96, (narrow) => {
      narrow.direct.cut = "both";
      narrow.relay(R1).carriesBytes = 1_380;
      narrow.relay(R2).delayMs = 22;
    });
    pair.stream(60_000, 200);
    expect(pair.a.paths.current).toEqual({ kind: "relay", relay: R2 });
  });

  test("leave a path that begins to swallow their large packets within two seconds", () => {
    const pair = talking(WHOLE_BYTES);
    expect(pair.a.paths.current?.kind).toBe("direct");
    pair.direct.carriesBytes = 1_250;
    const since = pair.now;
    pair.stream(10_000, 20, WHOLE_BYTES);
    for (const side of [pair.a, pair.b]) {
      expect(side.paths.current?.kind).toBe("relay");
      expect(longestGapMs(side, since, pair.now)).toBeLessThan(2_000);
    }
  });
});
