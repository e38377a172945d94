/**
 * The network of the failovers: a pair of easy NATs with three relays, and a machine with two uplinks.
 *
 *   a ── NAT ──┐                   ┌── NAT ── b
 *   m ══ Wi-Fi or cellular ══ core ┤
 *                                  └── relays r1, r2, r3, coordinator
 */
import { AgentDaemon, CoordinatorDaemon, RelayDaemon, type WhyView } from "../burrow.ts";
import type { Bench } from "../case.ts";
import type { Host } from "../host.ts";
import type { Namespace } from "../netns.ts";

/**
 * Time for a network to come to rest between two cuts: a lost relay is asked again every 10 s, and one that is not
 * needed every minute, which without a coordinator is how agents learn that it takes them again.
 */
const REST = { timeoutMs: 90_000, everyMs: 100 };
/** Rest is what has held for so long: a path may look well because nobody has asked since it died. */
const REST_HOLDS_MS = 1_000;

export class FailoverWorld {
  readonly bench: Bench;
  readonly coordinator: CoordinatorDaemon;
  readonly relays: readonly RelayDaemon[];
  readonly a: AgentDaemon;
  readonly b: AgentDaemon;
  /** The machine that moves. */
  readonly m: AgentDaemon;
  readonly uplinks: Uplinks;

  private constructor(
    bench: Bench,
    parts: Pick<FailoverWorld, "coordinator" | "relays" | "a" | "b" | "m" | "uplinks">,
  ) {
    this.bench = bench;
    this.coordinator = parts.coordinator;
    this.relays = parts.relays;
    this.a = parts.a;
    this.b = parts.b;
    this.m = parts.m;
    this.uplinks = parts.uplinks;
  }

  static async create(bench: Bench): Promise<FailoverWorld> {
    const { net } = bench;
    bench.step("a coordinator, three relays, three agents");
    const coordinator = await CoordinatorDaemon.start(
      bench,
      await net.publicHost("coordinator", "81.2.69.10"),
    );
    const relays: RelayDaemon[] = [];
    for (const number of [1, 2, 3]) {
      const host = await net.publicHost(`relay-${number}`, `81.2.69.2${number}`);
      relays.push(await RelayDaemon.start(bench, coordinator, host, `r${number}`, { websocket: true }));
    }
    const hostA = await net.site("a", "port-restricted", "81.2.70.1");
    const hostB = await net.site("b", "port-restricted", "89.160.20.1");
    const wifi = await net.router("wifi", "89.160.20.2", "port-restricted");
    const cellular = await net.router("cellular", "89.160.20.3", "port-restricted");
    const hostM = await wifi.host("m");
    const uplinks = await Uplinks.add(bench, hostM, cellular);
    const start = (name: string, host: Host) => AgentDaemon.start(bench, coordinator, host, name);
    const [a, b, m] = await Promise.all([start("a", hostA), start("b", hostB), start("m", hostM)]);
    return new FailoverWorld(bench, { coordinator, relays, a, b, m, uplinks });
  }

  relay(region: string): RelayDaemon {
    const relay = this.relays.find((daemon) => daemon.region === region);
    if (relay === undefined) throw new Error(`there is no relay in ${region}`);
    return relay;
  }

  /** Until both send to each other directly. */
  async direct(x: AgentDaemon, y: AgentDaemon): Promise<void> {
    await this.#rest(`${x.name} and ${y.name} are direct`, x, y, (why) => why.peer.path.kind === "direct");
  }

