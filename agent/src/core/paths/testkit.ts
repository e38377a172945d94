/** For tests: the paths of two agents to each other on a virtual clock, over ways that a test delays and cuts. */
import {
  type AgentId,
  type Candidate,
  type Endpoint,
  PROBE_LENGTH_MIN,
  type RelayId,
  type Transaction,
  toHex,
} from "@burrow/protocol";
import type { PathChange, PeerPathsSink, ProbeForm } from "./contract.ts";
import type { PathTarget } from "./path.ts";
import { PeerPaths } from "./peer-paths.ts";

export const R1 = "0000000000000001" as RelayId;
export const R2 = "0000000000000002" as RelayId;
export const R3 = "0000000000000003" as RelayId;

/** One way's condition: how long it takes, and in which directions nothing passes. */
export interface Way {
  delayMs: number;
  cut: "no" | "a→b" | "b→a" | "both";
  /** The longest datagram that passes. */
  carriesBytes?: number;
  /** Every so-manieth packet is lost. */
  losesEvery?: number;
}

export class Side implements PeerPathsSink {
  readonly name: "a" | "b";
  readonly endpoint: Endpoint;
  readonly paths: PeerPaths;
  /** Says nothing of its own accord, but answers each data packet, as pings and requests are. */
  answers = false;
  /** Further sockets, by where their NAT shows them. */
  readonly sockets = new Map<Endpoint, number>();
  /** What this side tells of itself when both are introduced. */
  candidates: Candidate[];
  readonly changes: (PathChange & { atMs: number })[] = [];
  readonly probes: { target: PathTarget; atMs: number; lengthBytes: number }[] = [];
  readonly mtus: { bytes: number | undefined; atMs: number }[] = [];
  readonly doubted: PathTarget[] = [];
  readonly kicks: PathTarget[] = [];
  readonly introductions: number[] = [];
  /** When data came, and by what. */
  readonly arrivals: { atMs: number; by: PathTarget["kind"] }[] = [];
  readonly #pair: Pair;

  constructor(pair: Pair, name: "a" | "b", seed: number) {
    this.#pair = pair;
    this.name = name;
    this.endpoint = `198.51.100.${seed}:4000` as Endpoint;
    this.candidates = [{ kind: "reflexive", endpoint: this.endpoint }];
    let drawn = seed * 1_000_000;
    const random = (length: number) => {
      const bytes = new Uint8Array(length);
      new DataView(bytes.buffer).setUint32(0, ++drawn);
      return bytes;
    };
    this.paths = new PeerPaths(toHex(new Uint8Array(8).fill(seed)) as AgentId, this, random);
  }

