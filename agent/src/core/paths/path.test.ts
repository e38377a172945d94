/** One path on its own: what makes it proven, doubted, lost and trusted again, and when it is probed. */
import { describe, expect, test } from "bun:test";
import type { Endpoint, RelayId, Transaction } from "@burrow/protocol";
import { Path, type PathOrigin, type PathTarget, pathIdOf } from "./path.ts";

const OBSERVED = "192.0.2.9:1" as Endpoint;
const RELAY: PathTarget = { kind: "relay", relay: "00000000000000aa" as RelayId };
const DIRECT: PathTarget = { kind: "direct", endpoint: "81.2.69.1:4000" as Endpoint };

/** A path whose probes are acked after `rttMs`, as long as it is open. */
class Trial {
  readonly path: Path;
  readonly probesAtMs: number[] = [];
  readonly ttls: (number | undefined)[] = [];
  isOpen = true;
  now = 0;
  #rttMs: number;
  #drawn = 0;
  #acks: { transaction: Transaction; atMs: number }[] = [];

  constructor(target: PathTarget, rttMs = 20, origin: PathOrigin = "relay") {
    this.path = new Path(target, origin, 0);
    this.#rttMs = rttMs;
  }

  run(forMs: number): this {
    const endMs = this.now + forMs;
    for (; this.now < endMs; this.now++) {
      for (const { transaction } of this.#acks.filter(({ atMs }) => atMs === this.now)) {
        this.path.answered(transaction, OBSERVED, true, this.now);
      }
      this.path.judge(this.now);
      while (this.path.mtuProbeDue(this.now) !== undefined) this.path.mtuProbed(this.#sent(), this.now);
      if (!this.path.isProbeDue(this.now)) continue;
      this.probesAtMs.push(this.now);
      this.ttls.push(this.path.ttl);
      this.path.probed(this.#sent(), this.now);
    }
    return this;
  }

  probesSince(ms: number): number {
    return this.probesAtMs.filter((at) => at >= ms).length;
  }

  #sent(): Transaction {
    const transaction = `${++this.#drawn}`.padStart(16, "0") as Transaction;
    if (this.isOpen) this.#acks.push({ transaction, atMs: this.now + Math.max(1, this.#rttMs) });
    return transaction;
  }
}

function proven(target: PathTarget = RELAY, rttMs = 20): Trial {
  const trial = new Trial(target, rttMs);
  trial.path.start(0);
  return trial.run(1_000);
}

test("paths of different sockets to one endpoint are different ones", () => {
  expect(pathIdOf(DIRECT)).not.toBe(pathIdOf({ ...DIRECT, socket: 3 }));
});

describe("an untried path", () => {
  test("sends eleven probes in 2.6 s; a direct one is then silent, a relay lost and asked on", () => {
    for (const [target, state] of [
      [DIRECT, "silent"],
      [RELAY, "lost"],
    ] as const) {
      const trial = new Trial(target);
      trial.isOpen = false;
      trial.path.start(0);
      trial.run(2_700);
      expect(trial.probesAtMs).toEqual([0, 30, 60, 120, 200, 350, 550, 800, 1_200, 1_800, 2_600]);
      expect(trial.path.state).toBe(state);
      trial.run(60_000);
      expect(trial.probesSince(2_700) > 0).toBe(state === "lost");
    }
  });

  test("only opens its own NAT with the first two probes to a public address, and with none by a relay", () => {
    const path = new Path(DIRECT, "reflexive", 0);
    path.start(0);
    const opening = [0, 30, 60].map((at, i) => {
      const { ttl } = path;
      path.probed(`${i}`.padStart(16, "0") as Transaction, at);
      return ttl;
    });
    expect(opening).toEqual([2, 2, undefined]);
    const relay = new Path(RELAY, "relay", 0);
    relay.start(0);
    expect(relay.ttl).toBeUndefined();
  });

  test("asks at once, and all the way, when the peer's first probe comes by it; further ones hurry nothing", () => {
    const trial = new Trial(DIRECT);
    trial.isOpen = false;
    trial.path.start(0);
    trial.run(10);
    trial.path.answerProbe(10);
    expect(trial.path.ttl).toBeUndefined();
    trial.run(1);
    trial.path.answerProbe(11);
    trial.run(2_700);
    expect(trial.probesAtMs.slice(0, 3)).toEqual([0, 10, 40]);
    expect(trial.probesAtMs).toHaveLength(11);
  });

  test("goes all the way at once when the peer says that it has begun, once in a volley", () => {
    const trial = new Trial(DIRECT);
    trial.isOpen = false;
    trial.path.start(0);
    trial.run(10);
    trial.path.peerHasBegun(10);
    expect(trial.path.ttl).toBeUndefined();
    trial.run(1);
    trial.path.peerHasBegun(11);
    trial.run(100);
    expect(trial.probesAtMs).toEqual([0, 10, 40, 100]);
  });

  test("to an address that the peer itself has is tried all the way at once: there is no NAT to confuse", () => {
    const path = new Path(DIRECT, "host", 0);
    path.start(0);
    expect(path.ttl).toBeUndefined();
  });

  test("to a public address is tried again soon once, and then not before routers have forgotten our probes", () => {
    const trial = new Trial(DIRECT);
    trial.isOpen = false;
    const volleys = [0, 3_000, 6_000, 11_000, 36_000, 41_000].filter((at) => {
      trial.run(at - trial.now);
      const before = trial.path.sent;
      trial.path.start(at);
      trial.run(2_700);
      return trial.path.sent > before;
    });
    expect(volleys).toEqual([0, 3_000, 41_000]);
  });

  test("that worked, or rested until routers have forgotten, begins as at first: two openers, and a second volley", () => {
    for (const [isOpen, startAgainMs] of [
      [true, 1_000],
      [true, 600_000],
      [false, 600_000],
    ] as const) {
      const trial = new Trial(DIRECT, 20, "reflexive");
      trial.isOpen = isOpen;
      for (const at of isOpen ? [0] : [0, 3_000]) {
        trial.run(at - trial.now);
        trial.path.start(at);
        trial.run(500);
      }
      trial.path.rest();
      trial.isOpen = false;
      trial.run(startAgainMs - trial.now);
      const volleys = [0, 3_000, 6_000].map((afterMs) => {
        trial.run(startAgainMs + afterMs - trial.now);
        const before = trial.ttls.length;
        trial.path.start(trial.now);
        trial.run(2_700);
        const openers = trial.ttls.slice(before).filter((ttl) => ttl !== undefined).length;
        return { sent: trial.ttls.length - before, openers };
      });
      expect(volleys).toEqual([
        { sent: 11, openers: 2 },
        { sent: 11, openers: 5 },
        { sent: 0, openers: 0 },
      ]);
    }
  });

  test("answers a peer's probe with one of its own, and no volley", () => {
    const trial = new Trial(DIRECT);
    trial.isOpen = false;
    trial.path.answerProbe(0);
    trial.run(5_000);
    expect(trial.probesAtMs).toEqual([0]);
    expect(trial.path.state).toBe("silent");
  });

  test("is proven by the first ack of a probe of its own, and by no other", () => {
    const path = new Path(DIRECT, "host", 0);
    path.start(0);
    const [own, other] = ["1", "2"].map((digit) => digit.padStart(16, "0")) as [Transaction, Transaction];
    path.probed(own, 0);
    expect(path.answered(other, OBSERVED, false, 12)).toBeUndefined();
    expect(path.isProven).toBe(false);
    expect(path.answered(own, OBSERVED, false, 12)).toBe(12);
    expect(path.isProven).toBe(true);
    expect(path.answered(own, OBSERVED, false, 13)).toBeUndefined();
  });
});

describe("a proven path", () => {
  for (const rttMs of [5, 59, 61, 150, 400]) {
    test(`of ${rttMs} ms without data is probed every two seconds, and no more often`, () => {
      const trial = proven(RELAY, rttMs);
      trial.run(5_000);
      const fromMs = trial.now;
      trial.run(60_000);
      expect(trial.path.state).toBe("proven");
      expect(trial.probesSince(fromMs)).toBeWithin(24, 32);
    });
  }

  test("with data is probed ten times a second", () => {
    const trial = proven();
    for (let i = 0; i < 500; i++) {
      trial.path.used(1, 100, trial.now);
      trial.path.heard(trial.now);
      trial.run(20);
    }
    expect(trial.probesSince(1_000)).toBeWithin(50, 110);
  });

  test("is asked soon after packets that came by it steadily stop, and once", () => {
    for (const [everyMs, askedAfterMs] of [
      [20, 200],
      [200, 400],
    ] as const) {
      const trial = proven();
      for (let i = 0; i < 70; i++) {
        trial.path.heard(trial.now);
        trial.run(everyMs);
      }
      const lastMs = trial.now - everyMs;
      trial.run(1_000);
      const [asked, ...more] = trial.probesAtMs.filter((at) => at > lastMs).map((at) => at - lastMs);
      expect(asked).toBeWithin(askedAfterMs, askedAfterMs + 10);
      expect(more).toEqual([]);
    }
  });

  test("is suspect after 250 ms or three round trips without an answer to data, and lost a second later", () => {
    for (const [rttMs, suspectMs] of [
      [20, 250],
      [150, 450],
    ] as const) {
      const trial = proven(RELAY, rttMs).run(4_000);
      trial.isOpen = false;
      // Acks of what is under way still come.
      trial.run(3_000 + rttMs);
      const fresh = proven(RELAY, rttMs).run(500);
      fresh.isOpen = false;
      fresh.path.used(1, 100, fresh.now);
      fresh.run(suspectMs - rttMs);
      expect(fresh.path.state).toBe("proven");
      fresh.run(2 * rttMs + 100);
      expect(fresh.path.state).toBe("suspect");
      fresh.run(1_100);
      expect(fresh.path.state).toBe("lost");
      expect(trial.path.state).toBe("lost");
    }
  });

  test("once lost is asked ever more rarely, and trusted again after three acks", () => {
    const trial = proven();
    trial.isOpen = false;
    trial.run(120_000);
    expect(trial.path.state).toBe("lost");
    expect(trial.probesSince(60_000)).toBeWithin(3, 6);
    trial.isOpen = true;
    const acked = trial.path.acked;
    trial.run(16_000);
    expect(trial.path.state).toBe("proven");
    expect(trial.path.acked - acked).toBeGreaterThanOrEqual(3);
  });

  test("at rest it sends nothing and wants nothing", () => {
    const trial = proven();
    trial.path.rest();
    const fromMs = trial.now;
    expect(trial.path.deadlineMs).toBeUndefined();
    trial.run(60_000);
    expect(trial.probesSince(fromMs)).toBe(0);
    expect(trial.path.rtt.smoothedMs).toBeWithin(19, 22);
  });
});