  /** Until both send by a path that answers. */
  async connected(x: AgentDaemon, y: AgentDaemon): Promise<void> {
    await this.#rest(`${x.name} and ${y.name} are connected`, x, y, ({ peer, attempts }) =>
      attempts.some(({ inUse, state }) => inUse && state === "proven" && peer.path.kind !== "none"),
    );
  }

  /** Until both send by a relay, have another one in reserve, and all relays do their work. */
  async relayed(x: AgentDaemon, y: AgentDaemon): Promise<void> {
    const views = async () => [...(await x.relays()), ...(await y.relays())];
    await quietly(this.bench, "no relay is taken for draining", async () =>
      (await views()).every(({ state }) => state !== "draining"),
    );
    await this.#rest(`${x.name} and ${y.name} are relayed, with one in reserve`, x, y, (why) => {
      const relays = why.attempts.filter(({ kind }) => kind === "relay");
      const proven = relays.filter(({ state }) => state === "proven");
      return why.peer.path.kind === "relay" && relays.length >= 2 && proven.length === relays.length;
    });
  }

  async #rest(what: string, x: AgentDaemon, y: AgentDaemon, holds: (why: WhyView) => boolean): Promise<void> {
    const look = async () => {
      const [there, back] = await Promise.all([x.whyPath(y), y.whyPath(x)]);
      return holds(there) && holds(back);
    };
    await quietly(this.bench, what, look);
  }

  /** Until `x` has no relay but by this transport, and its packets pass. */
  async bound(x: AgentDaemon, y: AgentDaemon, transport: "udp" | "websocket"): Promise<void> {
    await quietly(this.bench, `${x.name} reaches its relays by ${transport} alone`, async () => {
      const bound = (await x.relays()).filter((relay) => relay.bound);
      const { peer } = await x.whyPath(y);
      return (
        bound.length > 0 && bound.every((relay) => relay.transport === transport) && peer.path.kind !== "none"
      );
    });
  }

  /** The region of the relay by which `x` sends to `y`, or would. */
  async relayBetween(x: AgentDaemon, y: AgentDaemon): Promise<RelayDaemon> {
    const { peer } = await x.whyPath(y);
    const region = peer.path.region ?? (await x.glance()).home?.region;
    if (region === undefined) throw new Error(`${x.name} has no relay`);
    return this.relay(region);
  }
}

interface Way {
  readonly device: string;
  /** The first three bytes of the network there; the gateway is its .1. */
  readonly inside: string;
}

/** Two ways from one host to the internet, of which it has one at a time, as a telephone does. */
export class Uplinks {
  readonly #host: Namespace;
  readonly #ways: readonly [Way, Way];
  #onFirst = true;
  #nextNumber = 50;

  private constructor(host: Namespace, ways: readonly [Way, Way]) {
    this.#host = host;
    this.#ways = ways;
  }

  /** `host` hangs on its first router by `lan0` already. */
  static async add(bench: Bench, host: Host, second: { namespace: Namespace }): Promise<Uplinks> {
    await bench.lab.wire(second.namespace, "portm", host.namespace, "cell0");
    await second.namespace.ip("link set dev portm master lan");
    const inside = /inet ([\d.]+)\.1\/24/.exec(await second.namespace.ip("-4 addr show dev lan"))?.[1] ?? "";
    const insideFirst = host.address.replace(/\.\d+$/, "");
    return new Uplinks(host.namespace, [
      { device: "lan0", inside: insideFirst },
      { device: "cell0", inside },
    ]);
  }

  /**
   * The address on the one device goes, one on the other comes, and all routes with them. It is one that nobody had
   * before: what routers remember of earlier visits helps nobody.
   */
  async change(): Promise<void> {
    const [first, second] = this.#ways;
    const [from, to] = this.#onFirst ? [first, second] : [second, first];
    this.#onFirst = !this.#onFirst;
    const batch = [
      `addr flush dev ${from.device}`,
      `addr add ${to.inside}.${this.#nextNumber++}/24 dev ${to.device}`,
      `route replace default via ${to.inside}.1 dev ${to.device}`,
    ];
    await this.#host.run(["ip", "-4", "-batch", "-"], { stdin: `${batch.join("\n")}\n` });
  }
}

/** {@link Bench.until} for what is waited for between two measurements: a word only when it does not come. */
async function quietly(bench: Bench, what: string, probe: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  let sinceMs: number | undefined;
  while (performance.now() - startedMs < REST.timeoutMs) {
    const nowMs = performance.now();
    sinceMs = (await probe().catch(() => false)) ? (sinceMs ?? nowMs) : undefined;
    if (sinceMs !== undefined && nowMs - sinceMs >= REST_HOLDS_MS) return;
    await Bun.sleep(REST.everyMs);
  }
  bench.must(false, `${what}, within ${REST.timeoutMs} ms`);
}