  probe(target: PathTarget, transaction: Transaction, form: ProbeForm): void {
    const { lengthBytes = PROBE_LENGTH_MIN, ttl, hasBegun = false } = form;
    this.probes.push({ target, atMs: this.#pair.now, lengthBytes });
    // One that only opens NATs dies on the way.
    if (ttl === undefined) this.#pair.probe(this, target, transaction, { lengthBytes, hasBegun });
  }

  mtuChanged(bytes: number | undefined): void {
    this.mtus.push({ bytes, atMs: this.#pair.now });
  }

  introduce(): void {
    this.introductions.push(this.#pair.now);
    this.#pair.introduce();
  }

  pathChanged(change: PathChange): void {
    this.changes.push({ ...change, atMs: this.#pair.now });
  }

  pathDoubted(target: PathTarget): void {
    this.doubted.push(target);
  }

  pathProven(target: PathTarget): void {
    this.kicks.push(target);
  }

  /** Sends one data packet by wherever the paths say. */
  send(lengthBytes: number): void {
    const { primary, also } = this.paths.route(this.#pair.now, 1, lengthBytes);
    if (primary !== undefined) this.#pair.data(this, primary, lengthBytes);
    if (also !== undefined) this.#pair.data(this, also, lengthBytes);
  }

  /** Where a socket of this side is seen: the main one, or a further one. */
  endpointOf(socket: number | undefined): Endpoint {
    return [...this.sockets].find(([, id]) => id === socket)?.[0] ?? this.endpoint;
  }

  /** Probes that left by a path of this kind at or after `sinceMs`. */
  probesBy(kind: PathTarget["kind"], sinceMs = 0): number {
    return this.probes.filter(({ target, atMs }) => target.kind === kind && atMs >= sinceMs).length;
  }
}

export class Pair {
  now = 0;
  readonly direct: Way = { delayMs: 10, cut: "no" };
  readonly relays = new Map<RelayId, Way>([
    [R1, { delayMs: 20, cut: "no" }],
    [R2, { delayMs: 30, cut: "no" }],
  ]);
  /** Whether the coordinator is there to swap candidates. */
  introduces = true;
  readonly a: Side = new Side(this, "a", 1);
  readonly b: Side = new Side(this, "b", 2);
  #events: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;
  #carried = 0;

  relay(id: RelayId): Way {
    const way = this.relays.get(id);
    if (way === undefined) throw new Error(`no way by relay ${id}`);
    return way;
  }

  bindRelays(...relays: RelayId[]): void {
    this.a.paths.setRelays(relays, this.now);
    this.b.paths.setRelays(relays, this.now);
  }

  /** Both sides send a packet every `everyMs` for `forMs`; one that only answers does not. */
  stream(forMs: number, everyMs = 20, lengthBytes = 96): void {
    const endMs = this.now + forMs;
    for (let atMs = this.now; atMs < endMs; atMs += everyMs) {
      this.at(atMs, () => this.a.send(lengthBytes));
      if (!this.b.answers) this.at(atMs + everyMs / 2, () => this.b.send(lengthBytes));
    }
    this.run(forMs);
  }

  at(atMs: number, run: () => void): void {
    this.#events.push({ atMs, order: this.#order++, run });
  }

  run(ms: number): void {
    const endMs = this.now + ms;
    for (;;) {
      this.#events.sort((x, y) => x.atMs - y.atMs || x.order - y.order);
      const deadlines = [this.a, this.b].map(({ paths }) => paths.nextDeadline() ?? Number.POSITIVE_INFINITY);
      const next = Math.max(
        this.now,
        Math.min(this.#events[0]?.atMs ?? Number.POSITIVE_INFINITY, ...deadlines),
      );
      if (next > endMs) break;
      this.now = next;
      while ((this.#events[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.now) this.#events.shift()?.run();
      for (const { paths } of [this.a, this.b]) paths.tick(this.now);
    }
    this.now = endMs;
  }

  probe(
    from: Side,
    target: PathTarget,
    transaction: Transaction,
    { lengthBytes, hasBegun }: { readonly lengthBytes: number; readonly hasBegun: boolean },
  ): void {
    this.#carry(from, target, lengthBytes, (to, seenAs) => {
      this.#carry(to, seenAs, PROBE_LENGTH_MIN, (back, ackedBy) => {
        const observed = seenAs.kind === "direct" ? seenAs.endpoint : from.endpoint;
        back.paths.acked(ackedBy, transaction, observed, this.now);
      });
      to.paths.probedBy(seenAs, transaction, this.now);
      if (hasBegun) to.paths.peerHasBegun(this.now);
    });
  }

  data(from: Side, target: PathTarget, lengthBytes: number): void {
    this.#carry(from, target, lengthBytes, (to, seenAs) => {
      to.arrivals.push({ atMs: this.now, by: seenAs.kind });
      to.paths.heard(seenAs, this.now);
      if (to.answers) to.send(lengthBytes);
    });
  }

  introduce(): void {
    if (!this.introduces) return;
    this.at(this.now + 15, () => {
      this.a.paths.probeNow(this.b.candidates, this.now);
      this.b.paths.probeNow(this.a.candidates, this.now);
    });
  }

  #carry(
    from: Side,
    target: PathTarget,
    lengthBytes: number,
    arrive: (to: Side, seenAs: PathTarget) => void,
  ): void {
    const to = from === this.a ? this.b : this.a;
    if (target.kind === "direct" && target.endpoint !== to.endpoint && !to.sockets.has(target.endpoint))
      return;
    const way = target.kind === "direct" ? this.direct : this.relay(target.relay);
    if (way.cut === "both" || way.cut === (from === this.a ? "a→b" : "b→a")) return;
    if (lengthBytes > (way.carriesBytes ?? Number.POSITIVE_INFINITY)) return;
    if (++this.#carried % (way.losesEvery ?? Number.POSITIVE_INFINITY) === 0) return;
    const seenAs = target.kind === "direct" ? seenAt(from, to, target) : target;
    this.at(this.now + way.delayMs, () => {
      if (way.cut !== "both") arrive(to, seenAs);
    });
  }
}

/** What `to` makes of a datagram that `from` sent to `target`: whence it came, and to which socket. */
function seenAt(from: Side, to: Side, target: PathTarget & { kind: "direct" }): PathTarget {
  const endpoint = from.endpointOf(target.socket);
  const socket = to.sockets.get(target.endpoint);
  return { kind: "direct", endpoint, ...(socket === undefined ? {} : { socket }) };
}

/** The longest time without a packet from `fromMs` on. */
export function longestGapMs(side: Side, fromMs: number, untilMs: number): number {
  let last = fromMs;
  let longest = 0;
  for (const { atMs } of side.arrivals) {
    if (atMs < fromMs || atMs > untilMs) continue;
    longest = Math.max(longest, atMs - last);
    last = atMs;
  }
  return Math.max(longest, untilMs - last);
}
