/** Whose word counts on a relay's data port, whose does not, and flaps, on a virtual clock. */
import { describe, expect, test } from "bun:test";
import type { NetworkId, RelayId, RelayReach } from "@burrow/protocol";
import { LOAD, relayRecord, VirtualMesh } from "../testing/mesh.ts";
import { Damping, FALLS_WINDOW_MS, HOLD_MAX_MS } from "./damping.ts";
import { Reachability, saidBy, verdictOf } from "./reachability.ts";
import type { RelayRecord } from "./records.ts";

const RTT_MS = 20;

/** Relays with a heartbeat a second, pings among them and a coordinator that probes; ports may be shut. */
class Port {
  readonly virtual = new VirtualMesh();
  readonly ids: readonly RelayId[];
  readonly shut = new Set<RelayId>();
  /** The coordinator's own UDP. */
  isBlind = false;
  readonly #lost = new Map<string, number>();

  /** Whom the coordinator does not see, and who is cut off from whom, by indices, beside the ports that are shut. */
  hides: (index: number) => boolean = () => false;
  misses: (from: number, to: number) => boolean = () => false;

  constructor(relays: number, more: (index: number) => Partial<RelayRecord> = () => ({})) {
    this.ids = Array.from({ length: relays }, (_, i) => this.virtual.relay(relayRecord(i + 1, more(i))));
  }

  /** Until something is the case; how long that took in seconds, at most a minute. */
  until(is: () => boolean): number {
    for (let seconds = 0; seconds < 60; seconds++) {
      if (is()) return seconds;
      this.pass(1);
    }
    throw new Error("a minute was not enough");
  }

  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      for (const id of this.ids) {
        const isSeen = !this.isBlind && !this.shut.has(id) && !this.hides(this.ids.indexOf(id));
        const eye = this.#ping(`eye ${id}`, id, isSeen);
        if (eye !== "pending") this.virtual.do((mesh, now) => mesh.relayProbed(id, eye.rttMs, now));
        const reach = this.ids.flatMap((other): RelayReach[] => {
          if (other === id) return [];
          const isShut = this.shut.has(id) || this.shut.has(other);
          const isMissed = this.misses(this.ids.indexOf(id), this.ids.indexOf(other));
          const found = this.#ping(`${id} ${other}`, other, !isShut && !isMissed);
          return found === "pending" || (found.rttMs === undefined && found.lost < 3)
            ? []
            : [found.rttMs === undefined ? { relay: other } : { relay: other, rttMs: found.rttMs }];
        });
        this.virtual.do((mesh, now) =>
          mesh.relaySaid(id, { type: "heartbeat", load: LOAD, draining: false, reach }, now),
        );
      }
      this.virtual.pass(1_000);
    }
  }

  state(index: number) {
    const id = this.ids[index];
    const entry = id === undefined ? undefined : this.virtual.mesh.relays.get(id);
    if (entry === undefined) throw new Error(`no relay ${index}`);
    return entry;
  }

  shutPort(index: number): void {
    const id = this.ids[index];
    if (id !== undefined) this.shut.add(id);
  }

  #ping(name: string, _to: RelayId, works: boolean): { rttMs?: number; lost: number } | "pending" {
    const lost = works ? 0 : (this.#lost.get(name) ?? 0) + 1;
    this.#lost.set(name, lost);
    return works ? { rttMs: RTT_MS, lost } : { lost };
  }
}

describe("a data port", () => {
  test("that is shut takes its relay down within 10 s, with the reason, while heartbeats go on", () => {
    for (const relays of [2, 3, 8]) {
      const port = new Port(relays);
      port.pass(10);
      expect(port.state(0)).toMatchObject({ state: "healthy" });
      expect(port.state(0).reason).toContain("its UDP port answers: this coordinator reaches it");
      port.shutPort(0);
      expect(port.until(() => port.state(0).state === "down")).toBeLessThanOrEqual(6);
      expect(port.state(0).reason).toContain("UDP port does not answer: this coordinator does not reach it");
      for (let i = 1; i < relays; i++) expect(port.state(i).state).toBe("healthy");
      const moved = port.virtual.outputs.filter((output) => output.to === "store" && "relay" in output);
      expect(moved).toContainEqual({
        to: "store",
        relay: port.ids[0],
        downSinceMs: port.state(0).sinceMs,
      } as never);
      port.shut.clear();
      expect(port.until(() => port.state(0).state === "healthy")).toBeLessThanOrEqual(3);
    }
  });

  test("is judged by the relays alone when the coordinator's own UDP is blocked", () => {
    const port = new Port(4);
    port.isBlind = true;
    port.pass(60);
    for (let i = 0; i < 4; i++) expect(port.state(i)).toMatchObject({ state: "healthy" });
    port.shutPort(2);
    expect(port.until(() => port.state(2).state === "down")).toBeLessThanOrEqual(8);
    port.pass(3);
    expect(port.state(2).reason).toContain("0 of 3 other relays do");
    expect([0, 1, 3].map((i) => port.state(i).state)).toEqual(["healthy", "healthy", "healthy"]);
  });

  test("a coordinator that loses its UDP later takes nobody down, not even the only relay", () => {
    for (const relays of [1, 2, 5]) {
      const port = new Port(relays);
      port.pass(20);
      port.isBlind = true;
      port.pass(60);
      for (let i = 0; i < relays; i++) expect(port.state(i)).toMatchObject({ state: "healthy" });
    }
  });

  test("shut from the start: its relay is never more than some seconds up", () => {
    const port = new Port(3);
    port.shutPort(1);
    expect(port.until(() => port.state(1).state === "down")).toBeLessThanOrEqual(6);
    port.pass(60);
    expect(port.state(1).state).toBe("down");
  });

  test("one that some reach and others do not stays up while those are not more", () => {
    const reachability = new Reachability();
    const regionOf = (id: RelayId) => `region of ${id}`;
    const [x, a, b, c] = [1, 2, 3, 4].map((n) => relayRecord(n).id) as [RelayId, RelayId, RelayId, RelayId];
    reachability.told(
      a,
      [
        { relay: x, rttMs: 5 },
        { relay: b, rttMs: 5 },
      ],
      0,
    );
    reachability.told(b, [{ relay: x }, { relay: a, rttMs: 5 }], 0);
    expect(verdictOf(reachability.voices(x, regionOf, 100))).toBe("works");
    // Whoever reaches nobody else has no voice.
    reachability.told(c, [{ relay: x }, { relay: a }], 0);
    expect(reachability.voices(x, regionOf, 100)).toEqual({
      reachedBy: 1,
      missedBy: 1,
      reachedFrom: 1,
      missedFrom: 1,
      eye: undefined,
    });
    reachability.told(c, [{ relay: x }, { relay: a, rttMs: 9 }], 0);
    const voices = reachability.voices(x, regionOf, 100);
    expect(verdictOf(voices)).toBe("silent");
    expect(saidBy(voices)).toBe("1 of 3 other relays does");
    expect(verdictOf(reachability.voices(x, regionOf, 60_000))).toBe("unknown");
    reachability.forget(c);
    expect(reachability.voices(x, regionOf, 100).missedBy).toBe(1);
  });
});

describe("who has a say", () => {
  const network = "00000000000000bb" as NetworkId;

  test("five own relays of one network take no relay down that serves all", () => {
    const port = new Port(8, (i) => (i < 3 ? {} : { network, region: `own-${i}` }));
    port.misses = (from, to) => from >= 3 && to < 3;
    for (const isBlind of [false, true]) {
      port.isBlind = isBlind;
      port.pass(30);
      expect(port.ids.map((_, i) => port.state(i).state)).toEqual(Array(8).fill("healthy"));
    }
    port.shutPort(0);
    expect(port.until(() => port.state(0).state === "down")).toBeLessThanOrEqual(8);
    // On one another they have a say.
    port.isBlind = true;
    port.misses = (from, to) => from >= 3 && to === 7;
    expect(port.until(() => port.state(7).state === "down")).toBeLessThanOrEqual(15);
  });

  test("a relay that only the coordinator reaches is down, in a mesh of any size and of few regions", () => {
    for (const [relays, regions] of [
      [3, 3],
      [3, 1],
      [8, 8],
      [8, 2],
    ] as const) {
      // The hidden one is beside the coordinator, in a region of its own.
      const port = new Port(relays, (i) => ({ region: i === 0 ? "here" : `there-${i % regions}` }));
      port.pass(10);
      port.misses = (_, to) => to === 0;
      expect(port.until(() => port.state(0).state === "down")).toBeLessThanOrEqual(6);
      port.pass(3);
      expect(port.state(0).reason).toContain("this coordinator reaches it, 0 of");
      for (let i = 1; i < relays; i++) expect(port.state(i).state).toBe("healthy");
    }
  });

  test("five relays behind one firewall take none down that the coordinator sees, whatever the firewall lets in", () => {
    for (const isSeen of [true, false]) {
      const port = new Port(8, (i) => ({ region: i < 3 ? `region-${i}` : "walled" }));
      port.pass(10);
      port.misses = (from, to) => from >= 3 && to < 3;
      port.hides = (index) => index >= 3 && !isSeen;
      port.pass(30);
      expect([0, 1, 2].map((i) => port.state(i).state)).toEqual(["healthy", "healthy", "healthy"]);
    }
  });
});

describe("flapping", () => {
  test("a port that comes and goes is down ever longer; one that holds out is up again", () => {
    const port = new Port(3);
    port.pass(5);
    let changes = 0;
    let last = port.state(0).state;
    for (let second = 0; second < 600; second++) {
      if (second % 20 === 0) port.shutPort(0);
      if (second % 20 === 10) port.shut.clear();
      port.pass(1);
      if (port.state(0).state !== last) changes++;
      last = port.state(0).state;
    }
    // Thirty times shut and opened: 60 changes without damping.
    expect(changes).toBeLessThanOrEqual(8);
    expect(port.state(0).reason).toMatch(/does not answer|fell \d+ times within 10 minutes/);
    port.shut.clear();
    port.pass(HOLD_MAX_MS / 1_000 + 5);
    expect(port.state(0).state).toBe("healthy");
  });

  test("the first return is free, the next cost twice as much each, and old falls are forgotten", () => {
    const damping = new Damping();
    let now = 0;
    damping.fell(now);
    expect(damping.well(now)).toBe(0);
    const holds = Array.from({ length: 9 }, () => {
      now += 1;
      damping.fell(now);
      return damping.well(now);
    });
    expect(holds).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300].map((s) => s * 1_000));
    expect(damping.well(now + 300_000)).toBe(0);
    damping.ill();
    expect(damping.well(now + 300_000)).toBe(300_000);
    expect(damping.well(now + FALLS_WINDOW_MS)).toBe(0);
  });
});
